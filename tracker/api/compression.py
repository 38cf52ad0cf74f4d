"""Answers packed with gzip on their way to a browser that takes it; the dashboard's files are packed when it is built.

The tag of a packed answer is weak: the same state, in other bytes. `If-None-Match` and `check_match` take it.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from flask import Flask, Response, request

#: Bytes under which packing saves nothing: such an answer is one packet on the wire in any case.
LEAST_BYTES = 1000
#: Three times as quick as the usual level, and a few percent larger.
LEVEL = 4
#: The endings of packed files beside the file itself, best first, by the encoding that they are in.
ENDINGS = {"br": ".br", "gzip": ".gz"}
_PACKED = frozenset({"application/json", "text/html"})


def register(app: Flask) -> None:
    """Pack what `app` answers where that saves bytes. What is streamed, or packed already, passes as it is."""
    app.after_request(pack)


def pack(response: Response) -> Response:
    """Return the answer, packed where its reader takes gzip and it is large enough."""
    if response.is_streamed or response.direct_passthrough or response.mimetype not in _PACKED:
        return response
    if "Content-Encoding" in response.headers or response.cache_control.no_store:
        return response
    response.vary.add("Accept-Encoding")
    if response.status_code < 200 or response.status_code == 304 or not request.accept_encodings["gzip"]:
        return response
    data = response.get_data()
    if len(data) >= LEAST_BYTES:
        response.set_data(gzip.compress(data, LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        tag, _ = response.get_etag()
        if tag is not None:
            response.set_etag(tag, weak=True)
    return response


def choose_packed(file: Path) -> tuple[Path, str | None]:
    """Return the packed copy beside a file that the request's reader takes, and its encoding; else the file itself."""
    for encoding, ending in ENDINGS.items():
        copy = file.with_name(file.name + ending)
        if request.accept_encodings[encoding] and copy.is_file():
            return copy, encoding
    return file, None
