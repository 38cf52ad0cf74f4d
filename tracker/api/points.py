"""Points: every point of a run as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile

from flask import Blueprint, Response

from keepbest.contract.exports import COUNT_HEADER
from tracker.api.envelope import route_schema, transaction
from tracker.store import runs
from tracker.store.metrics import rows
from tracker.store.metrics.rows import SpooledPoints

blueprint = Blueprint("points", __name__)

CSV = "text/csv"


@blueprint.get("/runs/<run>/points")
@route_schema(None, transact=False, media=CSV)
def list_points(run: str) -> Response:
    """Return every point of every metric of a run as CSV: run, name, key, segment, step, epoch, time, value.

    The header `Keepbest-Count` says how many lines follow the first one.
    """
    file = TemporaryFile()  # noqa: SIM115  it is closed after the last byte is sent
    try:
        with transaction() as conn:
            spooled = rows.spool(conn, runs.get_run(conn, run), file)
    except BaseException:
        file.close()
        raise
    response = Response(_send(spooled), content_type=f"{CSV}; charset=utf-8")
    response.call_on_close(file.close)
    response.headers[COUNT_HEADER] = str(spooled.count)
    response.headers["Content-Disposition"] = f'attachment; filename="{spooled.run}.csv"'
    return response


def _send(spooled: SpooledPoints) -> Iterator[bytes]:
    with spooled.file:
        yield from spooled.to_csv()
