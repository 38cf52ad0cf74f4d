"""The examples of docs/reference/http.md run against a tracker: one for each noun, answered as the page shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import keepbest
from keepbest.loop import Loop
from tests.support.live import FakeWorker, Live
from tests.support.need import need
from tests.support.processes import PATIENCE, ROOT

PAGE = (ROOT / "docs" / "reference" / "http.md").read_text()
#: noun -> its lines of shell, and the part of the answer that stands beneath.
EXAMPLES = {
    noun: (shell, json.loads(answer or "null"))
    for noun, shell, answer in re.findall(
        r"(?ms)^### ([a-z.-]+)$\s+```sh\n(.*?)```\s+(?:```json\n(.*?)```)?(?=\s*^##)", PAGE
    )
}


def nouns() -> set[str]:
    document = json.loads((ROOT / "webui" / "openapi.json").read_text())
    return {path.split("/")[3] for path in document["paths"]}


def record_a_run(live: Live, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Train a weight for three validations; return the ids that the page calls RUN, CHECKPOINT and OTHER."""
    import tensorflow as tf

    said = {"URL": live.url, "TOKEN": live.admin, "DIR": str(folder), "STORE": str(live.folder / "store")}
    for name, value in said.items():
        monkeypatch.setenv(f"KEEPBEST_{name}", value)
    weight = tf.Variable([1.0, 2.0], name="weight")
    with keepbest.init("digits", monitor="val_loss", stopper="patience(checks=9)", max_steps=3) as run:
        loop = Loop(run, {"weight": weight}, tf.keras.optimizers.SGD())
        for step in loop:
            weight.assign_sub([0.1, 0.1])
            run.log({"loss": 1 / step}, step=step)
            loop.report_validation(step, 1 / step)
            loop.checkpoint()
    first, *_, last = keepbest.checkpoints(run)
    return {"RUN": run.id, "CHECKPOINT": first.id, "OTHER": last.id}


def last_answer(text: str) -> Any:
    """Return the last of the JSON documents that curl printed one after the other."""
    answer, rest = None, text.strip()
    while rest.startswith("{"):
        answer, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].lstrip()
    return answer or {}


def differences(shown: Any, answer: Any, path: str = "") -> list[str]:
    """Return where an answer is not what the page shows; "…" stands for anything."""
    if isinstance(shown, dict):
        if absent := [f"{path}.{key} is missing" for key in shown if key not in answer]:
            return absent
        return [fault for key, value in shown.items() for fault in differences(value, answer[key], f"{path}.{key}")]
    if shown in ("…", ["…"]):
        return [] if answer else [f"{path} is empty"]
    return [] if shown == answer else [f"{path} is {answer!r}"]


def test_every_noun_has_an_example() -> None:
    assert set(EXAMPLES) == nouns()


def test_the_examples_answer_what_the_page_shows(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(shutil.which("curl"), "needs curl: apt-get install curl")
    ids = record_a_run(live, tmp_path / "own", monkeypatch)
    worker = FakeWorker(live.client())
    known = {"API": f"{live.url}/api/v1", "TOKEN": live.admin, "WORKER": worker.id, **ids}
    wrong = []
    for noun, (shell, shown) in EXAMPLES.items():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shell],
            cwd=tmp_path, env=os.environ | known, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        faults = differences(shown, last_answer(done.stdout)) if shown is not None else []
        if done.returncode or faults:
            wrong.append(f"{noun}: {faults} {done.stdout[:400]} {done.stderr[-200:]}")
    assert not wrong, "\n".join(wrong)
