"""Prints the decision log of a run: one row for each validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keepbest.cli.common.formatting import clean, number, whole
from keepbest.cli.common.output import Table, print_json, print_table
from keepbest.contract.validations import RecordedValidation

#: Columns left out on a narrow terminal, to make room for the decision.
SPARE = ("n", "took", "checkpoint")


def show_validations(monitor: str, validations: Sequence[RecordedValidation], as_json: bool) -> None:
    """Print every validation with its decision, the policy and the reason."""
    if as_json:
        print_json([validation.model_dump(mode="json") for validation in validations])
        return
    heads = (">step", ">" + clean(monitor), "", ">n", ">wait", ">left", ">took", "checkpoint", "decision")
    table = Table(heads, empty="No validations yet.", spare=SPARE)
    for validation in validations:
        table.add(*_row(validation))
    print_table(table)


def _row(validation: RecordedValidation) -> Iterator[str]:
    decision = validation.decision
    yield f"{validation.step:,}"
    yield number(validation.value)
    yield _mark(validation)
    yield whole(validation.n)
    yield whole(decision.wait)
    yield whole(decision.patience_left)
    yield "-" if validation.seconds is None else f"{validation.seconds:.3f} s"
    yield validation.checkpoint or "-"
    yield "".join(_decided(validation))


def _mark(validation: RecordedValidation) -> str:
    if validation.withdraws:
        return "takes back"
    if validation.is_withdrawn:
        return "withdrawn"
    return "best" if validation.decision.improved else ("abandoned" if validation.ghost else "")


def _decided(validation: RecordedValidation) -> Iterator[str]:
    """Yield the decision in words, the other policies' verdicts, and the note, as of a skipped checkpoint."""
    decision = validation.decision
    yield decision.message or (f"stop: {decision.reason}" if decision.stop else "go on")
    for verdict in decision.verdicts:
        if verdict.message not in decision.message:
            yield f" {verdict.policy}: {verdict.message}."
    if validation.note:
        yield f" ({validation.note})"
