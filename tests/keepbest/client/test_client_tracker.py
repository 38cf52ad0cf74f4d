"""The client against the real tracker: every method once, and the follower on a real stream."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from threading import Thread

import pytest

from keepbest.client.client import Client
from keepbest.contract.access import TokenRequest, UserPatch, UserRequest
from keepbest.contract.checkpoints import Receipt
from keepbest.contract.commands import StopRequest
from keepbest.contract.events import Event
from keepbest.contract.projects import ProjectRequest
from keepbest.contract.replays import ReplayRequest
from keepbest.contract.runs import CodeSource, RecipeSource, Run, RunPatch, RunRequest
from keepbest.errors import Conflict, InvalidInput, LeaseLost, NotAllowed, NotAuthenticated, NotFound
from keepbest.status import CommandState, Role, RunState
from tests.support.live import FakeWorker, Live


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    with live.client() as client:
        yield client


@pytest.fixture
def worker(live: Live) -> Iterator[FakeWorker]:
    worker = live.add_worker()
    yield worker
    worker.client.close()


def submit(client: Client, **asked: object) -> Run:
    return client.submit(RunRequest.model_validate({"source": RecipeSource(name="hvass-cnn"), **asked}))


def test_who_we_are(client: Client, live: Live) -> None:
    assert client.health().status == "ok"
    assert (client.me().user, client.me().role) == ("ada", Role.ADMIN)
    with pytest.raises(NotAuthenticated), Client(live.url, "kb_wrong") as stranger:
        stranger.me()
    with pytest.raises(NotAllowed), Client(live.url, live.worker) as worker:
        worker.users()


def test_users_tokens_audit(client: Client, live: Live) -> None:
    client.add_user(UserRequest(name="bob"))
    secret = client.make_token(TokenRequest(name="laptop", user="bob")).secret
    assert secret
    with Client(live.url, secret) as bobs:
        assert bobs.me().user == "bob"
        assert client.patch_user("bob", UserPatch(role=Role.VIEWER)).role is Role.VIEWER
        client.disable_user("bob")
        with pytest.raises(NotAuthenticated):
            bobs.me()
    token = client.make_token(TokenRequest(name="mine"))
    assert token.id in {one.id for one in client.tokens().tokens}
    client.revoke_token(token.id)
    assert token.id not in {one.id for one in client.tokens().tokens}
    assert {"ada", "bob", "mill"} == {one.name for one in client.users().users}
    assert "user.disable" in {entry.action for entry in client.audit().entries}


def test_a_link_becomes_a_token_once(client: Client, live: Live) -> None:
    code = client.make_sign_in_link().path.partition("#code=")[2]
    with Client(live.url, "") as nobody:
        made = nobody.exchange_code(code, TokenRequest(name="by link"))
        with pytest.raises(NotAuthenticated, match="used up"):
            nobody.exchange_code(code, TokenRequest(name="by link"))
    with Client(live.url, made.secret) as someone:
        assert someone.me().user == "ada"


def test_replays(client: Client, worker: FakeWorker) -> None:
    run = submit(client)
    worker.claim()
    for step, value in ((100, 0.5), (200, 0.75), (300, 0.5)):
        worker.report_validation(step, value)
    found = client.replay(ReplayRequest(runs=[run.id], stoppers=["patience(1)"]))
    assert (found.policies[0].outcomes[0].stop_step, found.recommended) == (300, None)


def test_projects(client: Client) -> None:
    client.add_project(ProjectRequest(name="team/digits 2", description="x"))
    assert client.project("team/digits 2").description == "x"
    assert [one.name for one in client.projects().projects] == ["team/digits 2"]
    with pytest.raises(Conflict):
        client.add_project(ProjectRequest(name="team/digits 2"))


def test_a_run_from_its_request_to_its_end(client: Client, worker: FakeWorker) -> None:
    run = submit(client, project="digits", tags=["a"])
    assert client.run(run.id[:6]).state is RunState.QUEUED
    assert client.patch_run(run.id, RunPatch(notes="try")).notes == "try"
    worker.claim().report_validation(100, 0.9, improved=True, best_step=100, best_value=0.9)
    worker.log("hello\n")
    worker.say(columns=[{"segment": 0, "key": "loss", "steps": [1, 2], "values": [1.0, 0.5], "times": [1.0, 2.0]}])
    checkpoint = worker.checkpoint(100, 0.9)
    assert [validation.value for validation in client.validations(run.id).validations] == [0.9]
    assert client.validations(run.id, after=client.validations(run.id).validations[-1].seq).validations == []
    assert [piece.text for piece in client.logs(run.id).pieces] == ["hello\n"]
    assert [one.key for one in client.metrics(run.id).metrics] == ["loss"]
    assert client.curve(run.id, "loss", max_points=100).pieces[0].values == [1.0, 0.5]
    assert [one.is_best for one in client.checkpoints(run.id).checkpoints] == [True]
    assert client.pin_checkpoint(checkpoint).is_pinned
    assert not client.pin_checkpoint(checkpoint, pinned=False).is_pinned
    assert client.checkpoint(checkpoint).value == 0.9
    assert len(client.segments(run.id).segments) == 1
    assert worker.client.renew(run.id, worker.lease).commands == []
    worker.finish(stop_reason="patience")
    ended = client.run(run.id)
    assert (ended.state, ended.best_value, ended.best_checkpoint) == (RunState.FINISHED, 0.9, checkpoint)
    assert [one.id for one in client.runs(project="digits", state="finished", q="hvass", sort="best").runs] == [run.id]
    client.delete_run(run.id)
    with pytest.raises(NotFound):
        client.run(run.id)


def test_commands(client: Client, worker: FakeWorker) -> None:
    submit(client)
    worker.claim()
    asked = client.command(worker.run, StopRequest())
    assert asked.state is CommandState.REQUESTED
    assert [one.id for one in client.commands(worker.run, open_only=True).commands] == [asked.id]
    assert [one.id for one in worker.client.renew(worker.run, worker.lease).commands] == [asked.id]
    queued = submit(client)
    assert client.cancel_run(queued.id).state is RunState.CANCELLED


def test_a_lease_that_is_not_ours(client: Client, worker: FakeWorker) -> None:
    submit(client)
    worker.claim()
    with pytest.raises(LeaseLost):
        worker.client.renew(worker.run, "kb_other")


def test_a_wrong_recipe_names_the_field(client: Client, worker: FakeWorker) -> None:
    with pytest.raises((InvalidInput, NotFound)) as caught:
        submit(client, source=RecipeSource(name="hvas-cnn"))
    assert caught.value.field == "source.name"
    assert "hvass-cnn" in str(caught.value.hint) + caught.value.message


def test_code_travels(client: Client, worker: FakeWorker) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("my_model.py", "def build(): ...")
    bundle = client.add_bundle(buffer.getvalue())
    assert client.bundle(bundle.digest) == buffer.getvalue()
    assert client.add_bundle(buffer.getvalue()).digest == bundle.digest
    source = CodeSource(bundle=bundle.digest, entry="my_model.py:build")
    assert submit(client, source=source, monitor="val_loss", mode="min").state is RunState.QUEUED


def test_workers_and_recipes(client: Client, worker: FakeWorker) -> None:
    assert [(one.name, one.state) for one in client.workers().workers] == [("mill", "alive")]
    assert [one.name for one in client.recipes().recipes] == ["hvass-cnn"]
    worker.client.deregister_worker(worker.id)
    assert [one.state for one in client.workers().workers] in ([], ["gone"])


def test_receipts(client: Client, worker: FakeWorker) -> None:
    submit(client)
    checkpoint = worker.claim().checkpoint(100, 0.9)
    receipt = Receipt(
        run=worker.run, checkpoint=checkpoint, step=100, monitor="val_accuracy", recorded=0.9, restored=0.9,
        difference=0.0, equal=True,
    )  # fmt: skip
    client.add_receipt(receipt)
    assert len(client.receipts(worker.run).receipts) == 1


def test_following_sees_every_event_of_its_run(client: Client, worker: FakeWorker) -> None:
    other = submit(client)
    run = submit(client, priority=5)
    start = client.events().next
    thread = Thread(target=_train, args=(worker,))
    thread.start()
    seen = list(_until_ended(client.follow(after=start, run=run.id)))
    thread.join()
    assert {event.run for event in seen} == {run.id} != {other.id}
    assert [event.seq for event in seen] == sorted({event.seq for event in seen})
    assert {"run.state", "run.validation"} <= {event.kind for event in seen}


def _train(worker: FakeWorker) -> None:
    worker.claim()
    for step in (100, 200, 300):
        worker.report_validation(step, step / 1000)
    worker.finish()


def _until_ended(events: Iterator[Event | None]) -> Iterator[Event]:
    for event in events:
        if event is not None:
            yield event
            if event.data.get("state") == "finished":
                return
