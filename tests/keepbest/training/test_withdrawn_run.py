"""A network that becomes NaN at the end of an epoch, whose run was kept offline: from its fit to the tracker's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.cli.runs.decisions import show_validations
from keepbest.status import RunState
from keepbest.tracking.offline import find_offline, send_offline
from tests.keepbest.training.fit.test_swapped_weights import build, data
from tests.support.live import Live


def breaking() -> Any:
    import keras

    class Breaks(keras.callbacks.Callback):  # type: ignore[misc]
        """Its score gets better and better; the weights are NaN from the end of the second epoch on."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["score"] = epoch / 10
            if epoch == 1:
                self.model.set_weights([np.full_like(one, np.nan) for one in self.model.get_weights()])

    return Breaks()


def test_what_was_withdrawn_offline_is_no_best_anywhere(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEEPBEST_MODE", "offline")
    (x, y), store = data(), tmp_path / "store"
    run = keepbest.init(monitor="score", mode="max", stopper="patience(checks=9)", dir=tmp_path / "home")
    keeper = keepbest.KeepBest(run=run, store=store)
    build().fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[breaking(), keeper])
    assert run.finish()
    (folder,) = find_offline(tmp_path / "home" / "offline")
    with live.client() as client:
        assert send_offline(folder, client).is_over  # type: ignore[union-attr]
        known, validations = client.run(run.id), client.validations(run.id).validations
    assert (known.state, known.best_step, known.best_value) == (RunState.FINISHED, 4, 0.0)
    restored = keepbest.restore(run.id, store=store)
    assert all(np.isfinite(one).all() for one in restored.get_weights())
    assert known.best_checkpoint is not None
    show_validations("score", validations, as_json=False)
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in shown[1:]] == [["4", "0", "best"], ["8", "0.1", "withdrawn"], ["8", "-", "takes"]]
    assert "became NaN" in " ".join(shown[-1])


def test_patience_that_ran_out_ends_a_fit_of_one_step_an_epoch(tmp_path: Path) -> None:
    """No batch came between two validations in which it could have been noticed: the fit went on to its last epoch."""
    import keras

    keeper = keepbest.KeepBest("score", mode="max", patience=1, store=tmp_path)
    checked = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: keeper.keeper.drain())
    x, y = data()
    done = build().fit(x, y, batch_size=len(x), epochs=9, verbose=0, callbacks=[breaking(), keeper, checked])
    assert (keeper.best_epoch, keeper.stop_reason, keeper.stopped_epoch) == (1, "patience", 2)
    assert len(done.epoch) == 3
