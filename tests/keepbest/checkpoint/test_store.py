"""The store: what is written is read back to the last bit, once for what is the same; what is damaged is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepbest.checkpoint import Store, choose
from keepbest.errors import CheckpointDamaged, CheckpointError, InvalidInput, KeepbestError, NotFound
from tests.support.states import NOON, OTHER_RUN, RUN, about, cut, equal, files_of, flip, make_state, state_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def pack_of(store: Store, checkpoint: str) -> Path:
    manifest, _ = store.read_manifest(RUN, checkpoint)
    return store.folder.content(manifest.variables[0].object)


def test_what_is_written_is_read(store: Store) -> None:
    state = make_state(3, step=42)
    written = store.write(state, about(segment=2, environment={"host": "here"}))
    loaded = Store(store.folder.root).load(RUN, state.id)
    assert equal(loaded.arrays, state.values)
    assert loaded.specs == state.specs
    assert loaded.manifest == written.manifest
    assert (loaded.manifest.position, loaded.manifest.stopper) == (state.position, state.stopper)
    assert (loaded.manifest.random, loaded.manifest.segment) == (state.random, 2)
    assert written.location.is_file()
    assert written.written_bytes == sum(path.stat().st_size for path in files_of(store.folder.root))


def test_the_arrays_are_nobodys_to_change(store: Store) -> None:
    store.write(state := make_state(), about())
    with pytest.raises(ValueError, match="read-only"):
        store.load(RUN, state.id).arrays[0][0] = 1


def test_a_frozen_base_is_stored_once(store: Store) -> None:
    first = store.write(make_state(1, frozen=5), about())
    again = Store(store.folder.root).write(make_state(2, frozen=5), about())
    manifest_bytes = again.location.stat().st_size
    assert first.manifest.variables[0].object == again.manifest.variables[0].object
    assert again.written_bytes - manifest_bytes < 0.2 * first.manifest.size_bytes
    assert equal(store.load(RUN, again.manifest.id).arrays, make_state(2, frozen=5).values)


def test_the_same_state_twice_costs_a_manifest(store: Store) -> None:
    first = store.write(make_state(1), about())
    again = store.write(make_state(1), about())
    assert again.manifest.objects == first.manifest.objects
    assert again.written_bytes == again.location.stat().st_size


def test_a_small_share_does_not_tie_a_checkpoint_to_an_old_pack(store: Store) -> None:
    """One shared bias would keep a pack of any size from ever being freed."""
    bias = np.ones(2000, np.float32)
    big = [np.random.default_rng(seed).random(100_000, dtype=np.float32) for seed in (1, 2)]
    first, second = (store.write(state_of([("model", "k", k), ("model", "b", bias)]), about()) for k in big)
    assert not first.manifest.objects & second.manifest.objects


def test_equal_values_in_one_checkpoint_are_stored_once(store: Store) -> None:
    slots = [("optimizer", f"adam/{name}", np.zeros((100, 100), np.float32)) for name in "ab"]
    written = store.write(state_of(slots), about())
    assert pack_of(store, written.manifest.id).stat().st_size < 60_000
    assert equal(store.load(RUN, written.manifest.id).arrays, [array for _, _, array in slots])


def test_a_pack_that_is_gone_is_written_again(store: Store) -> None:
    first = store.write(make_state(1), about())
    pack_of(store, first.manifest.id).unlink()
    again = store.write(make_state(1), about())
    assert equal(store.load(RUN, again.manifest.id).arrays, make_state(1).values)


def test_manifests_are_listed_oldest_first_without_damaged_ones(store: Store) -> None:
    moments = [NOON + timedelta(seconds=seconds) for seconds in (5, 1, 3)]
    ids = [store.write(make_state(seed), about(at=at)).manifest.id for seed, at in enumerate(moments)]
    store.write(make_state(9), about(OTHER_RUN))
    assert [manifest.id for manifest in store.manifests(RUN)] == [ids[1], ids[2], ids[0]]
    flip(store.folder.manifest(RUN, ids[2]), 100)
    assert [manifest.id for manifest in store.manifests(RUN)] == [ids[1], ids[0]]


def test_a_flipped_byte_names_the_variable_and_offers_another(store: Store) -> None:
    good = store.write(make_state(1, step=10), about()).manifest.id
    bad = store.write(make_state(2, step=20), about(at=NOON + timedelta(1))).manifest.id
    flip(pack_of(store, bad), pack_of(store, bad).stat().st_size // 2)
    with pytest.raises(CheckpointDamaged, match="net/base/kernel") as caught:
        store.load(RUN, bad)
    assert caught.value.hint == f"Checkpoint {good} at step 10 is whole: keepbest restore {RUN} --step 10"


def test_resuming_falls_back_to_the_newest_whole_one(store: Store) -> None:
    good = store.write(make_state(1), about()).manifest.id
    bad = store.write(make_state(2), about(at=NOON + timedelta(1))).manifest.id
    cut(pack_of(store, bad), 1000)
    problems: list[CheckpointError] = []
    loaded = store.load_newest(RUN, problems.append)
    assert loaded is not None
    assert loaded.manifest.id == good
    assert len(problems) == 1
    assert store.load_newest(OTHER_RUN) is None


@pytest.mark.parametrize("problem", ["missing", "empty", "longer", "another"])
def test_a_pack_that_is_not_whole(store: Store, problem: str) -> None:
    checkpoint = store.write(make_state(1), about()).manifest.id
    other = pack_of(store, store.write(make_state(2), about()).manifest.id)
    path = pack_of(store, checkpoint)
    match problem:
        case "missing":
            path.unlink()
        case "empty":
            cut(path, 0)
        case "longer":
            path.write_bytes(path.read_bytes() + b"\0")
        case "another":
            path.write_bytes(other.read_bytes())
    with pytest.raises(CheckpointDamaged, match="Variable model/0:net/base/kernel and 5 more"):
        store.load(RUN, checkpoint)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 1), place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_is_ever_loaded(tmp_path: Path, which: int, place: int, bit: int) -> None:
    store = Store(tmp_path / "store")
    checkpoint = store.checkpoints(RUN)[0] if store.checkpoints(RUN) else store.write(make_state(), about()).manifest.id
    path = files_of(store.folder.root)[which]
    flip(path, place, 1 << bit)
    try:
        with pytest.raises(KeepbestError) as caught:
            store.load(RUN, checkpoint)
        assert isinstance(caught.value, CheckpointDamaged)
    finally:
        flip(path, place, 1 << bit)
    store.load(RUN, checkpoint)


@pytest.mark.parametrize(
    ("run", "checkpoint"),
    [("../x", "c" * 12), (RUN, "../../x"), (RUN, "/etc/passwd"), (RUN, "c" * 12 + "\n"), ("", ""), (RUN, "C" * 12)],
)
def test_no_path_comes_from_outside(store: Store, run: str, checkpoint: str) -> None:
    with pytest.raises(InvalidInput):
        store.load(run, checkpoint)


def test_a_checkpoint_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound, match="has no checkpoint"):
        store.load(RUN, "c" * 12)
    assert store.manifests(RUN) == []
    assert not store.folder.root.exists()  # looking makes nothing


def test_a_manifest_in_another_place_is_refused(store: Store) -> None:
    checkpoint = store.write(make_state(), about()).manifest.id
    moved = store.folder.manifest(OTHER_RUN, checkpoint)
    moved.parent.mkdir()
    store.folder.manifest(RUN, checkpoint).rename(moved)
    with pytest.raises(CheckpointDamaged, match="is that of"):
        store.load(OTHER_RUN, checkpoint)


def test_the_network_is_stored_once_and_checked(store: Store) -> None:
    first = store.write(make_state(1), about(network='{"name": "net"}')).manifest
    assert store.write(make_state(2), about(network='{"name": "net"}')).manifest.network == first.network
    assert first.network is not None
    assert store.read_network(first.network) == '{"name": "net"}'
    flip(store.folder.content(first.network, ".json"), 3)
    with pytest.raises(CheckpointDamaged):
        store.read_network(first.network)


@pytest.mark.parametrize(("asked", "step"), [({}, 20), ({"last": True}, 40), ({"step": 30}, 30), ({"step": 20}, 20)])
def test_choosing(store: Store, asked: dict[str, int], step: int) -> None:
    for at, value in ((10, 0.5), (20, 0.9), (30, 0.9), (40, float("nan"))):
        store.write(make_state(at, step=at), about(value=value, at=NOON + timedelta(seconds=at)))
    assert choose(store, RUN, **asked).step == step  # type: ignore[arg-type]


def test_choosing_what_is_not_there(store: Store) -> None:
    state = make_state(step=10)
    store.write(state, replace(about(), value=None, mode=None))
    assert choose(store, RUN).id == state.id  # nothing was judged: the newest
    with pytest.raises(NotFound, match="of step 11"):
        choose(store, RUN, step=11)


def test_dropping_frees_what_nobody_else_needs(store: Store) -> None:
    ids = [store.write(make_state(seed, frozen=5), about()).manifest.id for seed in (1, 2)]
    twin = store.write(make_state(2, frozen=5), about(OTHER_RUN)).manifest.id  # the very same pack
    assert store.drop(RUN, ids[1])
    assert store.checkpoints(RUN) == [ids[0]]
    assert equal(store.load(RUN, ids[0]).arrays, make_state(1, frozen=5).values)
    assert equal(store.load(OTHER_RUN, twin).arrays, make_state(2, frozen=5).values)
    assert store.drop(RUN, ids[0])
    assert equal(store.load(OTHER_RUN, twin).arrays, make_state(2, frozen=5).values)
    assert store.drop(OTHER_RUN, twin)
    assert files_of(store.folder.root) == []


def test_what_another_process_drops_at_once_is_dropped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read the manifest before either removes it."""
    checkpoint = store.write(make_state(), about()).manifest.id
    read = store.read_manifest(RUN, checkpoint)
    monkeypatch.setattr(store, "read_manifest", lambda *asked: read)
    assert [store.drop(RUN, checkpoint), store.drop(RUN, checkpoint)] == [True, True]
    assert files_of(store.folder.root) == []


def test_nothing_is_dropped_while_somebody_writes(store: Store) -> None:
    """A writer may just have decided to share that pack."""
    checkpoint = store.write(make_state(), about()).manifest.id
    with Store(store.folder.root).folder.writing():
        assert not store.drop(RUN, checkpoint)
    store.load(RUN, checkpoint)
