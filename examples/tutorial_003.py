"""The record of Hvass' TensorFlow tutorial 4, "Save & Restore", as a finished run: what it printed, nothing trained.

Run it, then ask what another patience would have done:

    python examples/tutorial_003.py
    keepbest sync                               # only where no tracker answered
    keepbest replay --project tutorial-003
"""

from __future__ import annotations

import keepbest

#: Accuracy in percent on the training batch and on the 5,000 validation images, at steps 100, 200, … 5800.
TRAIN_BATCH = [
    84.4, 92.2, 95.3, 92.2, 98.4, 93.8, 98.4, 100.0, 98.4, 100.0,
    96.9, 93.8, 92.2, 100.0, 96.9, 100.0, 100.0, 98.4, 98.4, 95.3,
    98.4, 100.0, 96.9, 93.8, 98.4, 98.4, 98.4, 96.9, 96.9, 98.4,
    100.0, 100.0, 98.4, 95.3, 98.4, 100.0, 98.4, 96.9, 96.9, 100.0,
    100.0, 100.0, 100.0, 96.9, 98.4, 98.4, 98.4, 100.0, 100.0, 98.4,
    98.4, 100.0, 96.9, 98.4, 98.4, 100.0, 100.0, 100.0,
]  # fmt: skip
VALIDATION = [
    85.2, 91.5, 93.7, 94.3, 94.7, 94.7, 95.6, 96.3, 96.4, 96.9,
    97.0, 97.0, 97.2, 97.3, 97.4, 97.7, 97.8, 97.7, 98.1, 98.0,
    97.9, 98.0, 98.1, 98.1, 98.2, 98.0, 98.0, 98.1, 98.2, 98.2,
    98.1, 98.3, 98.4, 98.0, 98.3, 98.5, 98.3, 98.1, 98.5, 98.4,
    98.5, 98.3, 98.6, 98.4, 98.5, 98.5, 98.4, 98.8, 98.8, 98.6,
    98.6, 98.6, 98.5, 98.7, 98.6, 98.4, 98.6, 98.7,
]  # fmt: skip
IMAGES = 5000


def main() -> None:
    # The tutorial's rule: more than 1000 steps without a better validation, tested at every step.
    rule = "patience(steps=1000)"
    with keepbest.init("tutorial-003", "as-printed", monitor="val_accuracy", mode="max", stopper=rule) as run:
        for number, (train, validation) in enumerate(zip(TRAIN_BATCH, VALIDATION, strict=True), start=1):
            run.report_validation(
                100 * number, round(validation / 100, 3), n=IMAGES, metrics={"accuracy": round(train / 100, 3)}
            )
        decision = run.report_validation(
            run.deadline() or 0, None
        )  # silence alone ends it, at the step that the tutorial named
    print(f"{run.id}: {decision.message}")


if __name__ == "__main__":
    main()
