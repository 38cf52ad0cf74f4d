"""Suggests the command that restores a checkpoint."""

from __future__ import annotations

from keepbest.checkpoint.fetch import Which, read_manifest
from keepbest.checkpoint.local_runs import CheckpointSource
from keepbest.contract.restores import Format
from keepbest.errors import KeepbestError
from keepbest.settings import load


def suggest_restore(source: CheckpointSource, run: str, checkpoint: str, which: Which = "best") -> str:
    """Return the command that restores the `which` checkpoint of a run, in a format that suits this checkpoint."""
    option = "" if which == "selected" else f" --{which}"
    return f"keepbest restore {run}{option} --to restored --as {_format_of(source, run, checkpoint)}"


def _format_of(source: CheckpointSource, run: str, checkpoint: str) -> Format:
    """Return npz for a checkpoint without a network, as a loop over variables or a session writes, else keras."""
    try:
        manifest = read_manifest(source, run, checkpoint, load().store)
    except KeepbestError:
        return "npz"
    return "npz" if manifest.network is None else "keras"
