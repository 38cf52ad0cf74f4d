"""Texts and images of an event as files, each at a path that its tag and its step name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

from keepbest.contract.artifacts import check_path
from keepbest.contract.names import to_word
from keepbest.foreign.tensorboard.event import BoardEvent, Form, Value
from keepbest.foreign.tensorboard.tensor import read_tensor, read_texts
from keepbest.foreign.wire import read_bytes, read_fields

_ENCODED = 4
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp"), (b"BM", "bmp"))
_UNSAFE = re.compile(r"[\\:*?\"<>|]")
_MAX_TAG = 150


def read_files(event: BoardEvent, value: Value, plugin: str | None) -> Iterator[tuple[str, bytes]] | None:
    """Return the files of a value by path; None of a value that is neither text nor image."""
    if value.payload is None:
        return None
    if value.form is Form.IMAGE:
        fields = list(read_fields(event.data, value.payload.start, value.payload.end))
        images = [read_bytes(event.data, inner) for inner in fields if inner.number == _ENCODED]
        return _name_images(event, value, images)
    if value.form is not Form.TENSOR or plugin not in ("images", "text"):
        return None
    texts = read_texts(event.data, read_tensor(event.data, value.payload))
    if plugin == "images":
        return _name_images(event, value, texts[2:])  # behind width and height
    return iter([(_name(event, value, "text", "", "txt"), b"\n\n".join(texts))])


def _name_images(event: BoardEvent, value: Value, images: list[bytes]) -> Iterator[tuple[str, bytes]]:
    for place, image in enumerate(images):
        ending = next((name for begin, name in _KINDS if image.startswith(begin)), "bin")
        number = f"-{place + 1}" if len(images) > 1 else ""
        yield _name(event, value, "images", number, ending), image


def _name(event: BoardEvent, value: Value, folder: str, number: str, ending: str) -> str:
    """Return a path such as images/sample/12.png; the tag's own folders stay where they can."""
    tag = _UNSAFE.sub("_", to_word(event.read_tag(value), 10_000))
    parts = [part for part in tag.split("/") if part.strip(". ")]
    file = f"{event.at_step:08d}{number}.{ending}"
    path = f"{folder}/{'/'.join(parts)}/{file}"
    try:
        if parts and len(tag) <= _MAX_TAG:
            return check_path(path)
    except ValueError:
        pass
    digest = blake2b(event.read_tag(value).encode(), digest_size=8).hexdigest()
    return f"{folder}/{digest}/{file}"
