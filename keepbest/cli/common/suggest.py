"""The command that fetches a checkpoint, as the next step that other verbs name."""

from __future__ import annotations

from keepbest.checkpoint.fetch import Which, read_manifest
from keepbest.checkpoint.local_runs import CheckpointSource
from keepbest.contract.restores import Format
from keepbest.errors import KeepbestError
from keepbest.settings import load


def suggest_restore(source: CheckpointSource, run: str, checkpoint: str, which: Which = "best") -> str:
    """Return the command for what is meant of a run, which is `checkpoint`, in a format that it can be written in."""
    message = "" if which == "selected" else f" --{which}"
    return f"keepbest restore {run}{message} --to restored --as {_format_of(source, run, checkpoint)}"


def _format_of(source: CheckpointSource, run: str, checkpoint: str) -> Format:
    """A loop over variables, or a session, describes no network to make a model file of; arrays there always are."""
    try:
        manifest = read_manifest(source, run, checkpoint, load().store)
    except KeepbestError:
        return "npz"
    return "npz" if manifest.network is None else "keras"
