"""A server that speaks MLflow's REST interface, with a token or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import numpy as np
import urllib3
from urllib3.exceptions import HTTPError

from keepbest.errors import InvalidInput, NotAuthenticated, NotFound, Unreachable
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Points
from keepbest.foreign.mlflow.described import Omissions, StoredRun, describe_dataset, make_run, parents_first

_API, _FILES = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
_PAGE, _MAX_PAGES, _MAX_POINTS, _MAX_LEVELS = 1000, 10_000, 25_000, 20
#: Bytes of one answer.
_MAX_ANSWER = 64 * 2**20
_TIMEOUT = urllib3.Timeout(connect=10.0, read=60.0)


class Server:
    """The runs of a server. A token goes into a header of requests to this server, and nowhere else."""

    def __init__(self, address: str, token: str = "") -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{address!a} is no address of a server.", field="source")
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.address = urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", ""))
        self._headers = {"User-Agent": "keepbest"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif parts.username:
            self._headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=2, retries=urllib3.Retry(3, redirect=0, backoff_factor=0.2)
        )
        self._left_out = Omissions()

    def runs(self) -> Iterator[ForeignRun]:
        """Yield the runs of every experiment, parents first. Raises Unreachable, NotAuthenticated or InvalidInput."""
        for experiment in self._pages("/experiments/search", {"view_type": "ALL", "max_results": _PAGE}, "experiments"):
            name, id = str(experiment.get("name", "")), str(experiment.get("experiment_id", ""))
            if experiment.get("lifecycle_stage", "active") != "active":
                self._left_out.say(f"deleted experiments: {name}")
                continue
            fields = {"experiment_ids": [id], "run_view_type": "ALL", "max_results": _PAGE}
            known = {run.id: (run, uri, keys) for run, uri, keys in self._read_runs(name, fields)}
            for run in parents_first(run for run, _, _ in known.values()):
                yield make_run(run, self.address, _ServerReader(self, run.id, *known[run.id][1:]).read)

    def left_out(self) -> list[str]:
        """Return what was left out of the server."""
        return [*self._left_out.texts, "registered models"]

    def read_history(self, run: str, key: str) -> Iterator[Points]:
        """Yield the history of a metric, a page at a time."""
        query = {"run_id": run, "metric_key": key, "max_results": str(_MAX_POINTS)}
        for _ in range(_MAX_PAGES):
            answer = self._ask("GET", "/metrics/get-history", query)
            given = [item for item in _list(answer, "metrics") if isinstance(item, dict)]
            if given:
                yield _to_points(key, given)
            if not (token := answer.get("next_page_token")):
                return
            query["page_token"] = str(token)

    def list_files(self, run: str, path: str = "", level: int = 0) -> Iterator[tuple[str, int]]:
        """Yield path and size of every file of a run."""
        query = {"run_id": run, **({"path": path} if path else {})}
        for _ in range(_MAX_PAGES):
            answer = self._ask("GET", "/artifacts/list", query)
            for item in _list(answer, "files"):
                name = str(item.get("path", "")) if isinstance(item, dict) else ""
                if name and item.get("is_dir"):
                    if level < _MAX_LEVELS and name.startswith(path) and name != path:
                        yield from self.list_files(run, name, level + 1)
                elif name:
                    yield name, _whole(item.get("file_size"))
            if not (token := answer.get("next_page_token")):
                return
            query["page_token"] = str(token)

    def open_file(self, run: str, uri: str, path: str) -> BinaryIO:
        """Return a reader of a file of a run."""
        parts = urlsplit(uri)
        if parts.scheme == "mlflow-artifacts":
            address = f"{_FILES}/{quote(parts.path.strip('/'))}/{quote(path)}"
        else:
            address = f"/get-artifact?{urlencode({'run_id': run, 'path': path})}"
        response = self._send("GET", address, preload_content=False)
        if response.status != 200:
            response.close()
            raise NotFound(f"The server does not give {path!a}: status {response.status}.")
        return cast(BinaryIO, _Streamed(response))

    def _read_runs(self, experiment: str, fields: dict[str, Any]) -> Iterator[tuple[StoredRun, str, list[str]]]:
        for given in self._pages("/runs/search", fields, "runs"):
            info, data = _mapping(given, "info"), _mapping(given, "data")
            id = str(info.get("run_id") or info.get("run_uuid") or "")
            if info.get("lifecycle_stage", "active") != "active":
                self._left_out.say(f"the run {id}: it was deleted in MLflow")
                continue
            stored = StoredRun(
                id=id,
                name=str(info.get("run_name") or ""),
                experiment=experiment,
                status=str(info.get("status", "")),
                started=info.get("start_time"),
                ended=info.get("end_time"),
                tags=_pairs(data, "tags"),
                parameters=_pairs(data, "params"),
                datasets=list(_read_datasets(given)),
            )
            keys = [str(item.get("key", "")) for item in _list(data, "metrics") if isinstance(item, dict)]
            yield stored, str(info.get("artifact_uri") or ""), sorted(set(keys))

    def _pages(self, path: str, fields: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
        token = None
        for _ in range(_MAX_PAGES):
            answer = self._ask("POST", path, {**fields, **({"page_token": token} if token else {})})
            yield from (item for item in _list(answer, name) if isinstance(item, dict))
            token = answer.get("next_page_token")
            if not token:
                return

    def _ask(self, method: str, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        query = f"?{urlencode(fields)}" if method == "GET" else ""
        body = json.dumps(fields).encode() if method == "POST" else None
        response = self._send(method, f"{_API}{path}{query}", body=body, preload_content=False)
        try:
            data = response.read(_MAX_ANSWER + 1)
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        finally:
            response.close()
        if response.status in (401, 403):
            hint = "MLFLOW_TRACKING_TOKEN holds the token."
            raise NotAuthenticated(f"{self.address} asks for a token, or refuses this one.", hint=hint)
        try:
            answer = json.loads(data) if len(data) <= _MAX_ANSWER else None
        except ValueError:
            answer = None
        if response.status != 200 or not isinstance(answer, dict):
            reason = answer.get("message") if isinstance(answer, dict) else None
            told = str(reason or f"status {response.status}")[:300]
            raise InvalidInput(f"{self.address} does not answer {path} as MLflow does: {told}.", field="source")
        return answer

    def _send(self, method: str, path: str, **how: Any) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            return self._pool.request(
                method, self.address + path, headers=headers, redirect=False, timeout=_TIMEOUT, **how
            )
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"No answer from {self.address}: {type(error).__name__}.", hint="Is the server running?")


class _Streamed:
    """The body of an answer as a file; a connection that breaks is an OSError, as of any file."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def __enter__(self) -> _Streamed:
        return self

    def __exit__(self, *raised: object) -> None:
        self._response.close()

    def read(self, size: int = -1) -> bytes:
        try:
            return self._response.read(None if size < 0 else size)
        except HTTPError as error:
            raise OSError(f"the connection broke: {type(error).__name__}") from None


