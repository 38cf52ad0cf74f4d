"""The decision ledger of a run as a table: one row a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keepbest.cli.common.formatting import clean, number, whole
from keepbest.cli.common.output import Table, print_json, print_table
from keepbest.contract.validations import RecordedValidation

#: Left out on a narrow terminal, where the decision matters more.
SPARE = ("n", "took", "checkpoint")


def show_looks(monitor: str, looks: Sequence[RecordedValidation], as_json: bool) -> None:
    """Print every look with what was decided, by which policy, and why."""
    if as_json:
        print_json([look.model_dump(mode="json") for look in looks])
        return
    heads = (">step", ">" + clean(monitor), "", ">n", ">wait", ">left", ">took", "checkpoint", "decision")
    table = Table(heads, empty="No looks yet.", spare=SPARE)
    for look in looks:
        table.add(*_row(look))
    print_table(table)


def _row(look: RecordedValidation) -> Iterator[str]:
    said = look.decision
    yield f"{look.step:,}"
    yield number(look.value, 17)
    yield _mark(look)
    yield whole(look.n)
    yield whole(said.wait)
    yield whole(said.patience_left)
    yield "-" if look.seconds is None else f"{look.seconds:.3f} s"
    yield look.checkpoint or "-"
    yield "".join(_decided(look))


def _mark(look: RecordedValidation) -> str:
    if look.withdraws:
        return "takes back"
    if look.is_withdrawn:
        return "withdrawn"
    return "best" if look.decision.improved else ("abandoned" if look.ghost else "")


def _decided(look: RecordedValidation) -> Iterator[str]:
    """Yield the decision in words, what the other policies said, and what was noted (a checkpoint that was skipped)."""
    said = look.decision
    yield said.message or (f"stop: {said.reason}" if said.stop else "go on")
    for verdict in said.verdicts:
        if verdict.message not in said.message:
            yield f" {verdict.policy}: {verdict.message}."
    if look.note:
        yield f" ({look.note})"
