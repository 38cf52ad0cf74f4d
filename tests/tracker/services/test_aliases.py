"""What has an alias stays in database and store; a dropped checkpoint comes back by one."""

from __future__ import annotations

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.aliases import AliasRequest
from tests.support.states import about, make_state
from tests.support.store import NOW, add_checkpoint, begin, claim, release, submit
from tracker import db
from tracker.db import Engine
from tracker.services import gc
from tracker.services.aliases import Aliases
from tracker.settings import TrackerSettings
from tracker.store import runs

Ended = tuple[str, str, dict[int, str]]


@pytest.fixture
def ended(engine: Engine, store: Store) -> Ended:
    """Project, run and checkpoints of a run that ended."""
    with db.write(engine) as conn:
        submit(conn, mode="max")
        taken = claim(conn)
        run, ids = begin(conn, taken), {}
        for step, value in {100: 0.5, 200: 0.9, 300: 0.7}.items():
            written = store.write(make_state(step, step=step), about(run.id, value=value)).manifest
            location = str(store.folder.manifest(run.id, written.id))
            ids[step] = add_checkpoint(conn, run, step=step, value=value, id=written.id, location=location)
        release(conn, taken, "finished")
        project = runs.get_run(conn, run.id).project
    return project, run.id, ids


def here(store: Store, run: str) -> list[int]:
    return sorted(manifest.step for manifest in store.manifests(run))


def test_retention_leaves_what_has_an_alias(
    settings: TrackerSettings, engine: Engine, store: Store, ended: Ended
) -> None:
    project, run, ids = ended
    aliases = Aliases(settings, engine, "ada")
    aliases.set(project, AliasRequest(name="champion", checkpoint=ids[100]), NOW)
    assert store.folder.pins(run) == {ids[100]}
    gc.collect_garbage(settings, engine, NOW)
    assert here(store, run) == [100, 200, 300]
    aliases.remove(project, "champion", NOW)
    assert store.folder.pins(run) == set()
    gc.collect_garbage(settings, engine, NOW)
    assert here(store, run) == [200, 300]


def test_a_dropped_checkpoint_comes_back_by_an_alias(
    settings: TrackerSettings, engine: Engine, store: Store, ended: Ended
) -> None:
    project, run, ids = ended
    gc.collect_garbage(settings, engine, NOW)
    assert here(store, run) == [200, 300]
    Aliases(settings, engine, "ada").set(project, AliasRequest(name="champion", checkpoint=ids[100]), NOW)
    gc.collect_garbage(settings, engine, NOW)
    assert here(store, run) == [100, 200, 300]


def test_a_moved_alias_keeps_the_pin_of_another(
    settings: TrackerSettings, engine: Engine, store: Store, ended: Ended
) -> None:
    project, run, ids = ended
    aliases = Aliases(settings, engine, "ada")
    gc.pin(settings, engine, ids[100], True, NOW)
    for step in (100, 200):
        aliases.set(project, AliasRequest(name="champion", checkpoint=ids[step]), NOW)
    assert store.folder.pins(run) == {ids[100], ids[200]}
    gc.pin(settings, engine, ids[100], False, NOW)
    gc.pin(settings, engine, ids[200], True, NOW)
    gc.pin(settings, engine, ids[200], False, NOW)
    assert store.folder.pins(run) == {ids[200]}


def test_a_mark_that_a_kill_left_out_is_written_again(
    settings: TrackerSettings, engine: Engine, store: Store, ended: Ended
) -> None:
    project, run, ids = ended
    Aliases(settings, engine, "ada").set(project, AliasRequest(name="champion", checkpoint=ids[100]), NOW)
    store.folder.pin(run, ids[100], False)
    gc.collect_garbage(settings, engine, NOW)
    assert store.folder.pins(run) == {ids[100]}
