"""Event files that we write, read by TensorFlow's own reader, which checks every sum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.foreign.tensorboard import writer
from keepbest.foreign.tensorboard.writer import EventWriter

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make install")


def read(path: Path) -> list[Any]:
    return [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]


def test_tensorflow_reads_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_AT_ONCE", 3)
    with EventWriter(tmp_path, at=5.0) as events:
        for step in range(4):
            events.add_scalar("loss", step=step, value=2.0**-step, at=10.0 + step)
        events.add_start(step=2, at=20.0)
        events.add_text("note", "hello", step=7, at=21.0)
    first, *scalars, start, text = read(events.path)
    assert (first.file_version, first.wall_time) == ("brain.Event:2", 5.0)
    assert [(event.step, event.wall_time) for event in scalars] == [(step, 10.0 + step) for step in range(4)]
    values = [event.summary.value[0] for event in scalars]
    assert [tf.make_ndarray(value.tensor).item() for value in values] == [1.0, 0.5, 0.25, 0.125]
    assert {(value.tag, value.metadata.plugin_data.plugin_name) for value in values} == {("loss", "scalars")}
    assert (start.session_log.status, start.step) == (tf.compat.v1.SessionLog.START, 2)
    assert tf.make_ndarray(text.summary.value[0].tensor).item() == b"hello"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    with EventWriter(tmp_path, at=5.0), pytest.raises(FileExistsError):
        EventWriter(tmp_path, at=5.0)
