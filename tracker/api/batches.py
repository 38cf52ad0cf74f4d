"""Where everything a trainer says comes in."""

from __future__ import annotations

from flask import Blueprint, request

from keepbest.contract.batches import BATCH_MEDIA_TYPE, MAX_BATCH_BYTES, Batch, BatchReceipt
from tracker.api import access, batch_format
from tracker.api.envelope import now, route_schema, transaction
from tracker.store import ingest

blueprint = Blueprint("batches", __name__)


@blueprint.post("/runs/<run>/batches")
@route_schema(
    BatchReceipt,
    body=Batch,
    body_media=("application/json", BATCH_MEDIA_TYPE),
    limit=MAX_BATCH_BYTES,
    transact=False,
)
def take_batch(run: str) -> BatchReceipt:
    """Take one numbered batch of what a trainer says; the answer means that it is durable."""
    delivery = batch_format.read_batch(request.get_data(cache=False), request.mimetype)
    with transaction() as conn:
        return ingest.take(conn, run, access.lease_token(), delivery, now())
