"""Submitting: everything is checked before a run exists, and one request is one run."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from keepbest.contract.runs import RunSpec
from keepbest.errors import Conflict, InvalidInput
from tests.support.store import CNN, NOW, a_request, hello, kinds, submit
from tracker.models import RunTable
from tracker.store import bundles, deletions, moves, submissions

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"source": {"kind": "recipe", "name": "hvas-cnn"}}, "source.name", "Did you mean 'hvass-cnn'?"),
    ({"parameters": {"lerning_rate": 1}}, "parameters.lerning_rate", "Did you mean 'learning_rate'?"),
    ({"parameters": {"learning_rate": "fast"}}, "parameters.learning_rate", "0.0001"),
    ({"parameters": {"learning_rate": True}}, "parameters.learning_rate", ""),
    ({"parameters": {"learning_rate": None}}, "parameters.learning_rate", ""),
    ({"parameters": {"units": 1.5}}, "parameters.units", ""),
    ({"parameters": {"units": float("inf")}}, "parameters.units", ""),
    ({"parameters": {"units": False}}, "parameters.units", ""),
    ({"parameters": {"augment": 1}}, "parameters.augment", ""),
    ({"parameters": {"padding": 1}}, "parameters.padding", ""),
    ({"data": "minst"}, "data", "Did you mean 'mnist'?"),
    ({"monitor": "val_acuracy"}, "monitor", "Did you mean 'val_accuracy'?"),
    ({"stopper": {"name": "patients"}}, "stopper.name", "Did you mean 'patience'?"),
    ({"stopper": {"name": "patience", "params": {"step": 5}}}, "stopper.params.step", "Did you mean 'steps'?"),
    ({"stopper": {"name": "patience", "params": {"steps": -5}}}, "stopper.params.steps", ""),
    ({"source": {"kind": "code", "bundle": "0" * 64, "entry": "m.py:build"}}, "source.bundle", "keepbest submit"),
]


@pytest.mark.parametrize(
    ("asked", "field", "hint"), WRONG, ids=[f"{field}-{i}" for i, (_, field, _) in enumerate(WRONG)]
)
def test_what_is_wrong_is_named_with_the_nearest_right_one(
    conn: Connection, asked: dict[str, Any], field: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        submit(conn, **asked)
    assert raised.value.field == field
    assert hint in (raised.value.hint or "")
    assert conn.execute(select(func.count()).select_from(RunTable)).scalar_one() == 0


def test_without_any_worker_it_says_so_and_how_to_start_one(conn: Connection) -> None:
    """A second after `keepbest up`, before its worker's first word: "There is no recipe 'hvass-cnn'." """
    with pytest.raises(InvalidInput, match="No worker has announced its recipes yet") as raised:
        submissions.submit(conn, a_request(), user="ada", key=None, now=NOW)
    assert raised.value.field == "source.name"
    assert "keepbest worker" in (raised.value.hint or "")
    hello(conn)
    with pytest.raises(InvalidInput, match="There is no recipe 'nobodys'"):
        submit(conn, source={"kind": "recipe", "name": "nobodys"})


def test_the_recipe_fills_every_gap(conn: Connection) -> None:
    run = submit(conn, parameters={"units": 64.0})
    spec = RunSpec.model_validate(run.spec)
    assert spec.parameters == {
        "learning_rate": 1e-4, "units": 64, "augment": False, "padding": "same", "extra": None,
    }  # fmt: skip
    assert isinstance(spec.parameters["units"], int)
    assert (spec.data, spec.monitor, spec.mode, spec.max_steps) == ("digits", "val_accuracy", "max", 10_000)
    assert (spec.stopper.name, spec.stopper.params["steps"]) == ("patience", 1000)
    assert spec.stopper.params["every_step"] is True  # written out: a later default changes no old run
    assert (run.name, run.number, run.state, run.mode) == ("hvass-cnn-1", 1, "queued", "max")
    assert kinds(conn, run) == ["run.created"]


def test_what_was_asked_wins_over_the_recipe(conn: Connection) -> None:
    run = submit(conn, monitor="val_loss", max_steps=7, validate_every=3, data="mnist", name="mine")
    assert (run.spec["mode"], run.spec["max_steps"], run.spec["validate_every"]) == ("min", 7, 3)
    assert (run.spec["data"], run.name) == ("mnist", "mine")


def test_an_external_run_needs_no_worker(conn: Connection) -> None:
    run = submit(conn, source={"kind": "external"}, parameters={"anything": [1, {"x": None}]})
    assert (run.source_kind, run.name, run.spec["monitor"], run.spec["mode"]) == (
        "external",
        "run-1",
        "val_loss",
        "auto",
    )
    assert [part["name"] for part in run.spec["stopper"]["policies"]] == ["patience", "check_finite"]


def test_numbers_count_up_in_each_project(conn: Connection) -> None:
    names = ["a", "b", "a", "a"]
    assert [submit(conn, project=name).number for name in names] == [1, 1, 2, 3]


