"""Reads what scripts call an image: an array, a tensor, a file, a PIL image or a figure of matplotlib."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepbest.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Images of a batch that are shown side by side.
MAX_SIDE_BY_SIDE = 16
#: Pixels of the largest image that is kept.
MAX_PIXELS = 100_000_000


def read_picture(source: Any) -> NDArray[np.uint8] | Path | bytes:
    """Return the pixels (height, width, 1 or 3), or a file, or the bytes of a PNG; raises InvalidInput for no image."""
    if isinstance(source, str | os.PathLike):
        return Path(source)
    if hasattr(source, "savefig") or hasattr(getattr(source, "figure", None), "savefig"):
        picture = BytesIO()
        (source if hasattr(source, "savefig") else source.figure).savefig(picture, format="png")
        return picture.getvalue()
    if hasattr(source, "convert") and hasattr(source, "getbands"):  # PIL
        source = source.convert("L" if len(source.getbands()) == 1 else "RGBA")
    return _to_pixels(_read_array(source))


def _read_array(source: Any) -> NDArray[Any]:
    import numpy as np

    is_torch = hasattr(source, "detach") and hasattr(source, "cpu")
    if is_torch:
        source = source.detach().cpu()
    array = np.asarray(source.numpy() if hasattr(source, "numpy") else source)
    if is_torch and array.ndim in (3, 4) and array.shape[-3] in (1, 3, 4):
        array = np.moveaxis(array, -3, -1)
    if array.ndim == 4 and array.shape[0]:
        array = np.concatenate(list(array[:MAX_SIDE_BY_SIDE]), axis=1)
    return array[..., np.newaxis] if array.ndim == 2 else array


def _to_pixels(array: NDArray[Any]) -> NDArray[np.uint8]:
    is_picture = array.ndim == 3 and array.shape[-1] in (1, 2, 3, 4) and array.dtype.kind in "buif"
    if not is_picture or not 0 < array.size <= MAX_PIXELS:
        raise InvalidInput(f"An image is (height, width) or (height, width, 1 to 4), but got {array.shape}.")
    pixels = _to_bytes(array)
    if pixels.shape[-1] in (1, 3):
        return pixels
    return _put_on_white(pixels)


def _to_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return bytes: 0 to 1 and -1 to 1 are the whole range, as W&B has it; else the least and the greatest are."""
    import numpy as np

    from keepbest.panels.packing import to_bytes

    if array.dtype == np.uint8:
        return array
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if array.dtype.kind in "iu" and low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= -1 and high <= 1:
        low, high = -1.0, 1.0
    return to_bytes(np.clip(values, low, high), low, high)


def _put_on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image with an alpha channel as it looks on white."""
    import numpy as np

    alpha = pixels[..., -1:].astype(np.float64) / 255
    whole: NDArray[np.uint8] = np.rint(pixels[..., :-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return whole
