"""Sends what dead processes of this machine left: their journals, and the files beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keepbest.errors import Busy, InvalidInput, KeepbestError
from keepbest.journal.delivery import send_all
from keepbest.journal.file_delivery import FileClient, send_files
from keepbest.journal.journal import BatchClient, Journal


class LeftOverClient(BatchClient, FileClient, Protocol):
    """The part of `keepbest.client.client.Client` that sends journals and files."""


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What became of the journals of dead processes: batches sent and waiting, files sent, why something waits."""

    sent: int = 0
    waiting: int = 0
    sent_files: int = 0
    problems: tuple[str, ...] = ()


def drain_left_over(folder: Path, client: LeftOverClient) -> LeftOver:
    """Send the journals of dead processes below `folder`, each under the lease that it was written with.

    Their files follow. Emptied journals are removed; the rest stays for the next time. Journals of living processes are
    left alone.
    """
    sent, waiting, files, problems = 0, 0, 0, []
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
            files += send_files(journal.folder, journal.about, client)
        except KeepbestError as error:
            problems.append(error.message)
            waiting += len(journal)
        finally:
            sent += before - len(journal)
            journal.close()
    return LeftOver(sent, waiting, files, tuple(problems))
