"""A trainer as the tracker sees it: claims a run of its own and sends numbered batches."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keepbest.contract.base import iso, new_id
from keepbest.contract.batches import BATCH_MEDIA_TYPE
from keepbest.status import Role
from tests.support.api import Api

GO_ON = {"stop": False, "improved": False}


@dataclass
class Trainer:
    """Holds a lease; `say` sends the next batch and returns the receipt."""

    api: Api
    run: str
    lease: str
    writer: str = field(default_factory=new_id)
    number: int = 0

    def body(self, **records: Any) -> dict[str, Any]:
        """Return the next batch, which counts as sent."""
        self.number += 1
        return {"writer": self.writer, "number": self.number, **records}

    def send(self, body: dict[str, Any] | bytes, **how: Any) -> Any:
        usual = {"role": Role.WORKER, "lease": self.lease}
        return self.api.post(f"/runs/{self.run}/batches", body, **{**usual, **how})

    def refuse(self, body: dict[str, Any] | bytes, **how: Any) -> tuple[int, dict[str, Any]]:
        usual = {"role": Role.WORKER, "lease": self.lease}
        return self.api.fail("POST", f"/runs/{self.run}/batches", body, **{**usual, **how})

    def say(self, **records: Any) -> Any:
        return self.send(self.body(**records))

    def log(self, key: str, steps: Sequence[int], values: Sequence[Any], segment: int = 0) -> Any:
        """Send points, measured now."""
        times = [self.api.now.timestamp()] * len(steps)
        column = {"segment": segment, "key": key, "steps": list(steps), "values": list(values), "times": times}
        return self.say(columns=[column])

    def open(self, number: int = 0, **said: Any) -> Any:
        return self.say(segments=[self.segment(number, **said)])

    def segment(self, number: int, *, parent: int | None = None, start_step: int = 0) -> dict[str, Any]:
        reason = "start" if parent is None else "roll_back"
        where = {"number": number, "parent": parent, "reason": reason, "start_step": start_step}
        return {**where, "at": iso(self.api.now)}

    def report_validation(self, step: int, value: Any, **more: Any) -> dict[str, Any]:
        usual = {"segment": 0, "step": step, "value": value, "decision": GO_ON, "at": iso(self.api.now)}
        return {**usual, **more}

    def checkpoint(self, step: int, value: Any, **more: Any) -> dict[str, Any]:
        usual = {
            "id": new_id(), "segment": 0, "step": step, "kind": "best", "value": value, "digest": "a" * 64,
            "size_bytes": 1000, "written_bytes": 10, "location": "store", "at": iso(self.api.now),
        }  # fmt: skip
        return {**usual, **more}


def start_external(api: Api, *, mode: str = "max", begin: bool = True, **asked: Any) -> Trainer:
    """Make a run that its own script trains, claim it, and open its first segment."""
    policy = {"name": "patience", "params": {"checks": 10}}
    usual = {"source": {"kind": "external"}, "monitor": "val_accuracy", "mode": mode, "stopper": policy}
    run = api.post("/runs", {**usual, "validate_every": 100, **asked})["id"]
    taken = api.post("/leases", {"run": run})
    trainer = Trainer(api, run, taken["lease"]["token"])
    if begin:
        trainer.open()
    return trainer


def pack(header: dict[str, Any], columns: Sequence[tuple[Any, Any, Any]]) -> bytes:
    """Return a batch in its binary form; each column is steps, values, times."""
    text = json.dumps(header).encode()
    body = b"".join(
        np.asarray(steps, "<i8").tobytes() + np.asarray(values, "<f8").tobytes() + np.asarray(times, "<f8").tobytes()
        for steps, values, times in columns
    )
    return struct.pack("<I", len(text)) + text + body


PACKED = {"Content-Type": BATCH_MEDIA_TYPE}
