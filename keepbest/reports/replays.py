"""The table of a replay: what each policy would have done with each run, in the shape of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from keepbest.contract.policies import PolicySpec
from keepbest.contract.replays import ReplayedPolicy, ReplayOutcome, ReplaySummary
from keepbest.errors import InvalidInput
from keepbest.stopping import build, parse
from keepbest.stopping.comparison import find_front, summarize
from keepbest.stopping.policies.epochs import counts_epochs, resolve_epochs
from keepbest.stopping.replay import PolicyOutcome, RecordedRun, Status, replay

Spec = dict[str, Any]


def parse_stoppers(texts: Sequence[str]) -> list[Spec]:
    """Return policies in their JSON form; raises InvalidInput, whose field says which text is wrong."""
    return [_parse(text, place) for place, text in enumerate(texts)]


def _parse(text: str, place: int) -> Spec:
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"stoppers.{place}", hint=error.hint) from None


def replay_policies(specs: Sequence[Spec], runs: Sequence[RecordedRun]) -> list[list[PolicyOutcome]]:
    """Return for each policy what it would have done with each run.

    A run at a time: policies that draw the same examples at the same validations share the draws.
    """
    by_run = [[_replay(spec, run) for spec in specs] for run in runs]
    return [[outcomes[place] for outcomes in by_run] for place in range(len(specs))]


def _replay(spec: Spec, record: RecordedRun) -> PolicyOutcome:
    if counts_epochs(spec):
        if record.steps_per_epoch is None:
            message = "The policy counts in epochs, and no validation of the run has an epoch."
            return PolicyOutcome(status=Status.INCONCLUSIVE, message=message)
        spec = resolve_epochs(spec, record.steps_per_epoch)
    return replay(build(spec, record.mode), record)


def show_policies(
    stoppers: Sequence[str], specs: Sequence[Spec], table: Sequence[Sequence[PolicyOutcome]]
) -> list[ReplayedPolicy]:
    """Return each policy with its outcomes and their summary."""
    summaries = [summarize(outcomes) for outcomes in table]
    front = find_front(summaries)
    return [
        ReplayedPolicy(
            stopper=text,
            policy=PolicySpec.model_validate(spec),
            on_front=place in front,
            summary=ReplaySummary(**asdict(summary)),
            outcomes=[ReplayOutcome.model_validate(asdict(outcome)) for outcome in outcomes],
        )
        for place, (text, spec, summary, outcomes) in enumerate(zip(stoppers, specs, summaries, table, strict=True))
    ]
