"""Pictures that a script logs: images, histograms, confusion matrices, graphs.

The first picture imports NumPy, so a run without pictures starts sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keepbest.contract.panels import ImageData, PanelData, PanelMade
from keepbest.errors import InvalidInput
from keepbest.journal.records import fit
from keepbest.tracking.recorder import Recorder, now

MAX_SIDE = 512


class MediaLogger:
    """Logs pictures by name. The pictures of one name at several steps are a series on the dashboard."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def log_panel(self, name: str, data: PanelData, step: int | None = None) -> None:
        """Log any panel of `keepbest.contract.panels`; without a step, at the last step."""
        recorder = self._recorder
        at = recorder.step if step is None else step
        recorder.say(fit(PanelMade, segment=recorder.segment, step=at, name=name, data=data, at=now()))

    def log_image(self, name: str, image: Any, step: int | None = None, *, caption: str = "") -> None:
        """Log an image of shape (height, width) or (height, width, 1 or 3); numbers other than bytes are scaled.

        Raises InvalidInput for another shape, or more than 512 pixels a side.
        """
        import numpy as np

        from keepbest.panels.packing import pack, to_bytes

        array = np.asarray(image)
        array = array[..., np.newaxis] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[-1] not in (1, 3) or not 0 < min(array.shape) <= max(array.shape) <= MAX_SIDE:
            raise InvalidInput(
                f"An image is (height, width) or (height, width, 1 or 3), up to {MAX_SIDE} pixels a side; "
                f"but got {np.asarray(image).shape}.",
                field="image",
            )
        if array.dtype != np.uint8:
            array = to_bytes(array, float(np.nanmin(array)), float(np.nanmax(array)))
        self.log_panel(name, ImageData(kind="image", caption=caption, image=pack(array)), step)

    def log_histogram(self, name: str, values: Mapping[str, Any] | Any, step: int | None = None) -> None:
        """Log the histogram of one array, or of several arrays by name."""
        import numpy as np

        from keepbest.panels.histograms import spread

        arrays = values if isinstance(values, Mapping) else {name: values}
        self.log_panel(name, spread({key: np.asarray(array) for key, array in arrays.items()}), step)

    def log_confusion(
        self, name: str, true: Any, predicted: Any, classes: Sequence[str], step: int | None = None
    ) -> None:
        """Log a confusion matrix from two lists of class numbers.

        Raises InvalidInput if the lists differ in length or hold a class that `classes` does not name.
        """
        import numpy as np

        from keepbest.panels.confusion import MAX_CLASSES, count_confusion

        first, second = np.asarray(true, np.int64).ravel(), np.asarray(predicted, np.int64).ravel()
        known = range(len(classes))
        if len(first) != len(second) or not 0 < len(classes) <= MAX_CLASSES:
            raise InvalidInput(
                f"{len(first)} true and {len(second)} predicted classes of {len(classes)}: "
                f"give two lists of one length, and up to {MAX_CLASSES} classes.",
                field="predicted",
            )
        if any(int(label) not in known for label in {*first.tolist(), *second.tolist()}):
            raise InvalidInput(f"Classes are numbers from 0 to {len(classes) - 1}.", field="predicted")
        self.log_panel(name, count_confusion(first, second, classes, part=name), step)

    def log_graph(self, name: str, of: Any, *examples: Any) -> None:
        """Log the graph of a Keras network or function on `examples`; a function also takes `tf.TensorSpec` objects."""
        from keepbest.panels.graph import draw_function, draw_network

        drawn = draw_network(of, *examples) if hasattr(of, "layers") else draw_function(of, *examples)
        self.log_panel(name, drawn)
