"""`keepbest.Session`: exact ways back in graphs of both kinds of variables, nothing added, every difference named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest import Session
from keepbest.checkpoint import Store
from keepbest.contract.batches import CheckpointDurable, ReportedValidation
from keepbest.errors import (
    CheckpointDamaged,
    CheckpointError,
    CheckpointMismatch,
    InvalidInput,
    KeepbestError,
    NotFound,
)
from keepbest.status import CommandKind
from keepbest.tf1 import import_saver
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.keepbest.cli.conftest import home, keepbest
from tests.support.callbacks import answers, command, heard_run
from tests.support.states import RUN, equal, files_of, flip

__all__ = ["home", "keepbest"]

pytestmark = pytest.mark.usefixtures("closed_writers")
KINDS = pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
ROWS, COLUMNS = 40, 3


@dataclass
class Net:
    """A regression with Adam, one variable that is updated by rows, and dropout of NumPy's making."""

    graph: Any
    sess: Any
    train: Any
    x: Any
    rows: Any
    loss: Any
    saver: Any

    def variables(self) -> list[Any]:
        return list(self.graph.get_collection("variables"))

    def values(self) -> list[Any]:
        return [np.array(value) for value in self.sess.run(self.variables())]

    def go_on(self, steps: int) -> list[str]:
        """Train on data from NumPy's global generator; return each loss to the last bit."""
        return [self._step().hex() for _ in range(steps)]

    def _step(self) -> float:
        x = np.random.standard_normal((8, COLUMNS)) * (np.random.random((8, COLUMNS)) < 0.8)
        feed = {self.x: x, self.rows: np.random.randint(0, ROWS, 8)}
        return float(self.sess.run([self.loss, self.train], feed)[0])


@contextmanager
def net(
    *, resource: bool = True, units: int = 5, prefix: str = "", init: bool = True, version: int = 2
) -> Iterator[Net]:
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph, tf.variable_scope(prefix, use_resource=resource):
        x, rows = tf.placeholder(tf.float32, [None, COLUMNS]), tf.placeholder(tf.int32, [None])
        w = tf.get_variable("w", [COLUMNS, units], initializer=tf.random_normal_initializer(seed=1))
        table = tf.get_variable("table", [ROWS, units], initializer=tf.random_normal_initializer(seed=2))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + tf.gather(table, rows) - 1.0))
        train = tf.train.AdamOptimizer(0.05).minimize(loss, tf.train.get_or_create_global_step())
        start, saver = tf.global_variables_initializer(), tf.train.Saver(write_version=version)
        graph.finalize()
        with tf.Session(graph=graph) as sess:
            if init:
                sess.run(start)
            yield Net(graph, sess, train, x, rows, loss, saver)


def write_best(store: Path, *, resource: bool = True) -> list[Any]:
    """Leave a checkpoint of step 4 in `store`; return its values."""
    with net(resource=resource) as made:
        made.go_on(4)
        session = Session(made.sess, mode="min", run=RUN, store=store)
        session.keep(4, 0.5)
        session.checkpoint()
        return made.values()


@KINDS
def test_every_later_loss_is_the_same(resource: bool) -> None:
    with net(resource=resource) as made:
        session = Session(made.sess, mode="min")
        made.go_on(5)
        assert session.keep(5, 0.5)
        expected, values = made.go_on(6), made.values()
        for _ in range(2):  # a snapshot that training had written into would show the second time
            assert session.roll_back().step == 5
            assert made.go_on(6) == expected
            assert equal(made.values(), values)


@KINDS
def test_nothing_is_added_to_the_graph(resource: bool, tmp_path: Path) -> None:
    with net(resource=resource) as made:
        before = made.graph.get_operations()  # and it is finalised
        session = Session(made.sess, mode="max", store=tmp_path)
        session.keep(1, 0.5)
        session.checkpoint()
        session.roll_back()
        session.restore()
        assert made.graph.get_operations() == before


@KINDS
def test_a_session_without_values_takes_either_checkpoint(resource: bool, tmp_path: Path) -> None:
    values = write_best(tmp_path, resource=not resource)
    with net(resource=resource, init=False) as made:
        session = Session(made.sess, mode="min", run=RUN, store=tmp_path)
        assert session.restore().step == 4
        assert equal(made.values(), values)
        assert (session.best_step, session.best_value) == (4, 0.5)
        assert not session.keep(5, 0.6)
        assert session.keep(6, 0.4)


def test_only_a_strict_best_is_kept() -> None:
    with net() as made:
        session = Session(made.sess, mode="max")
        validations = [float("nan"), 0.1, 0.1, np.float32(0.1), 0.5, 0.5 + 1e-12, 0.2]  # float32's 0.1 is more than 0.1
        kept = [session.keep(step, value) for step, value in enumerate(validations)]  # type: ignore[arg-type]
        assert kept == [False, True, False, True, True, True, False]
        assert (session.best_step, session.best_value) == (5, 0.5 + 1e-12)


