"""Checking a store: whatever happens to any of its files is found, and nothing that differs is ever loaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import pack, trash
from keepbest.checkpoint.manifest import encode
from keepbest.checkpoint.upkeep.fsck import StoreFault, check, repair
from keepbest.errors import CheckpointError, NotFound
from tests.support.states import NOON, OTHER_RUN, RUN, about, cut, equal, files_of, flip, make_state

NETWORK = '{"name": "net"}'


def fill(root: Path) -> dict[tuple[str, str], Any]:
    """Write checkpoints of two runs, some sharing packs; return the values of each."""
    store, held = Store(root), {}
    for seed, run, frozen in ((1, RUN, 5), (2, RUN, 5), (3, RUN, 0), (1, OTHER_RUN, 5), (4, OTHER_RUN, 0)):
        state = make_state(seed, step=seed, frozen=frozen)
        store.write(state, about(run, at=NOON + timedelta(seconds=seed), network=NETWORK))
        held[run, state.id] = state.values
    return held


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def findings(root: Path, *expected: tuple[str, str]) -> list[StoreFault]:
    return check(Store(root).folder, expected).findings


def kinds(root: Path) -> set[str]:
    return {finding.kind for finding in findings(root)}


def test_a_whole_store(root: Path) -> None:
    held = fill(root)
    health = check(Store(root).folder, held)
    assert health.findings == []
    assert health.is_whole
    assert health.checkpoints == 5
    assert health.bytes_read == sum(path.stat().st_size for path in files_of(root))


def test_an_empty_place_is_a_whole_store(root: Path) -> None:
    assert findings(root) == []
    assert not root.exists()


def test_a_pack_takes_along_all_that_need_it(root: Path) -> None:
    held = fill(root)
    store = Store(root)
    first, second = (id for (run, id), _ in list(held.items())[:2] if run == RUN)
    shared = store.folder.content(store.read_manifest(RUN, second)[0].variables[0].object)
    flip(shared, shared.stat().st_size - 1)
    (found,) = findings(root)
    twin = list(held)[3][1]
    assert (found.kind, found.path) == ("damaged", str(shared.relative_to(root)))
    assert set(found.checkpoints) == {first, second, twin}
    shared.unlink()
    (found,) = findings(root)
    assert (found.kind, set(found.checkpoints)) == ("missing", {first, second, twin})


def test_what_is_only_not_needed_is_no_fault(root: Path) -> None:
    held = fill(root)
    run, checkpoint = list(held)[2]
    store = Store(root)
    store.folder.manifest(run, checkpoint).unlink()
    (root / "tmp" / "left.safetensors").write_bytes(b"half")
    (root / "notes.txt").write_text("mine")
    health = check(store.folder)
    assert sorted(finding.kind for finding in health.findings) == ["leftover", "leftover", "orphan"]
    assert health.is_whole
    assert not check(store.folder, held).is_whole  # who knows that it was there is told that it is gone


def test_a_checkpoint_in_the_trash_is_checked_too(root: Path) -> None:
    held = fill(root)
    run, checkpoint = list(held)[2]
    store = Store(root)
    trash.put(store.folder, run, checkpoint, datetime.now().astimezone())
    assert check(store.folder, held).findings == []
    flip(next(trash.items(store.folder)).path, 200)
    (found,) = [finding for finding in findings(root) if finding.is_fault]
    assert found.checkpoints == (checkpoint,)


def test_repairing_moves_aside_what_cannot_be_loaded(root: Path) -> None:
    held = fill(root)
    store = Store(root)
    damaged, good = list(held)[:2], list(held)[2:]
    for run, id in damaged:
        flip(store.folder.manifest(run, id), 150)
    pack = store.folder.content(store.read_manifest(*good[2])[0].variables[0].object)
    cut(pack, 100)
    before = {path.read_bytes() for path in files_of(root)}
    moved = repair(store.folder, check(store.folder), NOON)
    assert len(moved) == 4  # two manifests, a pack, and the whole manifest that needs it
    assert {path.read_bytes() for path in files_of(root)} == before  # nothing is deleted
    assert check(store.folder).is_whole
    assert repair(store.folder, check(store.folder), NOON) == []
    for run in (RUN, OTHER_RUN):
        for id in store.checkpoints(run):
            assert equal(store.load(run, id).arrays, held[run, id])


MUTATIONS: dict[str, Callable[[Path, Path, int], object]] = {
    "flip": lambda path, other, place: flip(path, place, 1 << place % 8),
    "zero": lambda path, other, place: zero(path, place),
    "cut": lambda path, other, place: cut(path, place % path.stat().st_size),
    "grow": lambda path, other, place: path.write_bytes(path.read_bytes() + bytes(1 + place % 9)),
    "delete": lambda path, other, place: path.unlink(),
    "swap": lambda path, other, place: swap(path, other),
    "copy": lambda path, other, place: shutil.copyfile(other, path) if path != other else flip(path, place),
    "move": lambda path, other, place: path.rename(path.with_name(path.name[::-1])),
}


def zero(path: Path, place: int) -> None:
    """Zero a stretch, as a disk does that lost a sector."""
    data = bytearray(path.read_bytes())
    start = place % len(data)
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    path.write_bytes(data)


def swap(path: Path, other: Path) -> None:
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, str], Any]]:
    root = tmp_path_factory.mktemp("whole") / "store"
    return root, fill(root)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
@given(
    how=st.sampled_from(sorted(MUTATIONS)),
    which=st.integers(0, 99),
    other=st.integers(0, 99),
    place=st.integers(0, 10**6),
)
def test_whatever_happens_to_any_file_is_found(
    whole: tuple[Path, dict[tuple[str, str], Any]], tmp_path: Path, how: str, which: int, other: int, place: int
) -> None:
    """0 silent loads: what loads is what was written, and what does not is a finding that names the checkpoint."""
    source, held = whole
    root = tmp_path / "store"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(source, root)
    before = {path: path.read_bytes() for path in files_of(root)}
    files = files_of(root)
    MUTATIONS[how](files[which % len(files)], files[other % len(files)], place)
    if {path: path.read_bytes() for path in files_of(root)} == before:
        return
    found = [finding for finding in findings(root, *held) if finding.is_fault]
    assert found
    named = {checkpoint for finding in found for checkpoint in finding.checkpoints}
    for (run, id), values in held.items():
        arrays = load(Store(root), run, id)
        assert id in named if arrays is None else equal(arrays, values)


def load(store: Store, run: str, checkpoint: str) -> Any:
    """Return the values, or None where that or the network is refused."""
    try:
        loaded = store.load(run, checkpoint)
        store.read_network(str(loaded.manifest.network))
    except (CheckpointError, NotFound):
        return None
    return loaded.arrays


def test_a_value_that_the_pack_does_not_hold(root: Path) -> None:
    """A manifest may be what was written and yet be wrong."""
    store = Store(root)
    written = store.write(make_state(1), about()).manifest
    other = store.write(make_state(2), about(OTHER_RUN)).manifest
    variables = tuple(one.model_copy(update={"object": other.variables[0].object}) for one in written.variables)
    data, _ = encode(written.model_copy(update={"variables": variables}))
    store.folder.manifest(RUN, written.id).write_bytes(data)
    found = [finding for finding in findings(root) if finding.is_fault]
    assert [finding.what for finding in found] == [
        f"Variable model/0:net/base/kernel is not in object {other.variables[0].object[:12]}."
    ]
    assert np.size(store.load(OTHER_RUN, other.id).arrays[0]) > 0


#: Headers that a stranger wrote: the pack is named after its header, so its name is right.
FOREIGN_HEADERS = {
    "no JSON": b"not a header",
    "not text": b"\xff\xfe",
    "too deep": b"[" * 5000,
    "a list": b"[]",
    "no entry": b'{"a": 1}',
    "no offsets": b'{"a": {"dtype": "F32", "shape": [1]}}',
    "offsets of text": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", "4"]}}',
    "one offset": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
    "backwards": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
    "before the file": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-9, 4]}}',
    "beyond any file": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, %d]}}' % 10**30,
    "a shape of text": b'{"a": {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}}',
}


@pytest.mark.parametrize("kind", FOREIGN_HEADERS)
def test_a_malformed_pack_is_one_finding(kind: str, root: Path) -> None:
    fill(root)
    text = FOREIGN_HEADERS[kind]
    header = len(text).to_bytes(8, "little") + text
    digest = pack.name_of(header)
    path = Store(root).folder.content(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header)
    (found,) = findings(root)
    assert (found.kind, found.path) == ("damaged", str(path.relative_to(root)))
    assert not found.checkpoints


@pytest.mark.parametrize(
    ("change", "words"), [({"dtype": "float999"}, "'float999'"), ({"shape": (-1,)}, "greater than or equal to 0")]
)
def test_a_manifest_of_nonsense_is_one_finding(change: dict[str, Any], words: str, root: Path) -> None:
    fill(root)
    store = Store(root)
    path = next(iter(store.folder.manifests()))
    manifest = store.read_manifest(path.parent.name, path.stem)[0]
    wrong = manifest.variables[0].model_copy(update=change)
    path.write_bytes(encode(manifest.model_copy(update={"variables": (wrong, *manifest.variables[1:])}))[0])
    (found,) = [finding for finding in findings(root) if finding.is_fault]
    assert (found.kind, found.checkpoints) == ("damaged", (path.stem,))
    assert words in found.what


def test_a_file_whose_name_is_no_text_is_one_finding(root: Path) -> None:
    fill(root)
    (root / os.fsdecode(b"stray-\xff.bin")).write_bytes(b"")
    (found,) = findings(root)
    assert (found.kind, found.path) == ("leftover", "stray-\\xff.bin")