class _ServerReader:
    """Reads what one run reported."""

    def __init__(self, server: Server, run: str, uri: str, keys: list[str]) -> None:
        self._server, self._run, self._uri, self._keys = server, run, uri, keys

    def read(self, left_out: Omissions) -> Iterator[Part]:
        for key in self._keys:
            yield from self._server.read_history(self._run, key)
        try:
            files = list(self._server.list_files(self._run))
        except InvalidInput as error:
            left_out.say(f"its files: {error.message}")
            return
        for path, size in files:
            yield ForeignFile(path, size, lambda path=path: self._server.open_file(self._run, self._uri, path))  # type: ignore[misc]


def _to_points(key: str, given: list[dict[str, Any]]) -> Points:
    steps = np.array([_whole(item.get("step")) for item in given], np.int64)
    values = np.array([_number(item.get("value")) for item in given])
    return Points(key, steps, values, np.array([_number(item.get("timestamp")) / 1000 for item in given]))


def _read_datasets(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for used in _list(_mapping(given, "inputs"), "dataset_inputs"):
        if isinstance(used, dict):
            yield describe_dataset(_mapping(used, "dataset"), _pairs(used, "tags"))


def _pairs(given: Mapping[str, Any], name: str) -> dict[str, str]:
    items = (item for item in _list(given, name) if isinstance(item, dict))
    return {str(item.get("key", "")): str(item.get("value", "")) for item in items}


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    items = given.get(name)
    return items if isinstance(items, list) else []


def _mapping(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    items = given.get(name)
    return items if isinstance(items, dict) else {}


def _whole(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if abs(number) < 2**62 else -1


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
