"""Commands to a living run, obeyed at a batch: stop, checkpoint now, roll back from memory or disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.batches import CheckpointDropped, CommandUpdate, LookTaken, SegmentOpened
from keepbest.contract.policies import RetentionSpec
from keepbest.status import CommandKind
from tests.support.callbacks import STEPS, Script, answers, command, heard_run, keep_best, sender


@pytest.fixture
def script() -> Script:
    return Script()


def test_stop(script: Script) -> None:
    run, reporter, commands = heard_run()
    sent = command(CommandKind.STOP)
    callback = keep_best(run=run, restore_best_weights=True)
    assert script.fit(callback, [1, 2, 2], send=sender(commands, {8: sent})) == 8
    assert answers(reporter, sent) == ["acknowledged", "done"]
    assert (callback.stop_reason, script.iteration.numpy()) == ("user", STEPS)


def test_checkpoint_now(script: Script, tmp_path: Path) -> None:
    run, reporter, commands = heard_run()
    sent = command(CommandKind.CHECKPOINT)
    script.fit(keep_best(tmp_path, run=run), [1, 2], send=sender(commands, {8: sent}))
    assert answers(reporter, sent) == ["acknowledged", "done"]
    (manual,) = [manifest for manifest in Store(tmp_path).manifests(run.id) if manifest.kind == "manual"]
    assert (manual.step, manual.position.batch) == (8, 3)


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize(("asked", "step"), [({"to": "best"}, 10), ({"step": 5}, 5)])
def test_roll_back(script: Script, tmp_path: Path, where: str, asked: dict[str, Any], step: int) -> None:
    run, reporter, commands = heard_run()
    sent = command(CommandKind.ROLL_BACK, **asked)
    callback = keep_best(tmp_path, run=run, retention=RetentionSpec(best=3))

    def send(at: int) -> None:
        if at == 18:
            assert callback.looker.drain(20)
            if where == "disk":
                callback.looker.ring.forget()
            commands.append(sent)

    script.fit(callback, [3, 1, 2, 2, 2], send=send)
    assert answers(reporter, sent) == ["acknowledged", "done"]
    assert script.iteration.numpy() == step + 2 + STEPS
    assert callback.position.step == step + 2 + STEPS
    assert callback.best == 1  # also where it lies on the tail that was left
    (segment,) = reporter.of(SegmentOpened)
    assert (segment.reason, segment.start_step, segment.parent) == ("roll_back", step, 0)
    assert {look.segment for look in reporter.of(LookTaken) if look.step > 15} <= {segment.number}


def test_roll_back_to_what_nobody_kept(script: Script) -> None:
    run, reporter, commands = heard_run()
    sent = command(CommandKind.ROLL_BACK, step=7)
    script.fit(keep_best(run=run), [3, 1, 2], send=sender(commands, {12: sent}))
    assert answers(reporter, sent) == ["acknowledged", "refused"]
    (refusal,) = [update for update in reporter.of(CommandUpdate) if update.state == "refused"]
    assert refusal.message == "Nothing was kept of step 7; there is step 5, 10."
    assert script.iteration.numpy() == 3 * STEPS


def test_roll_back_with_patience_anew(script: Script) -> None:
    run, _, commands = heard_run(checks=3)
    sent = command(CommandKind.ROLL_BACK, to="best", reset_patience=True)
    callback = keep_best(run=run)
    assert script.fit(callback, [1, 2, 2, 2, 2, 2], send=sender(commands, {14: sent})) == 5 * STEPS
    assert callback.stop_reason == "patience"


# What is kept to go on from


def test_only_the_newest_checkpoint_to_go_on_from_stays(script: Script, tmp_path: Path) -> None:
    run, reporter, _ = heard_run()
    callback = keep_best(tmp_path, run=run)

    def send(step: int) -> None:
        if step > 6:
            assert callback.looker.drain(20)
            callback.looker.checkpoint(callback.position, "last")

    script.fit(callback, [1, 2], send=send)
    kept = sorted((manifest.kind, manifest.step) for manifest in Store(tmp_path).manifests(run.id))
    assert kept == [("best", 5), ("last", 9)]
    assert len(reporter.of(CheckpointDropped)) == 3
