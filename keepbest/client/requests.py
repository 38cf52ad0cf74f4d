"""Requests to one tracker, with shapes as arguments and results. A failure raises the tracker's own error."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from pydantic import ValidationError

from keepbest.client.transport import Query, Transport
from keepbest.contract.base import Answer, Shape
from keepbest.errors import KeepbestError
from keepbest.settings import Settings, check_url, load

A = TypeVar("A", bound=Answer)


class Requests:
    """Talks to one tracker; threads may share it. Address and token come from the settings unless given.

    A token that the settings hold for one tracker is never sent to another. With an empty token, requests carry none.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        settings: Settings | None = None,
        timeout_seconds: float = 30.0,
        retries: int = 2,
    ) -> None:
        if url is None or token is None:
            known = settings or load(url=url)
            url, token = known.url, known.token if token is None else token
        self.transport = Transport(check_url(url), token, timeout_seconds=timeout_seconds, retries=retries)

    @property
    def url(self) -> str:
        return self.transport.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.transport.close()

    def _get(self, answer: type[A], path: str, query: Query | None = None) -> A:
        return read_answer(answer, self.transport.request("GET", path, query=query).data)

    def _post(self, answer: type[A], path: str, body: Shape | None = None, *, key: str | None = None) -> A:
        return self._send(answer, "POST", path, body, key=key)

    def _send(
        self,
        answer: type[A],
        method: str,
        path: str,
        body: Shape | None = None,
        *,
        lease: str | None = None,
        key: str | None = None,
        match: str | None = None,
        repeatable: bool = False,
    ) -> A:
        given = {"Keepbest-Lease": lease, "Idempotency-Key": key, "If-Match": match}
        reply = self.transport.request(
            method,
            path,
            body=to_bytes(body) if body is not None else b"{}",
            headers={name: value for name, value in given.items() if value},
            repeatable=repeatable or key is not None,
        )
        return read_answer(answer, reply.data)

    def _delete(self, path: str) -> None:
        self.transport.request("DELETE", path)


def to_bytes(shape: Shape) -> bytes:
    return shape.model_dump_json().encode()


def read_answer(answer: type[A], data: bytes) -> A:
    try:
        return answer.model_validate_json(data)
    except ValidationError as error:
        raise KeepbestError(
            f"This version of keepbest cannot read the tracker's answer as a {answer.__name__}.",
            hint="Check with `keepbest doctor` whether tracker and client have the same version.",
        ) from error
