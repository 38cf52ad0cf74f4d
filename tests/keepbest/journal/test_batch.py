"""Where a batch ends: no batch may be so large that the tracker refuses it, for what is in it would be lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keepbest.contract.batches import BATCH_MEDIA_TYPE, MAX_BATCH_BYTES
from keepbest.journal import wire
from keepbest.journal.journal import Journal
from keepbest.journal.uploader import Uploader
from keepbest.stopping import Correct, Decision, Losses, Pairs, Validation
from keepbest.stopping.losses import MAX_EXAMPLES
from keepbest.tracking.recorder import Recorder
from tests.keepbest.journal.test_journal import ABOUT
from tracker.api.batch_format import read_batch

LARGEST = [
    Losses.of(np.linspace(0, 1, MAX_EXAMPLES)),
    Correct.of(np.arange(32 * MAX_EXAMPLES) % 3 == 0),
]


@pytest.mark.parametrize("pairs", LARGEST, ids=["losses", "bits"])
def test_many_validations_with_large_examples_make_good_batches(tmp_path: Path, pairs: Pairs) -> None:
    """267 kB each: thirty in one batch would be more than the tracker takes at once."""
    journal = Journal.create(tmp_path, ABOUT)
    uploader = Uploader(journal, None)
    recorder = Recorder("val_loss", uploader, 0)
    for step in range(100):
        recorder.record_validation(Validation(step, 0.5, pairs=pairs), Decision(False, False, step, ""))
    uploader._collect()
    steps = list[int]()
    while (first := journal.first()) is not None:
        assert len(first[1]) < MAX_BATCH_BYTES / 4
        came = read_batch(first[1], BATCH_MEDIA_TYPE).records
        assert came is not None
        steps += [validation.step for validation in came.validations if validation.examples is not None]
        assert wire.count_points(first[1]) == len(came.validations)
        journal.acknowledge(first[0])
    assert steps == list(range(100))
