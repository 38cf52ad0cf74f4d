"""Whatever the contract admits both databases store: each route answers 2xx or 4xx in the one error shape, never 500.

`KEEPBEST_TEST_EXAMPLES=500` draws more requests a route than CI does; `KEEPBEST_TEST_SEED` draws others.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from keepbest.contract.base import DIGEST_PATTERN, ID_PATTERN, new_id
from keepbest.contract.overrides import RATE_PATTERN
from keepbest.status import Role
from tests.support.api import Api
from tests.support.environment import TEST_EXAMPLES, TEST_SEED
from tests.support.shapes import FLOATS, INTS, WORDS, Drawer, Schema
from tests.support.store import CNN, NOW
from tracker.api.envelope import RouteSchema

#: What is read of a run, and of all, after each route was asked.
READS = (
    "/runs/{run}",
    "/runs/{run}/validations?examples=true",
    "/runs/{run}/segments",
    "/runs/{run}/metrics",
    "/runs/{run}/curve?key=loss",
    "/runs/{run}/logs",
    "/runs/{run}/panels",
    "/runs/{run}/checkpoints",
    "/runs/{run}/commands",
    "/runs/{run}/test-results",
    "/runs/{run}/receipts",
    "/reports?run={run}",
    "/runs?limit=20",
    "/runs?sort=best_value",
    "/events?after=0&limit=2000",
    "/audit",
    "/workers",
    "/recipes",
    "/sweeps",
    "/projects",
    "/users",
)
#: A stream has no end.
LEFT_OUT = {"GET /stream"}


class World:
    """A tracker with what requests may refer to: a project, a worker, a recipe, and a run that trains."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.worker = new_id()
        self.random = Random(TEST_SEED)
        said = {"id": self.worker, "name": "mill", "host": "mill", "pid": 7, "version": "1", "slots": 900}
        hello = {**said, "recipes": [CNN.model_dump(mode="json")]}
        assert api.call("PUT", f"/workers/{self.worker}", hello, role=Role.WORKER).status_code == 200
        self.renew()

    def renew(self) -> None:
        """Have a run that trains, with a point, a validation and a checkpoint."""
        stopper = {"name": "patience", "params": {"checks": 3}}
        said = {"project": "digits", "source": {"kind": "external"}, "monitor": "val_loss", "mode": "min"}
        self.run = self.api.post("/runs", {**said, "validate_every": 1, "stopper": stopper})["id"]
        self.lease = self.api.post("/leases", {"run": self.run})["lease"]["token"]
        self.checkpoint, at = new_id(), NOW.isoformat()
        place = {"segment": 0, "step": 2, "value": 0.5, "at": at}
        kept = {"kind": "best", "digest": "a" * 64, "size_bytes": 1, "written_bytes": 1, "location": "store"}
        batch = {
            "segments": [{"number": 0, "reason": "start", "start_step": 0, "at": at}],
            "columns": [a_column("loss", [0.5, float("nan")])],
            "validations": [{**place, "decision": {"stop": False, "improved": True}}],
            "checkpoints": [{**place, **kept, "id": self.checkpoint}],
        }
        self.api.post(f"/runs/{self.run}/batches", {"writer": new_id(), "number": 1, **batch}, lease=self.lease)

    def known(self, schema: Schema, random: Random) -> Any:
        """Return a value that refers to what there is; None where the schema asks for no such thing."""
        if "properties" in schema and schema.get("title") in WHOLE and random.random() < 0.9:
            return WHOLE[schema["title"]](random)
        if schema.get("pattern") == ID_PATTERN:
            return random.choice([new_id(), self.run, self.worker, self.checkpoint])
        if schema.get("pattern") == RATE_PATTERN:
            return random.choice(["0.1x", "1e999", "0.0", "1e-400x"])
        return "a" * 64 if schema.get("pattern") == DIGEST_PATTERN else None

    def place(self, rule: str, drawer: Drawer) -> str:
        """Return an address by a rule: mostly of what there is."""
        for part in [part for part in rule.split("/") if part.startswith("<")]:
            name = part.strip("<>").removeprefix("path:")
            there = {"run": self.run, "worker": self.worker, "project": "digits", "user": "ada", "digest": "a" * 64}
            odd = self.random.choice([*WORDS[1:], "a\0b", "9" * 30])
            rule = rule.replace(part, quote(odd if drawer.is_rare() else there.get(name, self.checkpoint), safe=""))
        return rule

    def ask(self, method: str, rule: str, schema: RouteSchema) -> TestResponse:
        """Send one drawn request."""
        drawer = Drawer(self.random, self.known)
        path = self.place(rule, drawer)
        body: Any = None if schema.body is None else drawer.draw(schema.body)
        if rule == "/runs/<run>/batches":
            body["number"] = 1
        elif rule == "/workers/<worker>" and body is not None:
            path = f"/workers/{body['id']}"
        if schema.query is not None:
            asked = {name: value for name, value in drawer.draw(schema.query).items() if value is not None}
            path = f"{path}?{urlencode(asked, doseq=True, errors='replace')}"
        role = Role.WORKER if rule.startswith("/workers") else Role.ADMIN
        sent = None if body is None else json.dumps(named(body)).encode()
        answer = self.api.call(method, path, sent, role=role, lease=self.lease)
        check(answer, (method, path, body))
        return answer

    def read_back(self) -> None:
        """What was taken can be read again, by everybody who reads it."""
        for path in READS:
            check(self.api.call("GET", path.format(run=self.run), role=Role.ADMIN), path)


