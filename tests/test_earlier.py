"""What an earlier version left opens and goes on: its database, its journal, its checkpoints, a run in flight."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from tests.support import earlier
from tests.support.earlier.script import BEST, EVERY, RUN, measure
from tests.support.need import need
from tests.support.processes import Processes
from tracker import db


@dataclass(frozen=True)
class Service:
    """The present tracker over what the earlier one left."""

    client: Client
    folder: Path
    variables: dict[str, str]


@pytest.fixture
def service(empty_database_url: str, tmp_path: Path, processes: Processes) -> Iterator[Service]:
    folder = tmp_path / "home"
    folder.mkdir()
    earlier.copy_home(folder)
    earlier.fill_database(empty_database_url, folder)
    db.upgrade(empty_database_url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "KEEPBEST_DIR": str(folder),
        "KEEPBEST_STORE": str(folder / "store"),
        "KEEPBEST_DATABASE_URL": empty_database_url,
        "KEEPBEST_PORT": str(port),
        "KEEPBEST_URL": f"http://127.0.0.1:{port}",
        "KEEPBEST_TOKEN": (folder / "admin-token").read_text().strip(),
    }
    tracker = processes.python("tracker.server", folder=None, **variables)
    with Client(variables["KEEPBEST_URL"], variables["KEEPBEST_TOKEN"]) as client:

        def answers() -> bool:
            with suppress(KeepbestError):
                return client.health().status == "ok"
            return False

        tracker.wait_until(answers, what="an answer of the tracker")
        yield Service(client, folder, variables)


def test_its_database_is_read_in_present_words(service: Service) -> None:
    run = service.client.run(RUN)
    assert (run.validations, run.last_validation_step, run.best_step, run.best_value) == (4, 40, BEST, measure(BEST))
    known = service.client.validations(RUN).validations
    assert [(one.step, one.value) for one in known] == [(step, measure(step)) for step in (10, 20, 30, 40)]
    assert [one.decision.wait for one in known] == [0, 0, 0, 1]
    assert "run.validation" in {event.kind for event in service.client.events(after=0, limit=100).events}


def test_its_run_goes_on_from_its_checkpoint(service: Service, processes: Processes) -> None:
    """The journal of the dead process arrives first; its tail is abandoned where the run goes on from its best."""
    need(find_spec("tensorflow"), "needs TensorFlow: make install")
    script = processes.start(
        sys.executable, earlier.SCRIPT, "report_validation", "second", folder=service.folder, **service.variables
    )
    assert script.wait() == 0, script.output
    assert not (service.folder / "set-aside").exists()
    known = service.client.validations(RUN, limit=1000).validations
    before = [(one.step, one.value) for one in known if one.segment == 0]
    assert before == [(step, measure(step)) for step in range(EVERY, 61, EVERY)]
    after = [one for one in known if one.segment == 1]
    assert [one.step for one in after] == list(range(BEST + EVERY, BEST + 6 * EVERY + 1, EVERY))
    assert [one.decision.wait for one in after] == [1, 2, 3, 4, 5, 6]
    run = service.client.run(RUN)
    assert (run.state.value, run.best_step, run.spec.stopper.name) == ("finished", BEST, "any_of")
    assert "60 [60.0, 30.0]" in script.output  # the weights of step 30, and 30 steps more
