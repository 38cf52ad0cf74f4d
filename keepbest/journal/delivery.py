"""A journal's batches to the tracker, in order; one that it does not take never holds up the next.

A batch may be refused for what it says, or break the tracker while that takes others (an empty batch is the proof).
Then it is taken apart (`keepbest.journal.split`): its pieces are sent one after another under writers of their own,
what cannot be delivered is set aside in a file that is named, and the batch's own number is sent with nothing in it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
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

#: So often a batch may break the tracker before that is put down to the batch.
MAX_TRIES = 5
#: A piece is tried so often at once, with this pause: the whole was tried before.
PIECE_TRIES = 3
PIECE_PAUSE_SECONDS = 0.1
#: After so many entries of a batch were set aside its other refused pieces are not taken apart any more.
MAX_SET_ASIDE = 50
#: Between two tries where nothing else is to be done meanwhile.
PAUSE_SECONDS = 0.2

#: These are about who sends, or about the moment, and not about what is sent.
_NOT_OF_CONTENT = (Unreachable, Busy, LeaseLost, NotAuthenticated, NotAllowed)
_log = logging.getLogger("keepbest")


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What came of the journals that dead processes left: batches sent, batches still waiting, and why."""

    sent: int = 0
    waiting: int = 0
    problems: tuple[str, ...] = ()


def drain_left_over(folder: Path, client: BatchClient) -> LeftOver:
    """Send what the journals below `folder` still hold, each under the lease it was written with.

    Journals of living processes are left alone; emptied ones are removed; the rest stays for the next time.
    """
    sent, waiting, problems = 0, 0, []
    for path in sorted(folder.glob("*/writer.json")):
        try:
            journal = Journal.open(path.parent)
        except Busy:
            continue
        except (OSError, InvalidInput) as error:
            problems.append(str(error))
            continue
        before = len(journal)
        try:
            send_all(journal, client)
        except KeepbestError as error:
            problems.append(error.message)
            waiting += len(journal)
        finally:
            sent += before - len(journal)
            journal.close()
    return LeftOver(sent, waiting, tuple(problems))


def send_all(journal: Journal, client: BatchClient, *, wait: Callable[[float], object] = time.sleep) -> None:
    """Send everything; a batch that breaks the tracker is tried a few times and then taken apart.

    Raises what the client raises when the rest has to wait or the lease is lost.
    """
    while len(journal):
        try:
            send_first(journal, client)
        except KeepbestError as error:
            if isinstance(error, _NOT_OF_CONTENT) or not 0 < journal.trouble.tries < MAX_TRIES:
                raise
            wait(PAUSE_SECONDS)


def send_first(journal: Journal, client: BatchClient) -> BatchReceipt | None:
    """Send the oldest batch and forget it; None where it has to be sent otherwise, the next time.

    Raises what the client raises when the batch has to wait or the lease is lost.
    """
    first = journal.first()
    if first is None:
        return None
    number, body = first
    body = _without_examples(journal, body)
    if journal.trouble.is_apart(number):
        return _send_apart(journal, client, number, body)
    try:
        receipt = _post(journal, client, body)
    except BatchGap:
        if number == 1 or journal.is_read_only:
            raise
        _log.warning("keepbest: the tracker has lost what it had; going on under a new writer.")
        journal.renumber()
        return None
    except KeepbestError as error:
        _meet(journal, client, number, body, error)
        return None
    return _acknowledge(journal, number, receipt)


def set_all_aside(journal: Journal, error: KeepbestError) -> Path:
    """Keep what a tracker will never take of a journal in the file of what was set aside; return that file."""
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
    """Whether the same request may succeed later: no answer, no capacity, or a fault on the tracker's side."""
    return isinstance(error, Unreachable | Busy) or error.status >= 500


def _without_examples(journal: Journal, body: bytes) -> bytes:
    if not journal.goes_without_examples:
        return body
    try:
        return wire.without_examples(body)
    except InvalidInput:
        return body


def _post(journal: Journal, client: BatchClient, body: bytes) -> BatchReceipt:
    return client.post_batch(journal.about.run, body, BATCH_MEDIA_TYPE, journal.about.lease)


def _acknowledge(journal: Journal, number: int, receipt: BatchReceipt) -> BatchReceipt:
    journal.acknowledge(max(number, min(receipt.last_number, journal.last_number)))
    return receipt


def _meet(journal: Journal, client: BatchClient, number: int, body: bytes, error: KeepbestError) -> None:
    """Decide what a refusal means: raise it where it is not the batch's fault, or may not be; else take it apart."""
    if isinstance(error, _NOT_OF_CONTENT):
        raise error
    if wire.refuses_examples(error, body):
        _log.warning("keepbest: the tracker is older: what each example did at a validation is not recorded.")
        journal.goes_without_examples = True
        return
    if is_passing(error) and journal.trouble.count(number) < MAX_TRIES:
        raise error
    _prove(journal, client, error)
    journal.trouble.take_apart(number, "", error.message)


def _prove(journal: Journal, client: BatchClient, error: KeepbestError) -> None:
    """Have the tracker take a batch with nothing in it; where it refuses that too, raise `error`: no batch is to blame.

    Under a writer of its own, so that it is written down and not only known already.
    """
    try:
        _post(journal, client, wire.empty(new_id(), 1))
    except InvalidInput:
        raise error from None


def _send_apart(journal: Journal, client: BatchClient, number: int, body: bytes) -> BatchReceipt:
    """Send the batch in pieces, then its number with nothing in it; what was sent before is taken once."""
    resume = None
    for receipt in _send_piece(journal, client, number, body, ""):
        resume = receipt.resume_checkpoint or resume
    if journal.trouble.aside:
        _tell(journal, client, number)
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
    """Send what is refused without what it says of each example, where it does: that may be all that is wrong."""
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
    _prove(journal, client, error)
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
        _log.warning("keepbest: the tracker does not take %s, and it is lost: %s.", what, problem)
    trouble.set_aside(place, what, trouble.why)


def _tell(journal: Journal, client: BatchClient, number: int) -> None:
    """Say what is missing: to whoever reads the script's output, and in the run's own log."""
    words, path = list(journal.trouble.aside.values()), journal.aside_path
    shown = ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
    text = f"the tracker did not take {shown} ({journal.trouble.why}); it is kept in {path}. All else goes on."
    _log.warning("keepbest: %s", text)
    now = datetime.now(UTC)
    line = LogLines(stream="keepbest", offset=int(now.timestamp() * 1e6), text=f"keepbest: {text}\n"[:5000], at=now)
    writer = split.piece_writer(journal.about.writer, number, "note")
    try:
        _post(journal, client, wire.encode(Batch(writer=writer, number=1, logs=[line]), ()))
    except InvalidInput as error:
        _log.warning("keepbest: that cannot be said in the run's log: %s", error.message)
