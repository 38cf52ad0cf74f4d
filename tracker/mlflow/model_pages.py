"""Pages of models that a search found in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keepbest.query import mlflow_models
from keepbest.query.mlflow_grammar import Order
from tracker.mlflow.fields import Fields
from tracker.mlflow.shapes import Document
from tracker.store import cursors
from tracker.store.registry.models import ModelRow

Found = tuple[Document, ModelRow]


def read_page(
    pairs: Sequence[Found],
    orders: Iterable[tuple[str, Order]],
    fields: Fields,
    list_name: str,
    *,
    usual: int,
    most: int,
) -> tuple[list[ModelRow], str | None]:
    """Return the page that a request asks for, in its orders, and the token of the next one."""
    limit = min(fields.whole("max_results", least=1, most=200_000) or usual, most)
    token = fields.optional("page_token") or None
    (start,) = cursors.read(token, list_name, int) if token else (0,)
    start = max(start, 0)
    rows = mlflow_models.sort(pairs, orders)
    more = cursors.write(list_name, [start + limit]) if len(rows) > start + limit else None
    return rows[start : start + limit], more
