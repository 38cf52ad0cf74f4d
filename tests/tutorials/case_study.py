"""Exercise 1 of tutorial 003 on runs of our own: is 1000 steps of patience enough, is there a better way?

    make case-study            five seeds on MNIST, for docs/explanation/case-study.md
    make case-study SHORT=1    two seeds and 400 steps of the embedded digits, told but not written

The tutorial's rule is in the shadow: all runs train to the same last step, and any policy can be replayed over them.
The exit status is 1 where a restored best differs from what was recorded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from keepbest.contract.policies import PolicySpec
from keepbest.contract.replays import ReplayRequest
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.errors import KeepbestError
from keepbest.stopping import parse
from tests.tutorials import table
from tests.tutorials.findings import Study, find_noise, tell
from tests.tutorials.service import Service, find_data, serve

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "case-study.md"
BEGIN = "<!-- measured by `make case-study`: begin -->"
SEEDS, STEPS = range(5), 8_000
SHORT_SEEDS, SHORT_STEPS = range(2), 400
#: One trainer does not keep two cores busy with so small a network.
SLOTS = 2
IN_SHADOW = "check_finite() | shadow(patience(steps=1000))"
CANDIDATES = (
    "300steps",
    "500steps",
    "700steps",
    "1000steps",
    "1500steps",
    "2000steps",
    "5checks",
    "10checks",
    "20checks",
    "patience(checks=10, min_delta=0.001)",
    "patience(checks=10, smoothing=0.6)",
    "patience(steps=500, start_from=3000)",
    "noise_aware(checks=10)",
    "generalization_loss(alpha=5)",
    "generalization_loss(alpha=20)",
    "progress_quotient(alpha=0.75)",
    "upcrossing(times=4, strip=5)",
    "upcrossing(times=3, strip=1)",
    "stopping_threshold(0.985)",
    "max_steps(4000)",
)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = read_arguments(arguments)
    place = tempfile.TemporaryDirectory(prefix="keepbest-case-study-")
    with place as folder, serve(Path(folder), find_data(), slots=SLOTS) as service:
        study = conduct(service, short=asked.short)
    lines = list(tell(study))
    print(*lines, sep="\n")
    if not asked.short:
        asked.page.write_text(table.between(asked.page.read_text(), BEGIN, lines))
    return 0 if all(outcome.receipt.equal for outcome in study.outcomes) else 1


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make case-study", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few steps on the embedded digits; nothing is written")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that holds the tables")
    return parser.parse_args(arguments)


def conduct(service: Service, *, short: bool) -> Study:
    """Train every seed to the end, and replay the policies over all of them."""
    outcomes = service.train(*requests(short=short))
    runs, tolerated = [outcome.run.id for outcome in outcomes], find_noise(outcomes)
    strict, lenient = (service.replay(ask(runs, tolerate)) for tolerate in (0.0, tolerated))
    return Study(outcomes, strict, lenient, tolerated)


def requests(*, short: bool) -> list[RunRequest]:
    return [
        RunRequest(
            project="case-study",
            name=f"seed-{seed}",
            source=RecipeSource(name="hvass-cnn"),
            data="digits" if short else "mnist",
            stopper=PolicySpec.model_validate(parse(IN_SHADOW)),
            max_steps=SHORT_STEPS if short else STEPS,
            seed=seed,
        )
        for seed in (SHORT_SEEDS if short else SEEDS)
    ]


def ask(runs: Sequence[str], tolerate: float) -> ReplayRequest:
    return ReplayRequest(runs=list(runs), stoppers=list(CANDIDATES), tolerate=tolerate)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeepbestError as error:
        sys.exit(f"error: {error}\nnext: {error.hint}" if error.hint else f"error: {error}")
