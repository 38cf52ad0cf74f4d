"""Finding runs among very many: six filters, a page of 50, by the store and by HTTP, on SQLite and Postgres.

Run with `make bench-large` (RUNS=100000,1000000 DB=sqlite,postgres). Each database is made once, of runs with 20
metrics and 20 parameters, and kept: SQLite's in build/bench-large or $KEEPBEST_BENCH_DIR, Postgres' under the name
keepbest_bench_<runs>.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, MetaData, text
from sqlalchemy.schema import CreateIndex, DropIndex

from keepbest.contract.runs import RunRequest
from keepbest.query.parser import parse
from tests.benchmarks.bench_tracker import EXTERNAL, Server
from tests.support.environment import BENCH_DIR
from tests.support.postgres import need_postgres
from tests.support.processes import ROOT
from tracker import db
from tracker.store import run_spec
from tracker.store.search import listing
from tracker.store.search.listing import RunSearch

NAMES = 20
LIMIT = 50
ROUNDS = 15
PROJECT = "large"


@dataclass(frozen=True)
class Question:
    """One filter and its order; `most_ms` is the goal at 100,000 runs."""

    what: str
    filter: str
    sort: str = "created"
    most_ms: float | None = 20


QUESTIONS = [
    Question("selective metric", "metric_03 < 0.0005"),
    Question("half of all match", "metric_03 < 0.5"),
    Question("or", "metric_03 < 0.0003 or metric_04 > 0.9997"),
    Question("metric + parameter", "metric_03 < 0.1 and params.param_02 < 0.1"),
    Question("half, by a third metric", "metric_03 < 0.5", sort="metrics.metric_07"),
    Question("text", '"run 77"', most_ms=None),
]


#: What the two databases call differently.
DIALECTS = {
    "sqlite": {
        "random": "(abs(random()) / 9223372036854775808.0)",
        "numbers": "(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $last) SELECT n FROM n)",
        "id": "printf('%012x', n)",
        "moment": "datetime('2026-11-01 12:00:00', '-' || ($runs - n) || ' minutes')",
        "two_digits": "printf('%02d', k)",
        "before": "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000",
        "after": "PRAGMA journal_mode = WAL",
    },
    "postgresql": {
        "random": "random()",
        "numbers": "(SELECT generate_series(1, $last) AS n)",
        "id": "lpad(to_hex(n), 12, '0')",
        "moment": "timestamptz '2026-11-01 12:00:00+00' - ($runs - n) * interval '1 minute'",
        "two_digits": "lpad(k::text, 2, '0')",
        "before": "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'",
        "after": "VACUUM ANALYZE",
    },
}
STATEMENTS = (
    "INSERT INTO projects (pk, name, description, created_at, next_number)"
    " VALUES (1, '$project', '', '2026-01-01 00:00:00', $runs + 1)",
    "INSERT INTO runs (pk, id, project_pk, number, name, state, spec, source_kind, monitor, variant, mode, tags, notes,"
    " priority, created_by, created_at, updated_at, attempt, max_attempts, validations, best_value, last_value, step)"
    " SELECT n, $id, 1, n, 'run ' || n, 'finished', '$spec', 'external', 'metric_00', '', 'min', '[]', '',"
    " 0, 'ada', $moment, $moment, 1, 3, 10, $random, $random, 1000 FROM $numbers AS numbers",
    "INSERT INTO metric_summaries (run_pk, key, project_pk, count, non_finite, first_step, last_step, last_value,"
    " min_value, min_step, max_value, max_step, best_value, best_step)"
    " SELECT pk, 'metric_' || $two_digits, 1, 100, 0, 1, 100, $random, 0, 1, 1, 100, $random, 50"
    " FROM runs CROSS JOIN (SELECT n - 1 AS k FROM $names AS numbers) AS names",
    "INSERT INTO run_parameters (run_pk, key, project_pk, number, text)"
    " SELECT pk, 'param_' || $two_digits, 1, CASE WHEN k < 10 THEN drawn END,"
    " CASE WHEN k < 10 THEN CAST(drawn AS VARCHAR(300)) WHEN drawn < 0.25 THEN 'adam' ELSE 'sgd' END"
    " FROM (SELECT pk, k, $random AS drawn"
    " FROM runs CROSS JOIN (SELECT n - 1 AS k FROM $names AS numbers) AS names) AS pairs",
)


def open_database(kind: str, runs: int, folder: Path) -> Engine:
    """Return the database with so many runs, made where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder / 'tracker.db'}" if kind == "sqlite" else _ensure_postgres(f"keepbest_bench_{runs}")
    db.upgrade(url)
    engine = db.make_engine(url)
    with db.read(engine) as conn:
        there = conn.execute(text("SELECT count(*) FROM projects WHERE name = :name"), {"name": PROJECT}).scalar_one()
    if not there:
        began = time.perf_counter()
        fill(engine, runs)
        print(f"made {runs:,} runs on {kind} in {time.perf_counter() - began:.0f} s", flush=True)
    return engine


