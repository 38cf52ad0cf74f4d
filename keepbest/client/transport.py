"""Sends requests to the tracker over one pool of connections, with the token and safe retries, and rebuilds its errors.

The token goes into a header only, never into an address, a log line or an error message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, TimeoutError

from keepbest import errors

API = "/api/v1"
CONNECT_SECONDS = 5.0
#: Bytes of a file that are written at once.
PIECE = 2**18

Query = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer, or one with an accepted status."""

    status: int
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Download:
    """A successful answer whose body is on its way."""

    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class Transport:
    """Thread-safe; keeps connections alive between requests."""

    def __init__(self, url: str, token: str | None, *, timeout_seconds: float = 30.0, retries: int = 2) -> None:
        self.url = url
        self._token = token
        self._timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout_seconds), read=timeout_seconds)
        self._retries = retries
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=10, headers={"User-Agent": "keepbest"}, blocksize=PIECE)

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def close(self) -> None:
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | BinaryIO | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        accept: tuple[int, ...] = (),
        seconds: float | None = None,
    ) -> Reply:
        """Send one request; return the answer, or raise the tracker's own error unless its status is in `accept`.

        A repeatable request (every GET, or one with a key by which the tracker takes it once) is repeated if its answer
        is lost; any other request only if no connection was made. `seconds` is how long each write and the answer may
        take, if not as long as usual. Raises Unreachable without an answer.
        """
        response = self._send(
            method,
            path,
            query=query,
            body=body,
            accept=accept,
            timeout=urllib3.Timeout(connect=seconds, read=seconds) if seconds is not None else None,
            headers={**(headers or {}), **({"Content-Type": content_type} if body is not None else {})},
            retries=self._policy(method == "GET" if repeatable is None else repeatable),
        )
        return Reply(response.status, response.headers, response.data)

    def stream(self, path: str, *, query: Query | None = None, read_seconds: float = 60.0) -> Iterator[bytes]:
        """Yield the body of a GET in pieces as they arrive; closing the iterator closes the connection."""
        yield from self.open(path, query=query, read_seconds=read_seconds).pieces

    def open(self, path: str, *, query: Query | None = None, read_seconds: float = 60.0) -> Download:
        """Begin a GET whose body is read in pieces as they arrive; closing the iterator closes the connection."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        response = self._send(
            "GET", path, query=query, retries=self._policy(False), preload_content=False, timeout=timeout
        )
        return Download(response.headers, self._read(response))

    def _read(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            while piece := response.read1(2**20):
                yield piece
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: urllib3.Timeout | None = None,
        accept: tuple[int, ...] = (),
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        authorization = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            response = self._pool.request(
                method,
                self.url + API + path + _query(query),
                headers={**self._pool.headers, **authorization, **(headers or {})},
                timeout=timeout or self._timeout,
                redirect=False,  # a redirect must not send the token to another address
                **options,
            )
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        if not 200 <= response.status < 300 and response.status not in accept:
            raise _error(response)
        return response

    def _policy(self, repeatable: bool) -> urllib3.Retry:
        again = self._retries if repeatable else 0
        return urllib3.Retry(
            total=self._retries,
            connect=self._retries,
            read=again,
            other=again,
            status=again,
            redirect=0,
            allowed_methods=None,
            status_forcelist=(502, 503, 504) if repeatable else (),
            backoff_factor=0.2,
            retry_after_max=5,
            raise_on_status=False,
        )

    def _unreachable(self, error: Exception) -> errors.Unreachable:
        return errors.Unreachable(
            f"No answer from the tracker at {self.url}: {_reason(error)}.",
            hint="Is it running? `keepbest up` starts one here; `keepbest login` or KEEPBEST_URL names another.",
        )


def path_of(*parts: str) -> str:
    """Join the parts of a path, each quoted: a name with a slash stays one part."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _query(query: Query | None) -> str:
    given = {name: _word(value) for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _word(value: str | float | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _error(response: urllib3.BaseHTTPResponse) -> errors.KeepbestError:
    try:
        body: object = json.loads(response.data)
    except (ValueError, HTTPError, OSError):
        body = None
    return errors.from_body(body, response.status)


def _reason(error: BaseException) -> str:
    """Return the innermost cause in a few words, without the addresses that urllib3 adds."""
    cause: Any = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    inner = cause.__cause__ or cause.__context__
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    if isinstance(cause, TimeoutError):
        return "it took too long"
    return type(cause).__name__
