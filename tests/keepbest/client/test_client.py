"""The client against a server that misbehaves on purpose; `test_client_tracker` is about the real one."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from keepbest import errors
from keepbest.client.client import Client
from keepbest.client.events import Follower
from keepbest.contract.commands import RollBackRequest
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.contract.workers import Claim
from tests.support.network import free_port
from tests.support.tiny_server import Answer, Serve, TinyServer

TOKEN = "kb_secret"
ME = Answer(body=b'{"user": "ada", "role": "admin", "version": "0.1.0"}')
COMMAND = {
    "id": "000000000001",
    "run": "000000000002",
    "kind": "roll_back",
    "state": "requested",
    "requested_by": "ada",
    "requested_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *answers: stack.enter_context(TinyServer(*answers).running())


def client_of(server: TinyServer) -> Client:
    return Client(server.url, TOKEN, timeout_seconds=2.0)


def error_answer(error: errors.KeepbestError) -> Answer:
    return Answer(error.status, json.dumps(error.to_body()).encode())


def test_the_token_travels_in_the_header_only(serve: Serve) -> None:
    server = serve(ME)
    client = client_of(server)
    assert client.me().user == "ada"
    assert server.asked[0].path == "/api/v1/me"
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in repr(client) + repr(client.transport)


def test_an_error_comes_back_as_the_class_that_was_raised(serve: Serve) -> None:
    told = errors.LeaseLost("Gone.", field="lease", hint="Stop.")
    with pytest.raises(errors.LeaseLost) as caught:
        client_of(serve(error_answer(told))).renew("000000000002", "token")
    assert (caught.value.message, caught.value.field, caught.value.hint) == ("Gone.", "lease", "Stop.")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(404, b"<html>nginx</html>"), errors.NotFound),
        (Answer(401, b""), errors.NotAuthenticated),
        (Answer(500, b"[1]"), errors.KeepbestError),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), errors.KeepbestError),
    ],
)
def test_an_answer_without_our_error_body(serve: Serve, answer: Answer, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"HTTP status {answer.status}"):
        client_of(serve(answer)).me()


def test_an_answer_of_another_shape_says_so(serve: Serve) -> None:
    with pytest.raises(errors.KeepbestError, match="answer as a Me"):
        client_of(serve(Answer(body=b'{"user": 1}'))).me()


def test_no_tracker_names_the_address_and_the_next_step() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(errors.Unreachable, match="connection refused") as caught:
        Client(url, TOKEN).me()
    assert url in caught.value.message
    assert "keepbest up" in str(caught.value.hint)
    assert TOKEN not in str(caught.value)


def test_a_lost_answer_is_asked_for_again(serve: Serve) -> None:
    server = serve(None, Answer(503), ME)
    assert client_of(server).me().user == "ada"
    assert len(server.asked) == 3


def test_retries_are_bounded(serve: Serve) -> None:
    server = serve(None)
    with pytest.raises(errors.Unreachable):
        client_of(server).me()
    assert len(server.asked) == 3


def test_busy_for_ever_is_busy(serve: Serve) -> None:
    with pytest.raises(errors.Busy, match="capacity"):
        client_of(serve(error_answer(errors.Busy()))).me()


def test_a_claim_is_never_sent_twice(serve: Serve) -> None:
    server = serve(None)
    with pytest.raises(errors.Unreachable):
        client_of(server).claim(Claim())
    assert len(server.asked) == 1


def test_a_batch_is_never_sent_twice(serve: Serve) -> None:
    server = serve(Answer(503))
    with pytest.raises(errors.Busy):
        client_of(server).post_batch("000000000002", b"x", "application/json", "lease")
    assert len(server.asked) == 1
    assert server.asked[0].headers["Keepbest-Lease"] == "lease"


def test_submitting_again_carries_the_same_key(serve: Serve) -> None:
    server = serve(None, error_answer(errors.InvalidInput("No such recipe.", field="source.name")))
    with pytest.raises(errors.InvalidInput, match="No such recipe"):
        client_of(server).submit(RunRequest(source=RecipeSource(name="cnn")))
    keys = {asked.headers["Idempotency-Key"] for asked in server.asked}
    assert len(server.asked) == 2
    assert len(keys) == 1
    assert json.loads(server.asked[0].body)["source"] == {"kind": "recipe", "name": "cnn"}


def test_nothing_to_claim_is_none(serve: Serve) -> None:
    assert client_of(serve(Answer(204, b""))).claim(Claim()) is None


def test_a_command_says_its_kind(serve: Serve) -> None:
    server = serve(Answer(201, json.dumps(COMMAND).encode()))
    assert client_of(server).command("0000", RollBackRequest(to="best")).state.is_open
    assert json.loads(server.asked[0].body)["kind"] == "roll_back"


def test_a_hostile_id_stays_one_part_of_the_path(serve: Serve) -> None:
    server = serve(error_answer(errors.NotFound()))
    with pytest.raises(errors.NotFound):
        client_of(server).run("../../users?x=1#")
    assert server.asked[0].path == "/api/v1/runs/..%2F..%2Fusers%3Fx%3D1%23"


def test_objects_are_streamed(serve: Serve) -> None:
    body = bytes(range(256)) * 20_000
    sink = io.BytesIO()
    assert client_of(serve(Answer(body=body))).download_object("0" * 12, "a" * 64, sink) == len(body)
    assert sink.getvalue() == body


def test_a_cut_download_is_an_error(serve: Serve) -> None:
    server = serve(Answer(body=b"x" * 10, headers={"Content-Length": "1000", "Connection": "close"}))
    with pytest.raises(errors.Unreachable):
        client_of(server).download_object("0" * 12, "a" * 64, io.BytesIO())


def event(seq: int) -> dict[str, object]:
    return {"seq": seq, "kind": "run.validation", "at": "2026-01-01T00:00:00Z"}


def page(*seqs: int, after: int) -> Answer:
    return Answer(body=json.dumps({"events": [event(seq) for seq in seqs], "next": max(seqs, default=after)}).encode())


def test_following_goes_from_page_to_stream_and_on_where_it_was(serve: Serve) -> None:
    lines = f"retry: 1000\n\n: beat\n\nid: 6\ndata: {json.dumps(event(6))}\n\n"
    stream = Answer(body=lines.encode(), headers={"Connection": "close"})
    server = serve(page(5, after=4), stream, error_answer(errors.Unreachable()), page(7, after=6))
    follower = Follower(client_of(server), None, None, 4, sleep=lambda seconds: None)
    seen = follower.events()
    found = [item.seq if item else None for item in (next(seen) for _ in range(4))]
    assert found == [5, None, 6, 7]
    assert [asked.path for asked in server.asked][:2] == ["/api/v1/events?after=4", "/api/v1/stream?after=5"]
    assert server.asked[-1].path == "/api/v1/events?after=6"


def test_without_a_stream_pages_do(serve: Serve) -> None:
    server = serve(page(5, after=4), error_answer(errors.Busy()), page(6, after=5))
    slept: list[float] = []
    seen = Follower(client_of(server), None, None, 4, sleep=slept.append).events()
    assert [item.seq for item in (next(seen), next(seen)) if item] == [5, 6]
    assert slept == [1.0]


def test_a_tracker_that_stays_away_ends_the_following() -> None:
    now = iter([0.0, 1.0, 119.0, 121.0])
    client = Client(f"http://127.0.0.1:{free_port()}", TOKEN)
    seen = Follower(client, None, None, 0, sleep=lambda seconds: None, clock=lambda: next(now)).events()
    assert [next(seen), next(seen)] == [None, None]
    with pytest.raises(errors.Unreachable):
        next(seen)
