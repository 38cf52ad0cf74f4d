"""Archives whose digests are right and whose content is not: refused before a row or a byte is written."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.support.api import Api
from tests.support.archived import build, export, make_full_run, send, unpack
from tracker import db
from tracker.models import Base

Members = dict[str, bytes]
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def members(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Members:
    """The archive of a full run."""
    folder = tmp_path_factory.mktemp("full")
    with_api = _make_api(sqlite_template, folder)
    api = next(with_api)
    run = make_full_run(api, folder)
    content = export(api, f"/archives/runs/{run}")
    next(with_api, None)
    return unpack(content, folder)


@pytest.fixture
def there(sqlite_template: Path, tmp_path: Path) -> Iterator[Api]:
    yield from _make_api(sqlite_template, tmp_path)


def _make_api(template: Path, folder: Path) -> Iterator[Api]:
    (folder / "tracker.db").write_bytes(template.read_bytes())
    engine = db.make_engine(f"sqlite:///{folder / 'tracker.db'}")
    made = Api(engine, folder)
    yield made
    made.close()
    engine.dispose()


def changed(members: Members, table: str, change: Change) -> Members:
    """Return the members with the first row of a table changed; `change` may return several rows in its place."""
    name = next(name for name in members if f"/{table}.0000" in name)
    first, *rest = [json.loads(line) for line in members[name].splitlines()]
    rows = change(first)
    lines = [*(rows if isinstance(rows, list) else [first]), *rest]
    return {**members, name: b"".join(json.dumps(row).encode() + b"\n" for row in lines)}


def put(**values: Any) -> Change:
    return lambda row: row.update(values)


def pack(data: bytes) -> str:
    return b64encode(zlib.compress(data)).decode()


BOMB = pack(bytes(200_000_000))
HUGE_ENVELOPE = b64encode(b"\xff" * 4).decode() + BOMB
DEEP: Any = []
for _ in range(60):
    DEEP = [DEEP]
CHANGES: list[tuple[str, str, Change, str]] = [
    ("runs", "a living run", put(state="running"), "has not ended"),
    ("runs", "no state", put(state="asleep"), "state or spec is none"),
    ("runs", "no spec", put(spec={"source": {"kind": "external"}}), "state or spec is none"),
    ("runs", "another id", put(id="0" * 12), "not the one row"),
    ("runs", "two rows", lambda row: [row, row], "not the one row"),
    ("runs", "a path for an id", put(best_checkpoint="../../../x"), "has not|is no id|and may have"),
    ("runs", "an unknown column", put(lease_digest="a" * 64), "has a column that the table has not"),
    ("runs", "a wrong type", put(step="many"), "step"),
    ("runs", "a huge number", put(step=2**63), "no whole number of this column"),
    ("runs", "a NUL", put(notes="a\0b"), "NUL"),
    ("runs", "half a character", put(notes="\ud800"), "surrogate|no JSON"),
    ("runs", "a hidden name", put(name="\u202eevil"), "nothing that a run has"),
    ("runs", "a far moment", put(updated_at="9999-12-31T23:59:59Z"), "moment lies between"),
    ("runs", "a deep document", put(environment={"a": DEEP}), "levels deep"),
    ("segments", "twice", lambda row: [row, row], "something of run .* twice"),
    ("validations", "no decision", put(decision={"stop": "perhaps"}), "nothing that a run has"),
    ("metric_chunks", "a bomb", put(data=BOMB, encoding=1), "holds more than"),
    ("metric_chunks", "too many points", put(count=2**30), "another number of points"),
    ("metric_chunks", "points that are missing", put(data=""), "another number of points"),
    ("metric_chunks", "other steps", put(first_step=-5), "steps of a chunk"),
    ("metric_chunks", "no base64", put(data="%%%"), "data"),
    ("metric_chunks", "an envelope that is a bomb", put(envelope=HUGE_ENVELOPE), "envelope|holds"),
    ("metric_summaries", "a key with a line end", put(key="a\nb"), "nothing that a run has"),
    ("panels", "a bomb", put(data=BOMB), "holds more than"),
    ("panels", "no panel", put(data=pack(b"{}")), "panel"),
    ("validation_examples", "a bomb", put(data=BOMB), "holds more than"),
    ("commands", "no kind", put(kind="format"), "nothing that a run has"),
    ("artifacts", "a path upwards", put(path="../../x"), "nothing that a run has"),
    ("artifacts", "a wrong kind", put(kind="virus"), "nothing that a run has"),
    ("checkpoints", "another digest", put(digest="0" * 64, state="durable"), "manifest|kept"),
    ("checkpoints", "one id twice", lambda row: [row, row], "is there already"),
    ("events", "a kind of its own", put(kind="<script>"), "no kind of event"),
    ("receipts", "no receipt", put(receipt={"a": 1}), "nothing that a run has"),
    ("test_results", "no values", put(test={"values": 3}), "nothing that a run has"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [(row[0], *row[2:]) for row in CHANGES],
    ids=[f"{row[0]}: {row[1]}" for row in CHANGES],
)
def test_a_wrong_row_is_refused(
    there: Api, members: Members, tmp_path: Path, table: str, change: Change, words: str
) -> None:
    refuse(there, changed(members, table, change), tmp_path, words)


def spoil(members: Members, ending: str, change: Callable[[bytes], bytes]) -> Members:
    name = next(name for name in members if name.endswith(ending))
    return {**members, name: change(members[name])}


FILES: list[tuple[str, str, Callable[[bytes], bytes], str]] = [
    ("a value of a pack", ".safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "digest differs"),
    ("the head of a pack", ".safetensors", lambda data: b"\xff" * len(data), "header of object"),
    ("bytes behind a pack", ".safetensors", lambda data: data + b"more", "cut short or added to"),
    ("an artifact", ".file", lambda data: data + b"x", "its digest differs"),
    ("a bundle", ".zip", lambda data: data[:-1], "zip|bundle"),
]


@pytest.mark.parametrize(("ending", "change", "words"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_wrong_file_is_refused(
    there: Api, members: Members, tmp_path: Path, ending: str, change: Callable[[bytes], bytes], words: str
) -> None:
    refuse(there, spoil(members, ending, change), tmp_path, words)


def test_another_network_is_refused(there: Api, members: Members, tmp_path: Path) -> None:
    name = next(name for name in members if name.startswith("objects/") and name.endswith(".json"))
    refuse(there, {**members, name: b"{}"}, tmp_path, "its digest differs")


def test_a_manifest_of_another_run_is_refused(there: Api, members: Members, tmp_path: Path) -> None:
    (one, other, *_) = [name for name in members if "/checkpoints/" in name]
    refuse(there, {**members, one: members[other]}, tmp_path, "is that of")


def test_a_manifest_without_its_objects_is_refused(there: Api, members: Members, tmp_path: Path) -> None:
    without = {name: data for name, data in members.items() if not name.endswith(".safetensors")}
    refuse(there, without, tmp_path, "The archive lacks objects/")


def refuse(api: Api, members: Members, folder: Path, words: str) -> None:
    before, work = state_of(api, folder), folder / "work"
    work.mkdir()
    answer = send(api, build(members), work)
    assert answer.status_code in (409, 413, 422), answer.data
    message = answer.get_json()["error"]["message"]
    assert re.search(words, message), message
    assert state_of(api, folder) == before


def state_of(api: Api, folder: Path) -> dict[str, Any]:
    """Return the number of rows of each table, and the contents of the store."""
    with db.read(api.engine) as conn:
        counts: dict[str, Any] = {
            name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
            if name not in ("users", "credentials")
        }
    objects = [path for room in ("objects", "runs", "artifacts") for path in (folder / "store" / room).rglob("*")]
    return {**counts, "files": sorted(map(str, objects))}
