"""`make tutorials`: its table, its requests, and one system on the whole way. The page: its examples and commands."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store, plan_restore, restore
from keepbest.cli.checkpoints.partial import Target
from keepbest.cli.main import load
from keepbest.contract.replays import ReplayRequest
from keepbest.errors import CheckpointMismatch, KeepbestError
from keepbest.snapshots.state import Position
from keepbest.status import RunState
from tests.support.live import Live
from tests.support.processes import ROOT, Processes
from tests.support.seed_record import PERCENT
from tests.support.states import RUN, about
from tests.tutorials import table
from tests.tutorials.__main__ import PAGE, choose
from tests.tutorials.systems import SYSTEMS, System
from worker import data
from worker.recipes import RECIPES
from worker.recipes.parameters import check_arguments

EMPTY = f"# Page\n\n{table.BEGIN}\n{table.END}\n\nMore.\n"
LINE = SYSTEMS[0]
ROW = table.row_of(LINE, ["W 0.1", "201", "1", "max_steps", "val_loss 0.0 (0.0)", "today"])


def test_a_row_is_put_beside_the_others_and_nothing_else_changes() -> None:
    """Once the first row went between every two lines of the page: what it replaced was one line feed."""
    page = table.put(EMPTY, SYSTEMS, {LINE.name: ROW})
    assert page.startswith(f"# Page\n\n{table.BEGIN}\n| system |")
    assert page.endswith(f"{table.END}\n\nMore.\n")
    assert page.count(ROW) == 1
    assert len(page.splitlines()) == len(EMPTY.splitlines()) + len(SYSTEMS) + 2
    assert table.read(page) == {LINE.name: ROW}
    assert table.put(page, SYSTEMS, {}) == page


def test_what_was_not_measured_says_how_to() -> None:
    page = table.put(EMPTY, SYSTEMS, {})
    assert table.read(page) == {}
    assert page.count("not measured here yet") == len(SYSTEMS)
    assert f"`make tutorials ONLY={LINE.name}`" in page


def test_what_is_missing_is_chosen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(table.put(EMPTY, SYSTEMS, {LINE.name: ROW}))
    assert choose("missing", page) == list(SYSTEMS[1:])
    assert choose("hvass-cnn, line-fit", page) == [
        system for system in SYSTEMS if system.name in ("line-fit", "hvass-cnn")
    ]
    with pytest.raises(KeepbestError, match="There is no system hvas"):
        choose("hvas", page)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
@pytest.mark.parametrize("short", [False, True], ids=["full", "short"])
def test_every_request_fits_its_recipe(system: System, short: bool) -> None:
    asked = system.request(short=short)
    recipe = RECIPES[asked.source.name]  # type: ignore[union-attr]  # a recipe is what a system asks for
    check_arguments(recipe.build, {"split": None, **asked.parameters})
    assert (asked.data or recipe.data[0]) in recipe.data
    assert not (short and asked.data == "mnist"), "short versions need no files"
    assert asked.max_steps is None or asked.max_steps <= recipe.max_steps


def test_the_page_has_the_table_and_the_command_of_each_system() -> None:
    page = PAGE.read_text()
    assert table.put(page, SYSTEMS, {}) == page, "python -m tests.tutorials writes it"
    assert [system.name for system in SYSTEMS if system.command() not in page] == []


def typed() -> list[str]:
    """Every command line of the page, comments and prompts taken off."""
    blocks = "\n".join(re.findall(r"(?s)```sh\n(.*?)```", PAGE.read_text()))
    inline = re.findall(r"`(keepbest [^`]+)`", PAGE.read_text())
    lines = re.findall(r"(?m)^(?:\$ )?(keepbest .*)$", blocks)
    return sorted({line.partition("  #")[0].strip() for line in lines + inline})


@pytest.mark.parametrize("line", typed())
def test_every_command_of_the_page_is_one(line: str) -> None:
    """Parsed as the command line parses it: an option that is not there, or a value of another type, is refused."""
    _, verb, *words = shlex.split(line)
    command: Any = load(verb)
    context = command.make_context(verb, words, resilient_parsing=True)
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, words, parent=context, resilient_parsing=True)
    assert not context.args, f"too many words: {context.args}"


def test_the_deeper_network_of_exercise_4(tmp_path: Path) -> None:
    from keepbest.snapshots.snapshot import ModelVariables, capture

    store = Store(tmp_path)
    trained = RECIPES["hvass-cnn"].build(data.load("digits")).model
    store.write(capture(ModelVariables(trained), position=Position(3)), about())
    deeper = Target(f"{ROOT}/examples/tutorial_003_deeper.py:build", ["image=8"]).build()
    assert {row.kind for row in plan_restore(RUN, deeper, store=store).rows} == {"same", "shape", "new"}
    with pytest.raises(CheckpointMismatch, match="layer_fc2"):
        restore(RUN, deeper, store=store)


def test_the_record_of_tutorial_003_replays(live: Live, processes: Processes, tmp_path: Path) -> None:
    variables = {"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_URL": live.url, "KEEPBEST_TOKEN": live.admin}
    done = processes.start(sys.executable, ROOT / "examples" / "tutorial_003.py", folder=None, **variables)
    assert done.wait() == 0, done.output
    asked = ReplayRequest.model_validate({"project": "tutorial-003", "stoppers": ["600steps", "700steps", "1000steps"]})
    with live.client() as client:
        (run,) = client.runs(project="tutorial-003").runs
        validations = client.validations(run.id).validations
        found = client.replay(asked)
    assert (run.state, run.stop_reason, run.step, run.best_step) == (RunState.FINISHED, "patience", 5801, 4800)
    assert [validation.value for validation in validations] == [*(round(percent / 100, 3) for percent in PERCENT), None]
    stops = [(policy.outcomes[0].stop_step, policy.outcomes[0].examples_lost) for policy in found.policies]
    assert stops == [(3101, 30), (5501, 0), (5801, 0)]


def test_the_memo_saves_in_one_process_and_restores_in_another(processes: Processes) -> None:
    done = processes.start(sys.executable, ROOT / "examples" / "tutorial_000.py")
    assert done.wait() == 0, done.output
    said = ["op_to_restore of 4 and 8 is 24.0", "bias is 2.0 at step 1000", "op_to_restore of 13 and 17 is 60.0"]
    assert [line for line in said if line not in done.output] == []
