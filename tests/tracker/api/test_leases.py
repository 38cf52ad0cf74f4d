"""The routes of workers, leases and bundles."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import pytest

from keepbest.contract.bundles import MAX_BUNDLE_BYTES
from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import CNN
from tracker import db
from tracker.store import leases

WORKER = "w" * 12
HELLO: dict[str, Any] = {
    "id": WORKER, "name": "mill", "host": "mill.local", "pid": 7, "version": "0.1", "slots": 2,
    "labels": {"gpu": "h200"}, "recipes": [CNN.model_dump(mode="json")],
}  # fmt: skip
RUN = {"source": {"kind": "recipe", "name": "hvass-cnn"}}


def work(api: Api, method: str, path: str, body: Any = None, **how: Any) -> Any:
    answer = api.call(method, path, body, role=Role.WORKER, **how)
    assert answer.status_code < 300, answer.text
    return answer.get_json() if answer.data else None


def test_a_worker_says_hello_is_seen_and_leaves(api: Api) -> None:
    said = work(api, "PUT", f"/workers/{WORKER}", HELLO)
    assert (said["state"], said["busy"], said["recipes"]) == ("alive", 0, ["hvass-cnn"])
    api.wait(31)
    assert api.get("/workers")["workers"][0]["state"] == "silent"
    work(api, "PUT", f"/workers/{WORKER}", {**HELLO, "slots": 3})
    (seen,) = api.get("/workers")["workers"]
    assert (seen["state"], seen["slots"], seen["started_at"]) == ("alive", 3, "2026-03-01T12:00:00Z")
    assert work(api, "DELETE", f"/workers/{WORKER}") is None
    assert api.get("/workers")["workers"][0]["state"] == "gone"
    assert api.fail("DELETE", f"/workers/{'x' * 12}", role=Role.WORKER)[0] == 404
    assert api.fail("PUT", f"/workers/{'x' * 12}", HELLO, role=Role.WORKER)[0] == 422


def test_recipes_are_what_workers_announced(api: Api) -> None:
    assert api.get("/recipes") == {"recipes": []}
    work(api, "PUT", f"/workers/{WORKER}", HELLO)
    assert api.get("/recipes")["recipes"] == HELLO["recipes"]


def test_a_run_from_claim_to_release(api: Api) -> None:
    work(api, "PUT", f"/workers/{WORKER}", HELLO)
    assert api.call("POST", "/leases", {"worker": WORKER}, role=Role.WORKER).status_code == 204
    run = api.post("/runs", RUN)["id"]
    taken = work(api, "POST", "/leases", {"worker": WORKER})
    assert (taken["run"]["id"], taken["attempt"], taken["next_segment"], taken["resume"]) == (run, 1, 0, None)
    assert api.get("/workers")["workers"][0]["busy"] == 1
    api.wait(10)
    renewed = work(api, "POST", f"/leases/{run}/renew", lease=taken["lease"]["token"])
    assert (renewed["expires_at"], renewed["commands"]) == ("2026-03-01T12:00:40Z", [])
    said = {"outcome": "finished", "stop_reason": "patience", "stop_message": "no improvement"}
    done = work(api, "POST", f"/leases/{run}/release", said, lease=taken["lease"]["token"])
    assert (done["state"], done["stop_reason"], done["worker"]) == ("finished", "patience", "mill")


@pytest.mark.parametrize("verb", ["renew", "release"])
def test_a_wrong_token_changes_nothing(api: Api, verb: str) -> None:
    work(api, "PUT", f"/workers/{WORKER}", HELLO)
    run = api.post("/runs", RUN)["id"]
    work(api, "POST", "/leases", {"worker": WORKER})
    for token in ("", "stale", "x" * 5000):
        said = {"outcome": "finished"}
        status, error = api.fail("POST", f"/leases/{run}/{verb}", said, lease=token, role=Role.WORKER)
        assert (status, error["code"]) == (409, "lease_lost"), token
    assert api.get(f"/runs/{run}")["state"] == "leased"


def test_a_stale_worker_is_told_to_stop(api: Api) -> None:
    work(api, "PUT", f"/workers/{WORKER}", HELLO)
    run = api.post("/runs", RUN)["id"]
    old = work(api, "POST", "/leases", {"worker": WORKER})["lease"]["token"]
    with db.write(api.engine) as conn:
        leases.expire_leases(conn, api.wait(31))
    work(api, "POST", "/leases", {"worker": WORKER})
    status, error = api.fail("POST", f"/leases/{run}/renew", lease=old, role=Role.WORKER)
    assert (status, error["code"]) == (409, "lease_lost")
    assert "Stop training it" in error["hint"]


def test_a_claim_says_who_asks(api: Api) -> None:
    assert api.fail("POST", "/leases", {}, role=Role.WORKER)[1]["field"] == "worker"
    assert api.fail("POST", "/leases", {"worker": WORKER}, role=Role.WORKER)[0] == 404
    assert api.fail("POST", "/leases", {"worker": "../../x"}, role=Role.WORKER)[0] == 422


def test_a_member_trains_an_external_run(api: Api) -> None:
    run = api.post("/runs", {"source": {"kind": "external"}, "mode": "min"})["id"]
    taken = api.post("/leases", {"run": run})
    assert taken["lease"]["lease_seconds"] == 120
    assert (
        api.post(f"/leases/{run}/release", {"outcome": "finished"}, lease=taken["lease"]["token"])["state"]
        == "finished"
    )


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "def build(): ...")
    return buffer.getvalue()


def test_a_bundle_comes_back_byte_for_byte(api: Api) -> None:
    content = zipped("my_model.py")
    headers = {"Content-Type": "application/zip"}
    made = [api.post("/bundles", content, headers=headers)["digest"] for _ in range(2)]
    assert made == [hashlib.sha256(content).hexdigest()] * 2
    got = api.call("GET", f"/bundles/{made[0]}", role=Role.WORKER)
    assert (got.data, got.content_type) == (content, "application/zip")
    source = {"kind": "code", "bundle": made[0], "entry": "my_model.py:build"}
    assert api.post("/runs", {"source": source})["name"] == "my_model.build-1"


def test_a_bundle_that_escapes_or_is_too_large_is_refused(api: Api) -> None:
    headers = {"Content-Type": "application/zip"}
    assert api.fail("POST", "/bundles", zipped("../evil.py"), headers=headers)[0] == 422
    status, error = api.fail("POST", "/bundles", b"x" * (MAX_BUNDLE_BYTES + 1), headers=headers)
    assert (status, error["code"]) == (413, "too_large")
    for digest in ("0" * 64, "..", "x" * 64):
        assert api.fail("GET", f"/bundles/{digest}")[0] == 404