def test_nothing_to_go_back_to(tmp_path: Path) -> None:
    with net() as made:
        session = Session(made.sess, mode="min", store=tmp_path)
        for call in (session.roll_back, session.checkpoint, session.restore):
            with pytest.raises(NotFound):
                call()
        assert not files_of(tmp_path)


def test_a_restart_does_not_replace_the_best(tmp_path: Path) -> None:
    values = write_best(tmp_path)
    with net() as made:
        session = Session(made.sess, mode="min", run=RUN, store=tmp_path)
        made.go_on(1)
        session.keep(1, 0.9)
        session.checkpoint()
        session.checkpoint()  # the same one: nothing new
        assert [one.value for one in Store(tmp_path).manifests(RUN)] == [0.5, 0.9]
        assert session.restore().value == 0.5
        assert equal(made.values(), values)


def test_the_present_state_goes_on_in_another_session(tmp_path: Path) -> None:
    write_best(tmp_path)
    with net() as made:
        session = Session(made.sess, mode="min", run=RUN, store=tmp_path)
        made.go_on(7)
        session.checkpoint(7)
        expected = made.go_on(5)
    with net(init=False) as made:
        session = Session(made.sess, mode="min", run=RUN, store=tmp_path)
        assert session.restore(last=True).step == 7
        assert made.go_on(5) == expected
        assert (session.best_value, session.roll_back().step) == (0.5, 4)  # the best is still that on disk


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"units": 6}, [r"w: shape \[3, 5\], in the graph \(3, 6\)", r"table/Adam_1: shape"]),
        ({"prefix": "net"}, [r"w \[3, 5\]: not in the graph", r"net/w \(3, 5\): only in the graph"]),
    ],
)
def test_every_difference_is_named_and_nothing_set(changed: dict[str, Any], told: list[str], tmp_path: Path) -> None:
    write_best(tmp_path)
    with net(**changed) as made:
        before = made.values()
        with pytest.raises(CheckpointMismatch) as refused:
            Session(made.sess, mode="min", run=RUN, store=tmp_path).restore()
        assert all(re.search(line, refused.value.message) for line in told), refused.value.message
        assert equal(made.values(), before)


def test_another_type_is_a_difference(tmp_path: Path) -> None:
    import tensorflow.compat.v1 as tf

    for dtype in (tf.float32, tf.float16):
        with tf.Graph().as_default(), tf.Session() as sess:
            variable = tf.get_variable("w", initializer=tf.zeros([2], dtype))
            sess.run(variable.initializer)
            session = Session(sess, mode="min", run=RUN, store=tmp_path)
            if dtype == tf.float32:
                session.checkpoint(1)
                continue
            with pytest.raises(CheckpointMismatch, match="w: dtype float32, in the graph float16"):
                session.restore()