def a_column(key: str, values: list[float]) -> dict[str, Any]:
    steps = list(range(1, len(values) + 1))
    return {"segment": 0, "key": key, "steps": steps, "values": named(values), "times": [float(step) for step in steps]}


def named(value: Any) -> Any:
    """Return JSON with numbers that are not finite by name, as they cross the wire."""
    if isinstance(value, dict):
        return {key: named(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [named(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value


def an_edge(random: Random) -> Any:
    return random.choice([1, 1, *INTS, *FLOATS, "a\u202e"])


#: Objects whose fields have to fit each other.
WHOLE: dict[str, Callable[[Random], Any]] = {
    "Columns": lambda random: a_column(random.choice(["loss", "v" * 200, "ä🙂"]), random.sample(FLOATS, 3)),
    "SegmentOpened": lambda random: {
        "number": 1,
        "parent": 0,
        "reason": "roll_back",
        "start_step": 2,
        "at": NOW.isoformat(),
        "overrides": {"max_steps": random.choice([1, 2**53])},
    },
    "PolicySpec": lambda random: random.choice(
        [
            {"name": "patience", "params": {random.choice(["checks", "steps", "min_delta"]): an_edge(random)}},
            {"name": "max_seconds", "params": {"seconds": an_edge(random)}},
            {"name": "any_of", "policies": [{"name": "max_steps", "params": {"steps": an_edge(random)}}] * 10},
        ]
    ),
    "SelectorSpec": lambda random: {"name": "best"},
    "RecipeSource": lambda random: {"kind": "recipe", "name": "hvass-cnn"},
    "Uniform": lambda random: {"kind": "uniform", "low": -1e308, "high": 1e308},
    "LogUniform": lambda random: {"kind": "log_uniform", "low": 5e-324, "high": 1e308},
    "IntRange": lambda random: {"kind": "int", "low": -(2**53), "high": 2**53, "step": random.choice([1, 2**53])},
    "Examples": lambda random: random.choice([{"unpaired": "ä" * 500}, {"correct": {"n": 9, "bits": "AQE="}}]),
}


def list_routes(app: Flask) -> dict[str, tuple[str, str, RouteSchema]]:
    """Return method, rule below /api/v1 and shapes of every route, by name."""
    found = {}
    for rule in app.url_map.iter_rules():
        schema = getattr(app.view_functions[rule.endpoint], "route_schema", None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if schema is not None and rule.rule.startswith("/api/v1"):
                path = rule.rule.removeprefix("/api/v1")
                found[f"{method} {path}"] = (method, path, schema)
    return {name: found[name] for name in sorted(found.keys() - LEFT_OUT)}


def check(answer: TestResponse, what: object) -> None:
    is_busy = answer.status_code == 503 and answer.get_json()["error"]["code"] == "busy"  # too many wrong sign-ins
    assert answer.status_code < 500 or is_busy, (answer.status_code, answer.text, what)
    if answer.status_code >= 400:
        assert set((answer.json or {})["error"]) == {"code", "message", "field", "hint"}, what


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_no_request_breaks_the_tracker_or_later_reads(api: Api, part: int) -> None:
    world, broken = World(api), {}
    for name, (method, rule, schema) in list_routes(api.app).items():
        if zlib.crc32(name.encode()) % 2 != part:
            continue
        world.random.seed(f"{TEST_SEED} {name}")
        weight = 3 if rule == "/runs/<run>/batches" else 1 if schema.body or schema.query else 0.25
        try:
            for _ in range(max(2, int(TEST_EXAMPLES * weight))):
                if rule.startswith(("/runs/<run>", "/leases/<run>")) and method != "GET":
                    world.renew()
                world.ask(method, rule, schema)
            if method != "GET":
                world.read_back()
        except AssertionError as error:
            broken[name] = str(error).splitlines()[0][:1500]
    assert not broken, "\n".join(f"{name}: {what}" for name, what in broken.items())
