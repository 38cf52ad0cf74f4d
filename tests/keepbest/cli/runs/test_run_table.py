"""`keepbest ls FILTER`: what fits, what is shown, groups, mistakes and completion, against the real tracker."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from itertools import count

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.cli.runs.columns import choose_columns
from keepbest.contract.base import new_id
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.query.parser import parse
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.filters import NOW
from tests.support.live import FakeWorker, Live
from tests.support.processes import PATIENCE, ROOT

pytestmark = pytest.mark.usefixtures("signed_in")

COLUMNS = [
    ("", "", []),
    ("val_loss < 1 and val_loss > 0", "", ["val_loss"]),
    ("not (params.rate = 1 or metrics.`my loss`.last = 2)", "", ["params.rate", "metrics.`my loss`.last"]),
    ("tag = a and tags.team = b", "", ["tags"]),
    ("state = failed and best > 1 and worker = mill", "", ["worker"]),
    ("mnist", "val_loss.max, params.rate,created", ["val_loss.max", "params.rate", "created"]),
]


@pytest.mark.parametrize(("text", "more", "names"), COLUMNS)
def test_what_a_filter_names_is_shown(text: str, more: str, names: list[str]) -> None:
    wanted = [name.strip() for name in more.split(",") if name]
    columns = choose_columns(parse(text, NOW), wanted)
    assert sorted(column.name for column in columns) == sorted(names)


def train(live: Live, worker: FakeWorker, name: str, learning_rate: float, values: list[float], **given: object) -> str:
    parameters = {"learning_rate": learning_rate}
    request = {"source": RecipeSource(name="hvass-cnn"), "name": name, "parameters": parameters, **given}
    with live.client() as client:
        run = client.submit(RunRequest.model_validate(request)).id
    worker.writer, worker.numbers = new_id(), count(1)
    worker.claim()
    steps = list(range(100, 100 * len(values) + 1, 100))
    times = [1.0] * len(values)
    worker.say(columns=[{"segment": 0, "key": "val_accuracy", "steps": steps, "values": values, "times": times}])
    for step, value in zip(steps, values, strict=True):
        worker.report_validation(step, value, improved=True, best_step=step, best_value=value)
    worker.finish(stop_reason="patience", stop_message="no better look for 100 steps")
    return run


@pytest.fixture
def trained(live: Live, worker: FakeWorker) -> list[str]:
    """Two runs of one project, which differ in learning rate, tag and result."""
    return [
        train(live, worker, "slow", 0.001, [0.5, 0.75], tags=["vision", "team=red"], project="digits"),
        train(live, worker, "fast", 0.1, [0.5, 0.25], tags=["team=blue"], project="digits"),
    ]


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()[1:]]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("params.learning_rate < 1e-2 and val_accuracy > 0.7 and tag = vision and state = finished", [0]),
        ("val_accuracy.last < 0.5", [1]),
        ("tags.team in (red, blue)", [1, 0]),
        ("slow or created < 1 day ago", [0]),
        ("reason = patience -vision", [1]),
    ],
)
def test_runs_that_fit_are_listed(keepbest: Keepbest, trained: list[str], text: str, places: list[int]) -> None:
    assert [row[0] for row in rows(keepbest("ls", text).out)] == [trained[place] for place in places]


def test_the_filters_columns_are_shown(keepbest: Keepbest, trained: list[str]) -> None:
    out = keepbest(
        "ls", "val_accuracy.last > 0.1", "-p", "digits", "-c", "params.learning_rate", "--sort", "created"
    ).out
    assert out.splitlines()[0].split()[-2:] == ["learning_rate", "val_accuracy.last"]
    assert [row[-2:] for row in rows(out)] == [["0.1", "0.25"], ["0.001", "0.75"]]


def test_runs_are_sorted_by_a_parameter(keepbest: Keepbest, trained: list[str]) -> None:
    out = keepbest("ls", "--sort", "params.learning_rate", "-a", "-p", "digits").out
    assert [row[0] for row in rows(out)] == trained


def test_runs_are_shown_in_groups(keepbest: Keepbest, trained: list[str]) -> None:
    out = keepbest("ls", "-p", "digits", "--group-by", "params.learning_rate", "--metric", "val_accuracy").out
    assert out.splitlines()[0].split()[:2] == ["params.learning_rate", "runs"]
    assert {row[0]: row[1:3] for row in rows(out)} == {"0.001": ["1", "0.75"], "0.1": ["1", "0.5"]}


def test_an_empty_answer_names_the_filter(keepbest: Keepbest) -> None:
    assert keepbest("ls", "val_loss < 1").out == "No run fits 'val_loss < 1'. All of them: keepbest ls\n"


def test_a_page_says_how_many_there_are(keepbest: Keepbest, trained: list[str]) -> None:
    told = keepbest("ls", "val_accuracy > 0", "-n", "1", "-c", "params.learning_rate").err.splitlines()
    assert told[0] == "These are 1 of 2."
    assert told[1].startswith("next: keepbest ls 'val_accuracy > 0' --columns params.learning_rate --limit 1 --cursor ")


def test_the_next_page_of_a_filter_with_a_dash_is_a_command(keepbest: Keepbest, trained: list[str]) -> None:
    told = keepbest("ls", "-n", "1", "--", "-absent").err.splitlines()
    command = shlex.split(told[1].removeprefix("next: "))
    assert command[-2:] == ["--", "-absent"]
    shown = (
        keepbest("ls", "-n", "1", "--json", "--", "-absent").json["runs"]
        + keepbest(*command[1:-2], "--json", *command[-2:]).json["runs"]
    )
    assert {run["id"] for run in shown} == set(trained)


def test_a_mistake_is_shown_with_a_caret(keepbest: Keepbest, trained: list[str]) -> None:
    told = keepbest("ls", "state = failled")
    assert told.status == Exit.USAGE
    assert told.err.splitlines()[:3] == [
        "error: There is no state 'failled' (column 9 of the filter):",
        "  state = failled",
        "          ^",
    ]
    assert "Did you mean 'failed'?" in told.err


def test_an_unknown_name_is_shown_with_a_caret(keepbest: Keepbest, trained: list[str]) -> None:
    told = keepbest("ls", "-p", "digits", "slow and val_acuracy > 1")
    assert told.status == Exit.USAGE
    assert told.err.splitlines()[1:3] == ["  slow and val_acuracy > 1", "           ^"]
    assert "Did you mean 'val_accuracy'?" in told.err


def complete(live: Live, line: str) -> list[str]:
    words = line.split(" ", 2)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KEEPBEST_URL": live.url,
        "KEEPBEST_TOKEN": live.admin,
        "KEEPBEST_PROJECT": "digits",
        "_KEEPBEST_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-m", "keepbest.cli.main"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout.splitlines()


def test_the_shell_completes_names_and_values(live: Live, trained: list[str]) -> None:
    assert "tag = vision and val_accuracy" in complete(live, "keepbest ls 'tag = vision and val_a")
    assert "state = failed" in complete(live, "keepbest ls 'state = fai")
