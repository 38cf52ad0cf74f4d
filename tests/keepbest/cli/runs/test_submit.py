"""Submitting: recipes and folders of one's own, against the real tracker."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.cli.runs.run_fields import parse_pace
from keepbest.client import bundle
from keepbest.contract.runs import CodeSource, CommandSource, Run
from keepbest.errors import InvalidInput
from keepbest.stopping import build, parse
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")

CODE = """
raise SystemExit("submitting must not run this")
def build(layers: int = 3, rate: float = 0.1):
    ...
"""


@pytest.fixture(autouse=True)
def worker(live: Live) -> Iterator[FakeWorker]:
    worker = live.add_worker()
    yield worker
    worker.client.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, the present one."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_model.py").write_text(CODE)
    (folder / "helper.py").write_text("x = 1\n")
    (folder / "data.bin").write_bytes(b"0")
    (folder / ".gitignore").write_text("*.bin\n")
    monkeypatch.chdir(folder)
    return folder


def submitted(keepbest: Keepbest, *arguments: str) -> Run:
    done = keepbest("submit", *arguments, "--json")
    assert done.status == 0, done.err
    return Run.model_validate(done.json)


def test_a_recipe_with_its_options(keepbest: Keepbest) -> None:
    run = submitted(
        keepbest, "hvass-cnn", "--data", "mnist", "--set", "learning_rate=1e-3", "--set", "units=64",
        "--monitor", "val_loss", "--patience", "1000steps", "--max-steps", "5000", "--validate-every", "50",
        "--seed", "7", "-p", "digits", "--name", "mine", "--label", "gpu=yes", "--tag", "a", "--priority", "5",
    )  # fmt: skip
    spec = run.spec
    assert {"learning_rate": 1e-3, "units": 64}.items() <= spec.parameters.items()
    assert (spec.data, spec.monitor, spec.mode, spec.max_steps, spec.seed) == ("mnist", "val_loss", "min", 5000, 7)
    assert [part.name for part in spec.stopper.policies] == ["patience", "check_finite"]
    assert spec.stopper.policies[0].params["steps"] == 1000
    assert (run.project, run.name, spec.labels, run.tags, spec.priority) == ("digits", "mine", {"gpu": "yes"}, ["a"], 5)


def test_epochs_are_sent_as_they_were_said(keepbest: Keepbest, project: Path) -> None:
    asked = ["--epochs", "20", "--validate-every", "1epoch", "--patience", "2.5epochs"]
    for what in ("hvass-cnn", "my_model.py"):
        spec = submitted(keepbest, what, *asked).spec
        assert (spec.epochs, spec.max_steps, spec.validate_every_epochs) == (20.0, None, 1.0), what
        assert spec.stopper.policies[0].params["epochs"] == 2.5
    refused = keepbest("submit", *asked, "--", "python", "my_model.py")
    assert (refused.status, "Only the script knows" in refused.err) == (Exit.USAGE, True)
    assert "field: epochs" in refused.err


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("100", {"validate_every": 100}),
        ("1_000 steps", {"validate_every": 1000}),
        ("1step", {"validate_every": 1}),
        ("1epoch", {"validate_every_epochs": 1.0}),
        ("0.5 epochs", {"validate_every_epochs": 0.5}),
        (None, {}),
    ],
)
def test_how_often_to_validate(text: str | None, fields: dict[str, float]) -> None:
    assert parse_pace(text) == fields


@pytest.mark.parametrize("text", ["", "often", "0", "0epochs", "1.5", "1.5steps", "1hour", "..epochs", "-1", "1e3"])
def test_what_does_not_say_how_often_to_validate(text: str) -> None:
    with pytest.raises(InvalidInput, match="does not say how often"):
        parse_pace(text)


def test_a_learning_rate_that_nobody_means_is_told_and_taken(keepbest: Keepbest) -> None:
    done = keepbest("submit", "hvass-cnn", "--set", "learning_rate=1000")
    assert done.status == 0
    assert "warning: learning_rate=1000.0: a learning rate of 1000 is very large" in done.err
    assert "warning" not in keepbest("submit", "hvass-cnn", "--set", "learning_rate=0.001").err


def test_what_is_not_said_the_recipe_says(keepbest: Keepbest) -> None:
    spec = submitted(keepbest, "hvass-cnn").spec
    assert (spec.monitor, spec.data, spec.max_steps, spec.stopper.name) == (
        "val_accuracy",
        "digits",
        10_000,
        "patience",
    )


def test_the_project_comes_from_the_settings(keepbest: Keepbest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_PROJECT", "from-settings")
    assert submitted(keepbest, "hvass-cnn").project == "from-settings"


def test_people_are_told_what_comes_next(keepbest: Keepbest) -> None:
    said = keepbest("submit", "hvass-cnn").out
    assert said.startswith("Submitted ")
    assert "next: keepbest watch " in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hvas-cnn"], "hvass-cnn"),
        (["hvass-cnn", "--set", "learning_rte=1"], "Did you mean learning_rate?"),
        (["hvass-cnn", "--set", "units=many"], "units is a whole number, but got 'many'"),
        (["hvass-cnn", "--data", "cifar"], "digits"),
        (["hvass-cnn", "--patience", "10", "--stop", "max_steps(5)"], "exclude each other"),
        (["hvass-cnn", "--patience", "soon"], "soon"),
        (["hvass-cnn", "--stop", "patience(chekcs=3)"], "checks"),
        (["hvass-cnn", "--mode", "up"], "--mode"),
        (["hvass-cnn", "--monitor", "val_acuracy"], "val_accuracy"),
        (["hvass-cnn", "--label", "gpu"], "--label takes key=value"),
        (["hvass-cnn", "--name", "\x1b[2J"], "field: name"),
        (["hvass-cnn", "--max-steps", "0"], "--max-steps"),
    ],
)
def test_what_is_wrong_is_named(keepbest: Keepbest, arguments: list[str], told: str) -> None:
    failed = keepbest("submit", *arguments)
    assert failed.status in (Exit.USAGE, Exit.NOT_FOUND)
    assert told in failed.err
    assert "\x1b" not in failed.err
    assert keepbest("ls", "--json").json["runs"] == []


def test_a_file_of_ones_own(keepbest: Keepbest, live: Live, project: Path) -> None:
    done = keepbest("submit", "my_model.py", "--set", "layers=2", "--monitor", "val_loss", "--mode", "min", "--json")
    assert done.status == 0, done.err
    assert "Sent 3 files" in done.err
    run = Run.model_validate(done.json)
    assert isinstance(run.spec.source, CodeSource)
    assert run.spec.source.entry == "my_model.py:build"
    assert [(one.name, one.type) for one in run.spec.source.signature] == [("layers", "int"), ("rate", "float")]
    with live.client() as client:
        names = zipfile.ZipFile(io.BytesIO(client.bundle(run.spec.source.bundle))).namelist()
    assert sorted(names) == [".gitignore", "helper.py", "my_model.py"]


def test_code_is_sent_when_all_else_is_right(keepbest: Keepbest, live: Live, project: Path) -> None:
    """What the tracker alone can judge is judged before, too; and the same code crosses the wire once."""
    for wrong in (["--set", "layers=x"], ["--stop", "patience(0)"], ["--data", "mnist"], ["-p", "\x1b"]):
        refused = keepbest("submit", "my_model.py", *wrong)
        assert (refused.status, "Sent" in refused.err) == (Exit.USAGE, False), wrong
    sent = ["Sent" in keepbest("submit", "my_model.py").err for _ in range(2)]
    assert sent == [True, False]


def test_a_run_is_named_after_file_and_function(keepbest: Keepbest, project: Path) -> None:
    (project / "net").mkdir()
    (project / "net" / "__init__.py").write_text("")
    (project / "net" / "model.py").write_text("from .layers import x\nwide = lambda units=3: None\n")
    assert submitted(keepbest, "my_model.py").name == "my_model.build-1"
    done = keepbest("submit", "net.model:wide", "--set", "units=4", "--json")
    assert Run.model_validate(done.json).name == "net.model.wide-2"
    assert f"The tracker has 5 files of {project}, the folder above the package net" in done.err


def test_what_takes_any_parameter_is_given_them(keepbest: Keepbest, project: Path) -> None:
    (project / "my_model.py").write_text("from elsewhere import build\n")
    spec = submitted(keepbest, "my_model.py", "--set", "layers=2", "--set", "name=wide").spec
    assert spec.parameters == {"layers": 2, "name": "wide"}


@pytest.mark.parametrize(
    ("words", "next_line"),
    [
        (["python", "train.py"], "next: keepbest submit -- python train.py"),
        (["train.py", "--rate", "0.1"], "next: keepbest submit -- python train.py --rate 0.1"),
        (["--patience", "3", "python", "a b.py"], "next: keepbest submit --patience 3 -- python 'a b.py'"),
        (["python"], "next: keepbest submit -- python"),
        (["train.py"], "to run it as it is: keepbest submit -- python train.py"),
    ],
)
def test_forgotten_dashes_are_explained(keepbest: Keepbest, project: Path, words: list[str], next_line: str) -> None:
    (project / "train.py").write_text("print(1)\n")
    told = keepbest("submit", *words)
    assert told.status in (Exit.USAGE, Exit.NOT_FOUND)
    assert next_line in told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["my_model.py", "units=3"], "--set units=3"),
        (["my_model.py", "--units", "3"], "--set units=3"),
        (["hvass-cnn", "--learning-rate=0.1"], "--set learning_rate=0.1"),
        (["my_model.py", "--patiense", "3"], "--patience"),
        (["my_model.py", "--mode", "up"], "error: Invalid value for '--mode': 'up' is not one of"),
        (["my_model.py", "--validate-every", "0epochs"], "field: --validate-every"),
        (["--", "./train.py", "--rate", "1"], "next: keepbest submit -- python ./train.py --rate 1"),
    ],
)
def test_a_line_that_is_nearly_right_is_told_how(
    keepbest: Keepbest, project: Path, words: list[str], told: str
) -> None:
    (project / "train.py").write_text("print(1)\n")
    failed = keepbest("submit", *words)
    assert (failed.status, told in failed.err) == (Exit.USAGE, True), failed.err


@pytest.mark.parametrize("option", ["--patience", "--stop", "--shadow"])
def test_an_error_shows_what_was_written_and_no_more(keepbest: Keepbest, option: str) -> None:
    told = keepbest("submit", "hvass-cnn", option, "patience(0)").err
    assert told.splitlines()[1:] == ["  patience(0)", "           ^", f"field: {option}"]


def test_a_larger_folder_can_be_sent(keepbest: Keepbest, project: Path) -> None:
    (project / "deep").mkdir()
    (project / "deep" / "other.py").write_text("def make(): ...\n")
    run = submitted(keepbest, "deep/other.py:make", "--folder", ".", "--monitor", "val_loss")
    assert isinstance(run.spec.source, CodeSource)
    assert run.spec.source.entry == "deep/other.py:make"


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("my_model.py:biuld", "my_model.py:build"),
        ("missing.py", "missing.py cannot be read"),
        ("broken.py", "broken.py:2: '(' was never closed"),
        ("ignored.py", "a .gitignore in"),
        ("data.bin", "data.bin is not a Python file"),
        ("./my_model.py:build:x", "Source"),
    ],
)
def test_files_that_cannot_be_submitted(keepbest: Keepbest, project: Path, what: str, told: str) -> None:
    (project / "broken.py").write_text("def build():\n    return (1\n")
    (project / "ignored.py").write_text("def build(): ...\n")
    (project / ".gitignore").write_text("ignored.py\n*.bin\n")
    failed = keepbest("submit", what)
    assert failed.status in (Exit.USAGE, Exit.NOT_FOUND)
    assert told.lower() in failed.err.lower()


def test_following_ends_with_the_run(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    from threading import Thread

    def train() -> None:
        with live.client() as client:
            while not client.runs().runs:
                pass
        worker.claim().report_validation(100, 0.9, improved=True)
        worker.finish("failed")

    thread = Thread(target=train)
    thread.start()
    followed = keepbest("submit", "hvass-cnn", "--follow")
    thread.join()
    assert followed.status == Exit.RUN_FAILED
    assert "* best" in followed.out


@pytest.mark.parametrize(
    ("text", "spec"),
    [("best=3,last=2,every=1000", (3, 2, 1000)), ("best=5", (5, 1, None)), ("last=0, every=9", (1, 0, 9))],
)
def test_what_to_keep(keepbest: Keepbest, text: str, spec: tuple[int, int, int | None]) -> None:
    asked = submitted(keepbest, "hvass-cnn", "--keep", text).spec.retention
    assert (asked.best, asked.last, asked.every_steps) == spec


@pytest.mark.parametrize("text", ["", "3", "best", "best=-1", "best=0", "best=1,best=2", "most=3", "best=1e9"])
def test_what_does_not_say_what_to_keep(keepbest: Keepbest, text: str) -> None:
    refused = keepbest("submit", "hvass-cnn", "--keep", text)
    assert (refused.status, "field:" in refused.err) == (Exit.USAGE, True)


def test_what_the_run_ends_with(keepbest: Keepbest, project: Path) -> None:
    asked = submitted(keepbest, "hvass-cnn", "--select", "greedy_soup(3)").spec.selector
    assert (asked.name, asked.params) == ("greedy_soup", {"k": 3})
    wrong = keepbest("submit", "hvass-cnn", "--select", "gredy_soup(3)")
    assert (wrong.status, "Did you mean 'greedy_soup'?" in wrong.err) == (Exit.USAGE, True)
    script = keepbest("submit", "--select", "greedy_soup", "--", "python", "my_model.py")
    assert (script.status, "field: selector" in script.err) == (Exit.USAGE, True)


def test_after_dashes_every_word_is_the_commands(keepbest: Keepbest, project: Path, live: Live) -> None:
    """Options of `submit` end at the first dashes, wherever they come again."""
    argv = ["python", "my_model.py", "--name", "theirs", "--", "-p", "x", "--follow", "--help", ""]
    own = ["--json", "--name", "mine", "--monitor", "score", "--mode", "max", "--stop", "5steps", "--keep", "best=2"]
    done = keepbest("submit", *own, "--", *argv)
    run = Run.model_validate(done.json)
    source = run.spec.source
    assert isinstance(source, CommandSource)
    assert (source.argv, source.fixed) == (argv, ["monitor", "mode", "stopper"])
    assert (run.name, run.spec.monitor, run.spec.stopper.params["steps"], run.spec.retention.best) == (
        "mine", "score", 5, 2,
    )  # fmt: skip
    assert "Sent 3 files" in done.err
    with live.client() as client:
        assert bundle.list_files(client.bundle(source.bundle))[-1].name == "my_model.py"
    assert "python my_model.py --name theirs -- -p x --follow --help ''" in keepbest("show", run.id).out


def test_a_commands_words_are_shown_not_obeyed(keepbest: Keepbest, project: Path) -> None:
    assert keepbest("submit", "--", "echo", "\x1b[2J\u202e", "[red]x[/red]\ny").status == 0
    told = keepbest("show", keepbest("ls", "--json").json["runs"][0]["id"]).out
    assert "[red]x[/red]" in told
    assert not {"\x1b", "\u202e"} & set(told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Say what to train"),
        (["--"], "Say what to train"),
        (["hvass-cnn", "--", "x"], "Both 'hvass-cnn' and a command"),
        (["--set", "a=1", "--", "x"], "no parameter 'a'"),
        (["--", " "], "argv"),
        (["--", "x" * 9000], "argv"),
        (["--", "python", "broken.py"], "broken.py:2"),
        (["--", "python", "ignored.py"], "ignored.py is not sent"),
    ],
)
def test_commands_that_cannot_be_submitted(keepbest: Keepbest, project: Path, words: list[str], told: str) -> None:
    (project / "broken.py").write_text("def f():\n    return (1\n")
    (project / "ignored.py").write_text("")
    (project / ".gitignore").write_text("ignored.py\n")
    failed = keepbest("submit", *words)
    assert failed.status in (Exit.USAGE, Exit.NOT_FOUND)
    assert told in failed.err


def test_policies_in_the_shadow_stand_beside_what_decides(keepbest: Keepbest) -> None:
    for given, stopper in (
        (["--shadow", "10"], "check_finite | shadow(10)"),
        (
            ["--stop", "max_steps(9) | 20", "--shadow", "10 & max_steps(5)"],
            "max_steps(9) | 20 | shadow(10 & max_steps(5))",
        ),
        (["--patience", "20", "--shadow", "10", "--shadow", "7"], "20 | check_finite | shadow(10) | shadow(7)"),
    ):
        settled = submitted(keepbest, "hvass-cnn", *given).spec.stopper
        assert settled.model_dump() == build(parse(stopper), "max").to_json(), given
    assert "umber, true or false" in keepbest("submit", "hvass-cnn", "--shadow", "patience(checks=ten)").err