def _ensure_postgres(name: str) -> str:
    import psycopg

    url = need_postgres()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"{url.rpartition('/')[0]}/{name}"


def fill(engine: Engine, runs: int) -> None:
    """Write the rows by statements of the database's own, without the indexes, which come afterwards."""
    known = MetaData()
    known.reflect(engine, only=["runs", "metric_summaries", "run_parameters"])
    indexes = [index for table in known.tables.values() for index in table.indexes if not index.unique]
    dialect = engine.dialect.name
    statements = [
        *DIALECTS[dialect]["before"].split(";"),
        *(str(DropIndex(index).compile(engine)) for index in indexes),
        *(complete(statement, dialect, runs) for statement in STATEMENTS),
        *(str(CreateIndex(index).compile(engine)) for index in indexes),
        DIALECTS[dialect]["after"],
    ]
    raw = engine.raw_connection()
    connection: Any = raw.driver_connection
    if dialect != "sqlite":
        connection.autocommit = True
    for statement in statements:
        connection.execute(statement)
    raw.invalidate()  # the pool hands out no connection with these settings


def complete(statement: str, dialect: str, runs: int) -> str:
    """Return a statement of the templates in the words of a database."""
    words = DIALECTS[dialect]
    numbers = [Template(words["numbers"]).substitute(last=last) for last in (runs, NAMES)]
    given = {**words, "numbers": numbers[0], "names": numbers[1], "project": PROJECT, "runs": str(runs)}
    given["spec"] = json.dumps(make_spec()).replace("'", "''")
    given["moment"] = Template(words["moment"]).substitute(runs=runs)
    return Template(statement).substitute(given)


def make_spec() -> dict[str, Any]:
    parameters = {f"param_{number:02}": 0.123 if number < 10 else "adam" for number in range(NAMES)}
    request = RunRequest.model_validate({**EXTERNAL, "project": PROJECT, "name": "run", "parameters": parameters})
    return run_spec.settle(request, {}).model_dump(mode="json")


def ask_store(engine: Engine, question: Question) -> Callable[[], int]:
    def ask() -> int:
        term = parse(question.filter, datetime.now(UTC))
        search = RunSearch(PROJECT, term, question.filter, question.sort)
        with db.read(engine) as conn:
            return len(listing.list_runs(conn, search, cursor=None, limit=LIMIT).runs)

    return ask


@dataclass(frozen=True)
class Times:
    """Milliseconds of a question: the median, the fastest, and what this process computed."""

    median: float
    fastest: float
    computed: float

    def __str__(self) -> str:
        return f"{self.median:7.1f} ({self.fastest:.1f})"


def measure_times(ask: Callable[[], object]) -> Times:
    walls, computed = [], []
    for _ in range(ROUNDS):
        began, worked = time.perf_counter(), time.process_time()
        ask()
        walls.append((time.perf_counter() - began) * 1e3)
        computed.append((time.process_time() - worked) * 1e3)
    return Times(statistics.median(walls), min(walls), statistics.median(computed))


def measure(kind: str, runs: int, folder: Path) -> Iterator[tuple[Question, int, Times, Times]]:
    """Yield of each question how many runs the page has, and the times through the store and through HTTP."""
    engine = open_database(kind, runs, folder)
    variables = {"KEEPBEST_DATABASE_URL": engine.url.render_as_string(hide_password=False)}
    server = Server(folder, variables=variables)
    server.start()
    try:
        connection = server.connect()
        for question in QUESTIONS:
            ask = ask_store(engine, question)
            path = f"/runs?project={PROJECT}&limit={LIMIT}&q={quote(question.filter)}&sort={question.sort}"
            request = connection.request("GET", path, b"", "", "")
            rows = ask()
            assert rows == len(json.loads(connection.send(request))["runs"])
            yield question, rows, measure_times(ask), measure_times(partial(connection.send, request))
    finally:
        server.stop()
        engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="100000")
    parser.add_argument("--databases", default="sqlite,postgres")
    given = parser.parse_args()
    home = Path(BENCH_DIR or ROOT / "build" / "bench-large")
    print(
        f"{os.cpu_count()} cores; a page of {LIMIT}, median of {ROUNDS}, warm, in ms: store (fastest) / HTTP (fastest)",
        flush=True,
    )
    for kind in given.databases.split(","):
        for runs in map(int, given.runs.split(",")):
            for question, rows, store, http in measure(kind, runs, home / f"{kind}-{runs}"):
                goal = f"goal {question.most_ms:g}" if question.most_ms else ""
                figures = f"{store} / {http}, {store.computed:.1f} computed, {rows} rows"
                print(f"  {kind:<9} {runs:>9,}  {question.what:<24} {figures:<60} {goal}", flush=True)


if __name__ == "__main__":
    main()
