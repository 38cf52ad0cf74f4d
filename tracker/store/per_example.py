"""Results of single examples: written with each validation, read by replays that compare validations by example."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from keepbest import figures
from keepbest.contract import per_example as contract
from keepbest.contract.batches import ReportedValidation
from keepbest.contract.validations import RecordedValidation
from keepbest.errors import TooLarge
from keepbest.stopping import Correct, Losses, Pairs, Unpaired
from keepbest.stopping.pairs import to_record
from tracker import db
from tracker.models import RunTable, ValidationExamplesTable

#: Inflated bytes that one replay may hold: 3,300 validations of 5,000 losses, or 100,000 of 5,000 bits.
MAX_BYTES = 64 * 2**20
#: Losses in one replay, which draws each a thousand times: 17 s of one core.
MAX_LOSSES = 5_000_000

_HINT = "Choose fewer runs, or fewer policies that compare validations example by example."

Place = tuple[int, int]  # segment and step


def add_examples(conn: Connection, run_pk: int, taken: Sequence[ReportedValidation]) -> None:
    """Add the results that these validations have of their examples; a known result stays as it is."""
    pairs = [(validation, validation.examples) for validation in taken if validation.examples is not None]
    if pairs:
        rows = [
            {"run_pk": run_pk, "segment": validation.segment, "step": validation.step, **_row(examples)}
            for validation, examples in pairs
        ]
        conn.execute(db.insert(conn, ValidationExamplesTable).on_conflict_do_nothing(), rows)


def read_examples(conn: Connection, runs: Sequence[str], alphas: int) -> Mapping[str, Mapping[Place, Pairs]]:
    """Return the results of these runs by id and place; `alphas` is how many values of `alpha` the replays have.

    Raises TooLarge, before reading, where that is too much for one request.
    """
    _check_size(conn, runs, alphas)
    pairs: defaultdict[str, dict[Place, Pairs]] = defaultdict(dict)
    columns = [getattr(ValidationExamplesTable, name) for name in ("segment", "step", "kind", "n", "note", "data")]
    query = select(RunTable.id.label("run"), *columns).join(RunTable, ValidationExamplesTable.run_pk == RunTable.pk)
    for row in conn.execute(query.where(RunTable.id.in_(runs)).execution_options(yield_per=100)):
        pairs[row.run][row.segment, row.step] = _show(row)
    return pairs


def add_to(conn: Connection, run_pk: int, validations: Sequence[RecordedValidation]) -> list[RecordedValidation]:
    """Return these validations of a run with the results of their examples."""
    steps = {validation.step for validation in validations}
    query = select(*ValidationExamplesTable.__table__.columns).where(
        ValidationExamplesTable.run_pk == run_pk, ValidationExamplesTable.step.in_(steps)
    )
    known = {
        (row.segment, row.step): contract.Examples.model_validate(to_record(_show(row))) for row in conn.execute(query)
    }
    return [
        validation.model_copy(update={"examples": known.get((validation.segment, validation.step))})
        for validation in validations
    ]


def _row(examples: contract.Examples) -> dict[str, Any]:
    if examples.correct is not None:
        bits = zlib.compress(b64decode(examples.correct.bits))
        return {"kind": "correct", "n": examples.correct.n, "note": None, "data": bits}
    if examples.losses is not None:
        raw = b64decode(examples.losses.float32)
        return {"kind": "losses", "n": len(raw) // 4, "note": examples.losses.note or None, "data": zlib.compress(raw)}
    return {"kind": "unpaired", "n": 0, "note": examples.unpaired, "data": None}


def _show(row: Row[Any]) -> Pairs:
    if row.kind == "unpaired":
        return Unpaired(row.note)
    raw = zlib.decompress(row.data)
    return Losses(raw, row.note or "") if row.kind == "losses" else Correct(row.n, int.from_bytes(raw, "big"))


def _check_size(conn: Connection, runs: Sequence[str], alphas: int) -> None:
    losses = func.sum(case((ValidationExamplesTable.kind == "losses", ValidationExamplesTable.n), else_=0))
    bits = func.sum(case((ValidationExamplesTable.kind == "correct", ValidationExamplesTable.n), else_=0))
    query = (
        select(losses, bits).join(RunTable, ValidationExamplesTable.run_pk == RunTable.pk).where(RunTable.id.in_(runs))
    )
    numbers, flags = (int(total or 0) for total in conn.execute(query).one())
    size, drawn = 4 * numbers + flags // 8, numbers * alphas
    if size > MAX_BYTES:
        message = f"What each example did at the validations of {len(runs)} runs takes {figures.size(size)}"
        raise TooLarge(f"{message}; {figures.size(MAX_BYTES)} at most.", field="runs", hint=_HINT)
    if drawn > MAX_LOSSES:
        message = f"The losses of all examples at the validations of {len(runs)} runs, for {alphas} alpha: {drawn:,}"
        raise TooLarge(f"{message}; {MAX_LOSSES:,} at most.", field="runs", hint=_HINT)
