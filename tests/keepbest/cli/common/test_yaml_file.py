"""`--file run.yaml`: what it says is as if it stood on the line, and what stands there counts over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import CommandSource, Run
from keepbest.contract.sweeps import Sweep
from keepbest.stopping import build, parse
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")

RUN = """
source: hvass-cnn
data: mnist
set: {learning_rate: 1e-3, units: 64, padding: valid}
stop: patience(checks=7, min_delta=0.001) | max_seconds(3600)
keep: {best: 3, every: 1000}
max-steps: 5000
validate_every: 50
label: {gpu: "yes"}
tag: [a, b]
project: digits
name: mine
"""


@pytest.fixture(autouse=True)
def worker(live: Live) -> Iterator[FakeWorker]:
    worker = live.add_worker()
    yield worker
    worker.client.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(RUN)
    return path


def submitted(keepbest: Keepbest, *arguments: str) -> Run:
    done = keepbest("submit", *arguments, "--json")
    assert done.status == 0, done.err
    return Run.model_validate(done.json)


def test_a_run_as_a_file(keepbest: Keepbest, file: Path) -> None:
    spec = submitted(keepbest, "--file", str(file)).spec
    assert (spec.project, spec.name, spec.data, spec.max_steps, spec.validate_every) == (
        "digits", "mine", "mnist", 5000, 50,
    )  # fmt: skip
    assert {"learning_rate": 0.001, "units": 64, "padding": "valid"}.items() <= spec.parameters.items()
    wanted = build(parse("patience(checks=7, min_delta=0.001) | max_seconds(3600)"), "max")
    assert spec.stopper.model_dump() == wanted.to_json()
    assert (spec.retention.best, spec.retention.every_steps) == (3, 1000)
    assert (spec.labels, spec.tags) == ({"gpu": "yes"}, ["a", "b"])


def test_the_line_counts_over_the_file(keepbest: Keepbest, file: Path) -> None:
    spec = submitted(keepbest, "--max-steps", "70", "--tag", "c", "--file", str(file)).spec
    assert (spec.max_steps, spec.tags, spec.data) == (70, ["c"], "mnist")


def test_a_policy_may_be_written_out(keepbest: Keepbest, file: Path) -> None:
    file.write_text("source: hvass-cnn\nstop: {name: patience, params: {checks: 3}}\nshadow: [5checks]\n")
    stopper = submitted(keepbest, "--file", str(file)).spec.stopper
    assert [part.name for part in stopper.policies] == ["patience", "shadow"]


def test_a_command(keepbest: Keepbest, file: Path) -> None:
    (file.parent / "train.py").write_text("print(1)\n")
    file.write_text("command: [python, train.py, --lr, 0.1]\n")
    source = submitted(keepbest, "--file", str(file)).spec.source
    assert isinstance(source, CommandSource)
    assert source.argv == ["python", "train.py", "--lr", "0.1"]


def test_a_sweep(keepbest: Keepbest, file: Path) -> None:
    file.write_text("source: hvass-cnn\ngrid: {learning_rate: '0.1,0.01', units: [8, 16]}\nat_once: 2\n")
    done = keepbest("sweep", "--file", str(file), "--json")
    assert done.status == 0, done.err
    sweep = Sweep.model_validate(done.json)
    assert (sweep.runs, sweep.at_once, list(sweep.space)) == (4, 2, ["learning_rate", "units"])


WRONG = [
    ("sauce: hvass-cnn", "names an unknown option 'sauce'.\nfield: sauce\nnext: Did you mean 'source'?"),
    ("a: [", "is not YAML: while parsing"),
    ("- a\n- b", "holds no options"),
    ("source: [a, b]", "what is one value"),
    ("source: hvass-cnn\ncommand: python train.py", "command is a list of words"),
    ("source: hvass-cnn\nstop: patience(chex=3)", "chex"),
    ("source: hvass-cnn\nmax_steps: many", "Invalid value for '--max-steps'"),
    ("source: !!python/object/apply:os.system [true]", "could not determine a constructor"),
    ("x" * (2**20 + 1), "has more than 1,048,576 bytes"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_is_told_at_its_place(keepbest: Keepbest, file: Path, text: str, told: str) -> None:
    file.write_text(text)
    refused = keepbest("submit", "--file", str(file))
    assert refused.status == Exit.USAGE
    assert told in refused.err


def test_a_file_that_is_not_there(keepbest: Keepbest) -> None:
    refused = keepbest("submit", "--file", "nowhere.yaml")
    assert refused.status == Exit.NOT_FOUND
    assert "nowhere.yaml cannot be read: no such file" in refused.err
