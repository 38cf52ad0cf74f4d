"""The dashboard: its built files, or a page that says how to build them. Every address gets the same index.html."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from flask import Blueprint, Response, current_app, send_from_directory
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.security import safe_join

from tracker.api.compression import choose_packed
from tracker.api.envelope import route_schema

blueprint = Blueprint("dashboard", __name__)

DIST = Path(__file__).resolve().parents[1] / "webui_dist"
BUILD_COMMAND = "python hatch_build.py"
#: Scripts and styles come from this server only, never inline (charts set styles through the CSSOM, which the policy
#: allows). No page may be framed, and no form may send elsewhere.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
#: The build writes an index for pages that need more files than any page; each shows every page.
_INDEXES = ((re.compile("r/[^/]+"), "run.html"), (re.compile("p/[^/]+"), "runs.html"))
_NOT_BUILT = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>keepbest</title></head>
<body><h1>The dashboard is not built</h1>
<p>The tracker works, and so does the <code>keepbest</code> command. Build the dashboard in the source folder with</p>
<pre>{BUILD_COMMAND}</pre><p>and load this page again.</p></body></html>
"""


@blueprint.get("/assets/<path:name>")
@route_schema(None, transact=False, media="application/octet-stream")
def show_asset(name: str) -> Response:
    """Return a built file. Its name changes with its content, so a browser may cache it for ever."""
    response = _send(DIST / "assets", name)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers.update(HEADERS)
    return response


@blueprint.get("/")
@blueprint.get("/<path:page>")
@route_schema(None, transact=False, media="text/html")
def show_page(page: str = "") -> Response:
    """Return the dashboard for every other address, or a file that lies beside its index (such as the icon)."""
    if page.startswith("api/"):  # this view matches such addresses too: answer as the API's router does
        others = set(current_app.url_map.bind("").allowed_methods(f"/{page}")) - {"GET", "HEAD", "OPTIONS"}
        raise MethodNotAllowed(sorted(others)) if others else NotFound()
    if not (DIST / "index.html").is_file():
        return _add_headers(Response(_NOT_BUILT, content_type="text/html; charset=utf-8"))
    is_file = page and not page.startswith(".") and "/" not in page and (DIST / page).is_file()
    return _add_headers(_send(DIST, page if is_file else _index_of(page)))


def _index_of(page: str) -> str:
    """Return the index that names the files which this page shows at once."""
    name = next((name for pattern, name in _INDEXES if pattern.fullmatch(page)), "index.html")
    return name if (DIST / name).is_file() else "index.html"


def _send(folder: Path, name: str) -> Response:
    """Answer with a built file, as the build packed it where the browser takes that."""
    path = safe_join(str(folder), name)
    packed, encoding = choose_packed(Path(path)) if path is not None else (Path(name), None)
    place = str(packed.relative_to(folder)) if encoding is not None else name
    response = send_from_directory(folder, place, mimetype=_type_of(name))
    response.vary.add("Accept-Encoding")
    if encoding is not None:
        response.headers["Content-Encoding"] = encoding
    return response


def _add_headers(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-cache"
    response.headers.update(HEADERS)
    return response


def _type_of(name: str) -> str:
    """Return a file's media type; `_TYPES` goes first, because machines differ in the type of .js."""
    return _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
