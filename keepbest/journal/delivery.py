"""Sends a journal's batches to the tracker in order. A batch that the tracker does not take never blocks the next.

The tracker may refuse a batch for its content, or fail on it although it takes others: an empty batch is the test. Then
keepbest takes the batch apart (`keepbest.journal.split`). It sends the pieces one after another, each under a writer of
its own, sets aside what the tracker does not take, in a file that a warning names, and sends the batch's number with an
empty batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from keepbest.contract.base import new_id
from keepbest.contract.batches import BATCH_MEDIA_TYPE, Batch, BatchReceipt, LogLines
from keepbest.errors import (
    BatchGap,
    Busy,
    InvalidInput,
    KeepbestError,
    LeaseLost,
    NotAllowed,
    NotAuthenticated,
    Unreachable,
)
from keepbest.journal import set_aside, split, wire
from keepbest.journal.journal import BatchClient, Journal

#: After so many failures of the tracker on one batch the batch counts as the cause.
MAX_TRIES = 5
#: Tries of a piece, and the pause between them. They are few, because the whole batch was tried before.
PIECE_TRIES = 3
PIECE_PAUSE_SECONDS = 0.1
#: After so many set-aside entries of a batch keepbest sets further refused pieces aside whole.
MAX_SET_ASIDE = 50
#: The pause between two tries in `send_all`.
PAUSE_SECONDS = 0.2

#: Errors that concern the sender or the moment, not the content of the batch.
_NOT_OF_CONTENT = (Unreachable, Busy, LeaseLost, NotAuthenticated, NotAllowed)
_log = logging.getLogger("keepbest")


def send_all(journal: Journal, client: BatchClient, *, wait: Callable[[float], object] = time.sleep) -> None:
    """Send every batch. A batch that the tracker fails on is tried a few times and then taken apart.

    Raises the client's error if the rest has to wait or the lease is lost.
    """
    while len(journal):
        try:
            send_first(journal, client)
        except KeepbestError as error:
            if isinstance(error, _NOT_OF_CONTENT) or not 0 < journal.trouble.tries < MAX_TRIES:
                raise
            wait(PAUSE_SECONDS)


def send_first(journal: Journal, client: BatchClient) -> BatchReceipt | None:
    """Send the oldest batch and forget it. Returns None if the next call has to send it in another way.

    Raises the client's error if the batch has to wait or the lease is lost.
    """
    first = journal.first()
    if first is None:
        return None
    number, body = first
    if journal.goes_without_examples:
        with suppress(InvalidInput):
            body = wire.without_examples(body)
    if journal.trouble.is_apart(number):
        return _send_apart(journal, client, number, body)
    try:
        receipt = _post(journal, client, body)
    except BatchGap:
        if number == 1 or journal.is_read_only:
            raise
        _log.warning(
            "keepbest: the tracker has lost batches of run %s; the journal goes on under a new writer.",
            journal.about.run,
        )
        journal.renumber()
        return None
    except KeepbestError as error:
        _handle_refusal(journal, client, number, body, error)
        return None
    return _acknowledge(journal, number, receipt)


def set_all_aside(journal: Journal, error: KeepbestError) -> Path:
    """Set every batch of a journal aside that the tracker will never take; return the file."""
    about, path = journal.about, journal.aside_path
    while (first := journal.first()) is not None:
        number, body = first
        problem = set_aside.keep(about, path, number, body, error.message)
        if problem is not None:
            _log.warning("keepbest: batch %d of run %s is lost: %s.", number, about.run, problem)
        journal.set_aside += 1
        journal.acknowledge(number)
    journal.trouble.forget()
    return path


def is_passing(error: KeepbestError) -> bool:
    """Whether the same request may succeed later: the tracker does not answer, is busy, or has an error of its own."""
    return isinstance(error, Unreachable | Busy) or error.status >= 500


def _post(journal: Journal, client: BatchClient, body: bytes) -> BatchReceipt:
    return client.post_batch(journal.about.run, body, BATCH_MEDIA_TYPE, journal.about.lease)


def _acknowledge(journal: Journal, number: int, receipt: BatchReceipt) -> BatchReceipt:
    journal.acknowledge(max(number, min(receipt.last_number, journal.last_number)))
    return receipt


def _handle_refusal(journal: Journal, client: BatchClient, number: int, body: bytes, error: KeepbestError) -> None:
    """Raise `error` unless the batch is its cause; else take the batch apart the next time."""
    if isinstance(error, _NOT_OF_CONTENT):
        raise error
    if wire.refuses_examples(error, body):
        _log.warning(
            "keepbest: the tracker is older than this keepbest, so it does not record the single examples of a "
            "validation. Upgrade the tracker."
        )
        journal.goes_without_examples = True
        return
    if is_passing(error) and journal.trouble.count(number) < MAX_TRIES:
        raise error
    _check_empty(journal, client, error)
    journal.trouble.take_apart(number, "", error.message)


def _check_empty(journal: Journal, client: BatchClient, error: KeepbestError) -> None:
    """Send an empty batch. If the tracker refuses it too, raise `error`: the content of the batch is not the cause.

    The empty batch has a new writer, so that the tracker must write it and cannot answer that it knows it.
    """
    try:
        _post(journal, client, wire.empty(new_id(), 1))
    except InvalidInput:
        raise error from None


def _send_apart(journal: Journal, client: BatchClient, number: int, body: bytes) -> BatchReceipt:
    """Send the batch in pieces, then its number with an empty batch. A piece that is sent again counts once."""
    resume = None
    for receipt in _send_piece(journal, client, number, body, ""):
        resume = receipt.resume_checkpoint or resume
    if journal.trouble.aside:
        _warn_of_refused(journal, client, number)
    receipt = _post(journal, client, wire.empty(journal.about.writer, number))
    journal.set_aside += len(journal.trouble.aside)
    journal.trouble.forget()
    _acknowledge(journal, number, receipt)
    return receipt if resume is None else receipt.model_copy(update={"resume_checkpoint": resume})


def _send_piece(journal: Journal, client: BatchClient, number: int, body: bytes, place: str) -> Iterator[BatchReceipt]:
    trouble, parts = journal.trouble, split.halves(body)
    if place in trouble.aside:
        return
    if place not in trouble.split:
        try:
            yield _try_piece(journal, client, number, body, place)
            return
        except KeepbestError as error:
            _note_refusal(journal, client, error)
            parts = parts if len(trouble.aside) < MAX_SET_ASIDE else None
    if parts is None:
        what = split.describe(body)
        for receipt in _try_without_examples(journal, client, number, body, place):
            what = f"the examples of a {what}"
            yield receipt
        _set_aside(journal, number, body, place, what)
        return
    trouble.take_apart(number, place, trouble.why)
    for half, part in enumerate(parts):
        yield from _send_piece(journal, client, number, part, f"{place}{half}")


def _try_without_examples(
    journal: Journal, client: BatchClient, number: int, body: bytes, place: str
) -> Iterator[BatchReceipt]:
    """Send a refused piece without the single examples of its validations, which may be the only fault."""
    less = body
    with suppress(InvalidInput):
        less = wire.without_examples(body)
    if less is not body:
        try:
            yield _try_piece(journal, client, number, less, f"{place}e")
        except KeepbestError as error:
            _note_refusal(journal, client, error)


def _note_refusal(journal: Journal, client: BatchClient, error: KeepbestError) -> None:
    if isinstance(error, _NOT_OF_CONTENT):
        raise error
    _check_empty(journal, client, error)
    journal.trouble.why = error.message


def _try_piece(journal: Journal, client: BatchClient, number: int, body: bytes, place: str) -> BatchReceipt:
    piece = split.as_piece(body, journal.about.writer, number, place)
    for _ in range(PIECE_TRIES - 1):
        try:
            return _post(journal, client, piece)
        except KeepbestError as error:
            if not is_passing(error) or isinstance(error, _NOT_OF_CONTENT):
                raise
            time.sleep(PIECE_PAUSE_SECONDS)
    return _post(journal, client, piece)


def _set_aside(journal: Journal, number: int, body: bytes, place: str, what: str) -> None:
    trouble = journal.trouble
    problem = set_aside.keep(journal.about, journal.aside_path, number, body, trouble.why, what)
    if problem is not None:
        _log.warning("keepbest: the tracker refused %s, which is now lost: %s.", what, problem)
    trouble.set_aside(place, what, trouble.why)


def _warn_of_refused(journal: Journal, client: BatchClient, number: int) -> None:
    """Warn of the set-aside entries in the script's output and in the run's log."""
    words, path = list(journal.trouble.aside.values()), journal.aside_path
    shown = ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
    text = f"the tracker refused {shown} ({journal.trouble.why}); keepbest keeps it in {path} and goes on."
    _log.warning("keepbest: %s", text)
    now = datetime.now(UTC)
    line = LogLines(stream="keepbest", offset=int(now.timestamp() * 1e6), text=f"keepbest: {text}\n"[:5000], at=now)
    writer = split.piece_writer(journal.about.writer, number, "note")
    try:
        _post(journal, client, wire.encode(Batch(writer=writer, number=1, logs=[line]), ()))
    except InvalidInput as error:
        _log.warning("keepbest: the run's log does not take this warning: %s", error.message)
