"""The record of Hvass' TensorFlow tutorial 4: validation accuracy in percent at steps 100, 200, … 5800, as printed."""

from __future__ import annotations

from keepbest.stopping import Validation

PERCENT = [
    85.2, 91.5, 93.7, 94.3, 94.7, 94.7, 95.6, 96.3, 96.4, 96.9,
    97.0, 97.0, 97.2, 97.3, 97.4, 97.7, 97.8, 97.7, 98.1, 98.0,
    97.9, 98.0, 98.1, 98.1, 98.2, 98.0, 98.0, 98.1, 98.2, 98.2,
    98.1, 98.3, 98.4, 98.0, 98.3, 98.5, 98.3, 98.1, 98.5, 98.4,
    98.5, 98.3, 98.6, 98.4, 98.5, 98.5, 98.4, 98.8, 98.8, 98.6,
    98.6, 98.6, 98.5, 98.7, 98.6, 98.4, 98.6, 98.7,
]  # fmt: skip
VALIDATIONS = [Validation(step=100 * i, value=percent, n=5000) for i, percent in enumerate(PERCENT, start=1)]
#: What the tutorial would have printed next is not known; any value that is no improvement will do.
BEYOND = [Validation(step=5900, value=98.6, n=5000), Validation(step=6000, value=98.6, n=5000)]
