"""Metrics: values in, one by one or in batches, and histories out."""

from __future__ import annotations

from typing import Any

import numpy as np

from keepbest.errors import InvalidInput
from tracker.api.access import principal
from tracker.api.envelope import now
from tracker.db import Connection
from tracker.mlflow.answers import name_number
from tracker.mlflow.experiments import read_tags
from tracker.mlflow.fields import MAX_MILLISECONDS, MAX_STEP, MAX_TAG, Fields, read_run_id
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.runs import read_params
from tracker.mlflow.shapes import Document
from tracker.store import cursors
from tracker.store.metrics import histories
from tracker.store.metrics.chunks import PointColumns
from tracker.store.reported import keyed_tags, parameters, points
from tracker.store.reported import runs as reported
from tracker.store.reported.points import ReportedPoint

MAX_METRICS, MAX_ENTITIES = 1000, 1000
#: Points of one answer, and runs of one request for several histories.
MAX_PAGE, MAX_RUNS = 25_000, 100
#: Steps of each run that an interval shows, unless the request says how many.
STEPS = 320


@mlflow_route("POST", "/runs/log-metric")
def log_metric(conn: Connection, fields: Fields) -> Document:
    """Add one value to a metric."""
    row = reported.get_reporting(conn, read_run_id(fields))
    points.add_points(conn, row, [_read_point(fields)], user=principal().user, now=now())
    return {}


@mlflow_route("POST", "/runs/log-batch")
def log_batch(conn: Connection, fields: Fields) -> Document:
    """Add values, params and tags to a run: all of them, or none."""
    given = [_read_point(item) for item in fields.items("metrics", most=MAX_METRICS)]
    params, tags = read_params(fields), read_tags(fields, most=MAX_TAG)
    _check_total(len(given) + len(params) + len(tags))
    row = reported.get_reporting(conn, read_run_id(fields))
    if params or tags:
        row = reported.hear(conn, row, user=principal().user, now=now())
    if params:
        parameters.add_parameters(conn, row, params, now())
    if tags:
        keyed_tags.set_tags(conn, row, tags, now())
    if given:
        row = reported.get_reporting(conn, row.id) if params or tags else row
        points.add_points(conn, row, given, user=principal().user, now=now())
    return {}


@mlflow_route("GET", "/metrics/get-history")
def get_metric_history(conn: Connection, fields: Fields) -> Document:
    """Return every value of a metric, in order of time; `page_token` asks for the next page."""
    id, key, most = read_run_id(fields), fields.text("metric_key"), fields.whole("max_results", least=1)
    order = f"history.{id}.{key}"[:300]
    (start,) = cursors.read(token, order, int) if (token := fields.optional("page_token")) else (0,)
    history = histories.read_history(conn, reported.find_run(conn, id).pk, key)
    end = max(start, 0) + min(most or MAX_PAGE, MAX_PAGE)
    shown = {"metrics": _show_points(key, history.take(slice(max(start, 0), end)))}
    return {**shown, "next_page_token": cursors.write(order, [end])} if end < len(history) else shown


@mlflow_route("GET", "/metrics/get-history-bulk", lists=("run_id",))
def get_metric_history_bulk(conn: Connection, fields: Fields) -> Document:
    """Return the values of one metric of several runs, in order of the runs' ids."""
    ids, key = _read_ids(fields, "run_id"), fields.text("metric_key")
    most = min(fields.whole("max_results", least=1) or MAX_PAGE, MAX_PAGE)
    rows = [reported.find_run(conn, id) for id in sorted(ids)]
    shown: list[Document] = []
    for row in rows:
        if len(shown) == most:
            break
        history = histories.read_history(conn, row.pk, key).take(slice(0, most - len(shown)))
        shown += [{**point, "run_id": row.id} for point in _show_points(key, history)]
    return {"metrics": shown}


@mlflow_route("GET", "/metrics/get-history-bulk-interval", lists=("run_ids",))
def get_metric_history_bulk_interval(conn: Connection, fields: Fields) -> Document:
    """Return a metric of several runs between two steps, at so many of the steps that all of them have together."""
    ids, key = _read_ids(fields, "run_ids"), fields.text("metric_key")
    first, last = fields.whole("start_step"), fields.whole("end_step")
    if (first is None) != (last is None) or (first is not None and last is not None and first > last):
        raise InvalidInput("start_step and end_step come together, the lower one first.", field="start_step")
    most = fields.whole("max_results", least=1, most=2500) or STEPS
    rows = [reported.find_run(conn, id) for id in sorted(ids)]
    read = histories.read_histories(conn, [row.pk for row in rows], key, first=first, last=last)
    shown: list[Document] = []
    for row, history in zip(rows, histories.choose_steps(read, most), strict=True):
        some = history.take(slice(0, MAX_PAGE - len(shown)))
        shown += [{**point, "run_id": row.id} for point in _show_points(key, some)]
    return {"metrics": shown}


def _read_point(fields: Fields) -> ReportedPoint:
    key, value = fields.key(), fields.number("value")
    time = fields.whole("timestamp", most=MAX_MILLISECONDS)
    if time is None:
        fields.text("timestamp")  # which says that it is missing
    return ReportedPoint(key, value, fields.whole("step", most=MAX_STEP) or 0, (time or 0) / 1000)


def _read_ids(fields: Fields, name: str) -> list[str]:
    ids = list(dict.fromkeys(fields.texts(name, most=MAX_RUNS)))
    if not ids:
        fields.text(name)
    return ids


def _check_total(total: int) -> None:
    if total > MAX_ENTITIES:
        message = (
            f"A batch logging request can contain at most {MAX_ENTITIES} metrics, params, and tags. "
            f"Got {total} metrics, params, and tags."
        )
        raise InvalidInput(message, hint="Please split up metrics, params, and tags across multiple requests.")


def _show_points(key: str, history: PointColumns) -> list[dict[str, Any]]:
    """Return points as documents; this is a hot path, and numbers that are not finite are rare."""
    milliseconds = (history.times * 1000).round().astype("int64").tolist()
    values: list[Any] = history.values.tolist()
    if not np.isfinite(history.values).all():
        values = [name_number(value) for value in values]
    columns = zip(values, milliseconds, history.steps.tolist(), strict=True)
    return [{"key": key, "value": value, "timestamp": time, "step": step} for value, time, step in columns]