def test_the_same_key_is_the_same_run(conn: Connection) -> None:
    first = submit(conn, key="k", parameters={"units": 1})
    assert submit(conn, key="k", parameters={"units": 1}).id == first.id
    assert submit(conn, key="other", parameters={"units": 1}).id != first.id
    with pytest.raises(Conflict, match=f"another request: run {first.id}"):
        submit(conn, key="k", parameters={"units": 2})


def test_the_same_key_is_the_same_run_after_a_move(conn: Connection) -> None:
    first = submit(conn, key="k", parameters={"units": 1})
    moved = moves.move_to_project(conn, first, "letters", user="ada", now=NOW)
    again = submit(conn, key="k", parameters={"units": 1})
    assert (again.id, again.project, again.number) == (first.id, "letters", moved.number)
    with pytest.raises(Conflict, match="belongs to another request"):
        submit(conn, key="k", parameters={"units": 2})
    with pytest.raises(Conflict, match="belongs to another request"):
        submit(conn, key="k", parameters={"units": 1}, project="never-its-own")


def test_a_request_of_an_older_keepbest_is_the_same_again(conn: Connection) -> None:
    """It was a Conflict: the old row lacked `trial`, which a spec has had since sweeps, or patience in epochs."""
    asked: dict[str, Any] = {"key": "k", "stopper": {"name": "patience", "params": {"checks": 5}}}
    first = submit(conn, **asked)
    later = {"trial", "epochs", "validate_every_epochs", "keep_examples", "stall", "strict"}
    params = {"checks": 5, "steps": None, "min_delta": 0.0, "baseline": None, "start_from": 0, "smoothing": 0.0}
    params |= {"every_step": False, "inclusive": False}
    stopper = {"name": "patience", "version": 1, "params": params, "policies": []}
    older = {name: value for name, value in first.spec.items() if name not in later} | {"stopper": stopper}
    conn.execute(update(RunTable).where(RunTable.pk == first.pk).values(spec=older))
    assert submit(conn, **asked).id == first.id


def test_a_key_of_a_deleted_run_makes_no_second_one(conn: Connection) -> None:
    first = submit(conn, key="k")
    deletions.delete_run(conn, first, user="ada", now=NOW)
    with pytest.raises(Conflict, match="was deleted"):
        submit(conn, key="k")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "def build(): ...")
    return buffer.getvalue()


def test_code_needs_its_bundle_and_the_file_in_it(conn: Connection) -> None:
    content = zipped("my_model.py", "parts/layers.py")
    known = bundles.add_bundle(conn, bundles.check(content), user="ada", now=NOW)
    assert (known.digest, known.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    source = {"kind": "code", "bundle": known.digest, "entry": "my_model.py:build"}
    assert submit(conn, source=source).name == "my_model.build-1"
    with pytest.raises(InvalidInput) as raised:
        submit(conn, source={**source, "entry": "my_modle.py:build"})
    assert (raised.value.field, raised.value.hint) == ("source.entry", "Did you mean 'my_model.py'?")


def test_code_parameters_are_typed_by_the_announced_signature(conn: Connection) -> None:
    digest = bundles.add_bundle(conn, bundles.check(zipped("m.py")), user="ada", now=NOW).digest
    signature = [{"name": "rate", "type": "float", "required": True}, {"name": "depth", "type": "int", "default": 2}]
    source = {"kind": "code", "bundle": digest, "entry": "m.py:build", "signature": signature}
    assert submit(conn, source=source, parameters={"rate": 1}).spec["parameters"] == {"rate": 1.0, "depth": 2}
    with pytest.raises(InvalidInput, match="build needs rate"):
        submit(conn, source=source)


def test_the_data_set_of_code_is_its_parameter_data(conn: Connection) -> None:
    digest = bundles.add_bundle(conn, bundles.check(zipped("m.py")), user="ada", now=NOW).digest
    source = {
        "kind": "code",
        "bundle": digest,
        "entry": "m.py:build",
        "signature": [{"name": "data", "required": True}],
    }
    spec = submit(conn, source=source, data="mnist").spec
    assert (spec["data"], spec["parameters"]) == ("mnist", {})
    assert submit(conn, source=source, parameters={"data": "own"}).spec["parameters"] == {"data": "own"}
    with pytest.raises(InvalidInput) as raised:
        submit(conn, source={**source, "signature": []}, data="mnist")
    assert raised.value.field == "data"


@pytest.mark.parametrize("content", [b"", b"no zip", zipped("../evil.py"), zipped("/etc/passwd"), zipped("a", "A")])
def test_an_archive_that_is_not_safe_is_not_kept(conn: Connection, content: bytes) -> None:
    with pytest.raises(InvalidInput):
        bundles.add_bundle(conn, bundles.check(content), user="ada", now=NOW)


def test_of_two_workers_with_one_recipe_the_last_heard_counts(conn: Connection) -> None:
    hello(conn, recipes=[CNN.model_copy(update={"max_steps": 5})])
    hello(conn, recipes=[CNN.model_copy(update={"max_steps": 6})], now=NOW.replace(hour=13))
    assert submit(conn).spec["max_steps"] == 6
