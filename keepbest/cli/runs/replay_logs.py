"""`replay --tensorboard`: where the trainings in TensorBoard's logs should have stopped. Asks no service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from keepbest.cli.common.formatting import at_step, counted
from keepbest.cli.common.output import print_json, print_table, say, warn
from keepbest.cli.runs.replay_tables import one_run
from keepbest.contract.replays import ReplayedPolicy
from keepbest.contract.runs import Mode as ContractMode
from keepbest.errors import InvalidInput
from keepbest.foreign.foreign_run import ForeignRun
from keepbest.foreign.monitor import guess_monitor
from keepbest.foreign.recorded import record_run
from keepbest.foreign.tensorboard.log_folder import read_log_folder
from keepbest.reports.replays import parse_stoppers, replay_policies, show_policies
from keepbest.stopping import Mode, find_mode
from keepbest.stopping.comparison import CANDIDATES, Recommendation, recommend
from keepbest.stopping.replay import RecordedRun

_MODES: dict[ContractMode | None, Mode] = {ContractMode.MIN: "min", ContractMode.MAX: "max"}


@dataclass(frozen=True)
class _Watched:
    """A run of the logs, with its validations by one metric."""

    run: ForeignRun
    monitor: str
    mode: Mode
    is_guessed: bool
    record: RecordedRun

    def say(self) -> str:
        """Return in a line what was watched, and the best."""
        best = self.record.best
        how = "guessed by its name: --monitor names another" if self.is_guessed else "as you said"
        many = f"{counted(len(self.record.measured), 'validation')} up to step {self.record.end:,}"
        value = at_step(best.value, best.step) if best else "no best"
        return f"{self.run.name}: {self.monitor} {value}, {many} ({self.mode}, {how})"

    def to_json(self, policies: Sequence[ReplayedPolicy]) -> dict[str, Any]:
        """Return the run and what each policy would have done with it."""
        best = self.record.best
        outcomes = [{"stopper": policy.stopper, **policy.outcomes[0].model_dump(mode="json")} for policy in policies]
        return {
            "name": self.run.name,
            "source": self.run.source,
            "monitor": self.monitor,
            "mode": self.mode,
            "is_guessed": self.is_guessed,
            "validations": len(self.record.measured),
            "end_step": self.record.end,
            "best_step": best.step if best else None,
            "best_value": best.value if best else None,
            "policies": outcomes,
        }


def replay_logs(
    folder: Path,
    stops: list[str] | None,
    monitor: str | None,
    mode: ContractMode | None,
    tolerate: float,
    *,
    as_json: bool,
) -> None:
    """Say of each run in the logs when each policy would have stopped it, and what that would have saved and lost."""
    stoppers = stops or list(CANDIDATES)
    specs = parse_stoppers(stoppers)
    left_out: list[dict[str, str]] = []
    watched = list(_watch(folder, monitor, mode, left_out))
    shown = []
    for run in watched:
        table = replay_policies(specs, [run.record])
        shown.append((run, show_policies(stoppers, specs, table), recommend(stoppers, table, tolerate)))
    alike = [run.record for run in watched if (run.monitor, run.mode) == (watched[0].monitor, watched[0].mode)]
    advice = recommend(stoppers, replay_policies(specs, alike) if alike else [], tolerate)
    if as_json:
        runs = [run.to_json(policies) for run, policies, _ in shown]
        print_json(_as_json(runs, left_out, stoppers, advice))
        return
    for skipped in left_out:
        warn(f"Left out: {skipped['name']}. {skipped['message']}")
    for run, policies, own in shown:
        _tell(run, policies, own, is_ladder=not stops)
    if len(alike) > 1:
        say(f"{len(alike)} runs that watch {watched[0].monitor}:")
    say(advice.message)
    if advice.place is not None:
        say(f"keepbest submit … --stop {quote(stoppers[advice.place])}")


def _watch(
    folder: Path, monitor: str | None, mode: ContractMode | None, left_out: list[dict[str, str]]
) -> Iterator[_Watched]:
    for run in read_log_folder(folder):
        key = monitor or run.monitor
        if key is None:
            message = "No name of its metrics tells which one was watched: --monitor says it."
            left_out.append({"name": run.name, "message": message})
            continue
        direction = _MODES.get(mode) or find_mode(key) or dict(filter(None, [guess_monitor([key])])).get(key)
        if direction is None:
            raise InvalidInput(f"Nobody knows which way {key} gets better.", field="mode", hint="--mode min, or max")
        record = record_run(run, key, direction)
        if not record.measured:
            left_out.append({"name": run.name, "message": f"It has no values of {key}."})
            continue
        yield _Watched(run, key, direction, monitor is None, record)


def _tell(run: _Watched, policies: Sequence[ReplayedPolicy], advice: Recommendation, *, is_ladder: bool) -> None:
    """Print what concerns one run: of the ladder of patience only what would have stopped it."""
    say(run.say())
    stopped = sum(policy.outcomes[0].status == "stopped" for policy in policies)
    shown = policies[:stopped] if is_ladder else policies
    if shown:
        print_table(one_run(shown, advice.place))
    if is_ladder and stopped < len(policies):
        say(f"{policies[stopped].stopper} would not have stopped it, nor would more patience.")
    for policy in policies:
        if policy.outcomes[0].status == "inconclusive":
            warn(f"{policy.stopper}: {policy.outcomes[0].message}")
    say()


def _as_json(
    runs: list[dict[str, Any]], left_out: list[dict[str, str]], stoppers: Sequence[str], advice: Recommendation
) -> dict[str, Any]:
    recommended = None if advice.place is None else stoppers[advice.place]
    return {"runs": runs, "left_out": left_out, "recommended": recommended, "message": advice.message}