def test_variables_may_share_an_initial_value() -> None:
    """The bare trick feeds both variables what the last one had."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as sess:
        zero = tf.zeros([2])
        one, two = (tf.get_variable(name, initializer=zero, use_resource=False) for name in ("one", "two"))
        assert one.initializer.inputs[1] is two.initializer.inputs[1]
        move = tf.group(one.assign_add([1.0, 1.0]), two.assign_add([2.0, 2.0]))
        sess.run([one.initializer, two.initializer])
        sess.run(move)
        session = Session(sess, mode="min")
        session.keep(1, 0.1)
        sess.run(move)
        session.roll_back()
        assert [value.tolist() for value in sess.run([one, two])] == [[1.0, 1.0], [2.0, 2.0]]


def test_a_grown_graph_is_refused_unless_variables_were_named() -> None:
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as sess:
        first = tf.get_variable("first", [2])
        whole, part = Session(sess, mode="min"), Session(sess, [first], mode="min")
        tf.get_variable("late", [2])
        sess.run(tf.global_variables_initializer())
        with pytest.raises(CheckpointMismatch, match="late") as refused:
            whole.keep(1, 0.1)
        assert "optimizer included" in str(refused.value.hint)
        assert part.keep(1, 0.1)
        assert [spec.path for spec in part.roll_back().specs] == ["first"]


def test_a_variable_without_a_value_is_told() -> None:
    with net(init=False) as made, pytest.raises(CheckpointError, match="has no value yet") as told:
        Session(made.sess, mode="min").keep(1, 0.1)
    assert "global_variables_initializer" in str(told.value.hint)


def test_text_cannot_be_kept() -> None:
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as sess:
        tf.get_variable("words", initializer=tf.constant(["a"]))
        with pytest.raises(CheckpointError, match="string"):
            Session(sess, mode="min")


def test_a_wrong_mode_or_step_is_refused() -> None:
    with net() as made:
        with pytest.raises(InvalidInput, match="auto"):
            Session(made.sess, mode="auto")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="-1"):
            Session(made.sess, mode="min").keep(-1, 0.5)


def test_what_is_not_initialised_by_one_assignment_is_told() -> None:
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as sess:
        made = tf.get_variable("made", [2])
        made._initializer_op = tf.group(made.initializer)
        with pytest.raises(InvalidInput, match="Variable made is not initialised by one assignment"):
            Session(sess, mode="min")


# A run of keepbest.init


def test_a_tracked_session_is_a_loop(tmp_path: Path) -> None:
    run, uploader, commands = heard_run()
    back = command(CommandKind.ROLL_BACK, to="best")
    slower = command(CommandKind.ROLL_BACK, to="best", learning_rate="0.1x")
    with net() as made:
        session = Session(made.sess, run=run, store=tmp_path)
        trained, asked = [], {6: [back, slower], 7: [command(CommandKind.STOP)]}
        for step in session:
            trained.append(step)
            made.go_on(1)
            if step in (3, 6):
                session.report_validation(step, 0.1 * step)
            commands.extend(asked.pop(step, []))
            assert made.sess.run(made.graph.get_collection("global_step")[0]) == step
        assert trained == [1, 2, 3, 4, 5, 6, 4, 5, 6, 7]
        assert answers(uploader, back) == ["acknowledged", "done"]
        assert answers(uploader, slower) == ["acknowledged", "refused"]
        assert (run.decision.reason if run.decision else None) == "user"
        assert session.checkpoint(7).step == 7
        expected = made.go_on(3)
    assert [validation.step for validation in uploader.of(ReportedValidation)] == [3, 6, 6]
    assert [one.step for one in uploader.of(CheckpointDurable)] == [3, 7]
    assert run.best is not None
    assert run.best.checkpoint is not None
    with net(init=False) as made:  # a new process would do the same
        again, _, _ = heard_run()
        again.id = run.id
        assert Session(made.sess, run=again, store=tmp_path).step == 7
        assert made.go_on(3) == expected


def test_a_state_knows_its_size(tmp_path: Path) -> None:
    """NumPy's types say `itemsize` where TensorFlow's say `size`."""
    with net() as made:
        session = Session(made.sess, mode="min", store=tmp_path)
        session.keep(4, 0.5)
        assert session.roll_back().size_bytes == sum(value.nbytes for value in made.values())


# Old files


def save(folder: Path, *, resource: bool = False, version: int = 2) -> tuple[str, list[Any]]:
    """Train a little and save it the old way; return the prefix and the values."""
    with net(resource=resource, version=version) as made:
        made.go_on(3)
        return made.saver.save(made.sess, str(folder / "model"), global_step=1000), made.values()


@KINDS
@pytest.mark.parametrize("version", [1, 2])
def test_an_old_file_goes_into_a_graph(resource: bool, version: int, tmp_path: Path) -> None:
    prefix, values = save(tmp_path, resource=resource, version=version)
    written = import_saver(prefix, tmp_path / "store", value=0.25, mode="min", monitor="val_loss")
    manifest = written.manifest
    assert (manifest.step, manifest.kind, manifest.environment) == (3, "manual", {"imported": "model-1000"})
    with net(resource=not resource, init=False) as made:
        session = Session(made.sess, mode="min", run=manifest.run, store=tmp_path / "store")
        session.restore()
        assert equal(made.values(), values)
        assert session.best_value == 0.25


def test_the_command_takes_over_an_old_file(keepbest: Keepbest, tmp_path: Path) -> None:
    prefix, _ = save(tmp_path)
    store = tmp_path / "store"
    done = keepbest("import", "tf-checkpoint", f"{prefix}.index", "--to", store, "--run", RUN, "--step", "12")
    assert (done.status, f"Run {RUN}, step 12: 9 variables" in done.out) == (0, True), done
    assert f"run='{RUN}'" in done.err
    again = keepbest("import", "tf-checkpoint", tmp_path, "--to", store, "--json").json  # the newest of a folder
    assert again["step"] == 3
    assert len([path for path in files_of(store) if path.suffix == ".safetensors"]) == 1  # the same values


def _cut(prefix: str) -> None:
    data = next(Path(prefix).parent.glob("*.data-*"))
    flip(data, data.stat().st_size // 2)


def _write_objects(prefix: str) -> None:
    import tensorflow as tf

    tf.train.Checkpoint(w=tf.Variable([1.0])).write(prefix)


@pytest.mark.parametrize(
    ("spoil", "options", "kind"),
    [
        (_cut, {}, CheckpointDamaged),
        (lambda prefix: Path(f"{prefix}.index").write_bytes(b"nothing"), {}, CheckpointDamaged),
        (lambda prefix: Path(f"{prefix}.index").unlink(), {}, NotFound),
        (_write_objects, {}, InvalidInput),
        (lambda prefix: None, {"value": 0.5}, InvalidInput),
        (lambda prefix: None, {"run": "../escape"}, InvalidInput),
        (lambda prefix: None, {"step": -1}, InvalidInput),
    ],
    ids=["flipped", "no-index", "gone", "objects", "no-mode", "hostile-run", "no-step"],
)
def test_what_cannot_be_taken_over_is_refused(
    spoil: Any, options: dict[str, Any], kind: type[KeepbestError], tmp_path: Path
) -> None:
    prefix, _ = save(tmp_path)
    spoil(prefix)
    with pytest.raises(kind):
        import_saver(prefix, tmp_path / "store", **options)
    assert not list((tmp_path / "store").glob("runs/*/*"))
