"""Reports: what is known of runs, or of a sweep, gathered from the tables and told by `keepbest.report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keepbest.contract.looks import Look
from keepbest.contract.reports import Block, Report
from keepbest.errors import NotFound
from keepbest.report.blocks import to_markdown
from keepbest.report.material import Material, SweepMaterial
from keepbest.report.run import report_run
from keepbest.report.several import report_several
from keepbest.report.sweep import report_sweep
from tracker import db, searching
from tracker.db import Connection, Engine
from tracker.store import checkpoints, evaluations, looks, runs, segments, sweeps

#: Looks read at once.
_PAGE = 5000


def report(engine: Engine, references: Sequence[str]) -> Report:
    """Report one run, several, or one sweep; raises NotFound where one of them is neither."""
    with db.read(engine) as conn:
        gathered = (
            gather_any(conn, references[0]) if len(references) == 1 else [gather(conn, one) for one in references]
        )
    if isinstance(gathered, Material):
        return _tell(gathered.run.name, report_run(gathered))
    if isinstance(gathered, SweepMaterial):
        return _tell(gathered.known.sweep.name, report_sweep(gathered))
    return _tell(f"{len(gathered)} runs", report_several(gathered))


def gather_any(conn: Connection, reference: str) -> Material | SweepMaterial:
    """Read the run, or else the sweep, that is meant."""
    try:
        return gather(conn, reference)
    except NotFound as missing:
        try:
            return gather_sweep(conn, reference)
        except NotFound:
            hint = "`keepbest ls` lists the runs, `keepbest sweeps` the sweeps."
            raise NotFound(f"There is no run and no sweep {reference!r}.", field="of", hint=hint) from missing


def gather(conn: Connection, reference: str) -> Material:
    """Read a run with all its looks."""
    row = runs.get_run(conn, reference)
    return Material(
        run=runs.show_run(row),
        looks=tuple(_read_looks(conn, row.pk)),
        receipts=tuple(checkpoints.list_receipts(conn, row.pk)),
        evaluations=tuple(evaluations.list_evaluations(conn, row.pk)),
        searched=runs.count_rivals(conn, row),
    )


def gather_sweep(conn: Connection, reference: str) -> SweepMaterial:
    """Read a sweep with all its runs."""
    known = sweeps.list_runs(conn, sweeps.get_sweep(conn, reference))
    best = known.sweep.best
    found = runs.show_run(runs.get_run(conn, best.run)) if best else None
    return SweepMaterial(known, searching.weigh(known.sweep, known.runs), found)


def _read_looks(conn: Connection, run_pk: int) -> Iterable[Look]:
    path, after = segments.read_path(conn, run_pk), 0
    while page := looks.list_looks(conn, run_pk, path, after=after, limit=_PAGE):
        yield from page
        after = page[-1].seq


def _tell(title: str, told: Iterable[Block]) -> Report:
    blocks = list(told)
    return Report(title=title, blocks=blocks, markdown=to_markdown(blocks))
