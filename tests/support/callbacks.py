"""A callback without a `fit`: a test hands it validations, steps and commands, and reads its reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from keepbest.contract.base import new_id
from keepbest.contract.batches import BatchReceipt, CommandUpdate
from keepbest.contract.commands import Command
from keepbest.status import CommandKind, CommandState
from keepbest.stopping import parse
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper

STEPS = 5


class Reporter:
    """Keeps a run's records in place of an uploader; `receipt` is the tracker's answer."""

    def __init__(self) -> None:
        self.is_offline = True
        self.problem: str | None = None
        self.lost_to: Exception | None = None
        self.client = None
        self.journal = SimpleNamespace(set_aside=0, folder=Path("nowhere"))
        self.items: list[Any] = []
        self.watched: list[Any] = []
        self.receipt: BatchReceipt | None = None
        self.writes = True

    def put(self, item: Any) -> None:
        self.items.append(item)

    def send_now(self) -> None:
        pass

    def watch(self, ask: Any) -> None:
        self.watched.append(ask)

    def drain(self, seconds: float) -> bool:
        return True

    def write_down(self, seconds: float) -> bool:
        return self.writes

    def close(self) -> None:
        pass

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]


class Script:
    """Calls a callback as `fit` does; each step adds 1 to every variable of a small model."""

    def __init__(self) -> None:
        import keras

        self.model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
        self.model.compile("adam", "mse")
        self.model.optimizer.build(self.model.trainable_variables)
        self.weight, self.iteration = self.model.variables[0], self.model.optimizer.variables[0]
        self.rate = self.model.optimizer.learning_rate

    @property
    def bits(self) -> list[bytes]:
        return [variable.numpy().tobytes() for variable in (*self.model.variables, *self.model.optimizer.variables)]

    def fit(
        self,
        callback: Any,
        validations: Iterable[float | Mapping[str, Any] | None],
        *,
        send: Any = None,
        validates: bool = True,
    ) -> int:
        """Run one epoch a validation, each of STEPS steps; None is an epoch without validation. Return how many steps
        ran.

        Without `validates` what is measured comes from another callback, and Keras itself validates nothing.
        """
        self.model.stop_training, steps, logs = False, 0, {}
        callback.set_model(self.model)
        callback.set_params({"steps": STEPS})
        callback.on_train_begin()
        for epoch, validation in enumerate(validations):
            callback.on_epoch_begin(epoch)
            steps += self.train(callback, send)
            logs = {"loss": 1.0}
            if validation is not None:
                if validates:
                    callback.on_test_begin()
                    callback.on_test_end()
                logs |= validation if isinstance(validation, Mapping) else {"val_loss": validation}
            callback.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                break
        callback.on_train_end(logs)
        return steps

    def train(self, callback: Any, send: Any) -> int:
        for batch in range(STEPS):
            for variable in (self.weight, self.iteration):
                variable.assign_add(np.ones(variable.shape))
            if send is not None:
                send(callback.position.step + 1)
            callback.on_train_batch_end(batch)
            if self.model.stop_training:
                return batch + 1
        return STEPS


def keep_best(folder: Path | bool = False, **arguments: Any) -> Any:
    from keepbest.keras import KeepBest

    return KeepBest(**{"mode": "min", "store": folder, **arguments})


def heard_run(mode: Any = "min", checks: int = 99, stop: str | None = None) -> tuple[Run, Reporter, deque[Command]]:
    uploader, commands = Reporter(), deque[Command]()
    stopper = Stopper(parse(stop or f"patience({checks})"), mode)
    return Run(new_id(), stopper, monitor="val_loss", uploader=uploader, commands=commands), uploader, commands  # type: ignore[arg-type]


def command(kind: CommandKind, **arguments: Any) -> Command:
    return Command(
        id=new_id(),
        run=new_id(),
        kind=kind,
        arguments=arguments,
        state=CommandState.REQUESTED,
        requested_by="somebody",
        requested_at=datetime.now(UTC),
    )


def sender(commands: deque[Command], at: Mapping[int, Command]) -> Any:
    pending = dict(at)

    def send(step: int) -> None:
        if step in pending:
            commands.append(pending.pop(step))

    return send


def answers(uploader: Reporter, sent: Command) -> list[str]:
    return [update.state for update in uploader.of(CommandUpdate) if update.id == sent.id]
