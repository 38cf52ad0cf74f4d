"""Reports of runs or of a sweep: reads the tables and has `keepbest.reports` write the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keepbest.contract.reports import Block, Report
from keepbest.contract.validations import RecordedValidation
from keepbest.errors import NotFound
from keepbest.reports.blocks import to_markdown
from keepbest.reports.material import Material, SweepMaterial
from keepbest.reports.run import report_run
from keepbest.reports.several import report_several
from keepbest.reports.sweep import report_sweep
from tracker import db
from tracker.db import Connection, Engine
from tracker.services import samplers
from tracker.store import checkpoints, runs, segments, shares, test_results, validations
from tracker.store.access.users import Principal
from tracker.store.sweeps import sweeps

#: Validations read at once.
_PAGE = 5000


def report(engine: Engine, references: Sequence[str], principal: Principal) -> Report:
    """Report one run, several runs, or one sweep; raises NotFound for a reference to neither."""
    with db.read(engine) as conn:
        gathered = (
            gather_any(conn, references[0], principal)
            if len(references) == 1
            else [gather(conn, reference, principal) for reference in references]
        )
    if isinstance(gathered, Material):
        return _build(gathered.run.name, report_run(gathered))
    if isinstance(gathered, SweepMaterial):
        return _build(gathered.known.sweep.name, report_sweep(gathered))
    return _build(f"{len(gathered)} runs", report_several(gathered))


def gather_any(conn: Connection, reference: str, principal: Principal) -> Material | SweepMaterial:
    """Read the run, or else the sweep, with this id."""
    try:
        return gather(conn, reference, principal)
    except NotFound as missing:
        try:
            return gather_sweep(conn, reference)
        except NotFound:
            hint = "`keepbest ls` lists the runs, `keepbest sweeps` the sweeps."
            raise NotFound(f"There is no run and no sweep {reference!r}.", field="of", hint=hint) from missing


def gather(conn: Connection, reference: str, principal: Principal) -> Material:
    """Read a run with all its validations; the holder of a link does not learn how many rivals it had."""
    row = runs.get_run(conn, reference)
    return Material(
        run=shares.narrow_run(runs.show_run(row), principal),
        validations=tuple(_read_validations(conn, row.pk)),
        receipts=tuple(checkpoints.list_receipts(conn, row.pk)),
        test_results=tuple(test_results.list_test_results(conn, row.pk)),
        searched=runs.count_rivals(conn, row) if principal.share is None else None,
    )


def gather_sweep(conn: Connection, reference: str) -> SweepMaterial:
    """Read a sweep with all its runs."""
    known = sweeps.list_runs(conn, sweeps.get_sweep(conn, reference))
    best = known.sweep.best
    run = runs.show_run(runs.get_run(conn, best.run)) if best else None
    return SweepMaterial(known, samplers.weigh(known.sweep.space, known.sweep.mode, known.runs), run)


def _read_validations(conn: Connection, run_pk: int) -> Iterable[RecordedValidation]:
    path, after = segments.read_path(conn, run_pk), 0
    while page := validations.list_validations(conn, run_pk, path, after=after, limit=_PAGE):
        yield from page
        after = page[-1].seq


def _build(title: str, parts: Iterable[Block]) -> Report:
    blocks = list(parts)
    return Report(title=title, blocks=blocks, markdown=to_markdown(blocks))
