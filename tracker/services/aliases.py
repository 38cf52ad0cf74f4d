"""Gives aliases to checkpoints and artifacts: the mark in the store first, so that what is shown as named is safe."""

from __future__ import annotations

from datetime import datetime

from keepbest.contract.aliases import Alias, AliasRequest
from keepbest.contract.checkpoints import CheckpointState
from tracker import db
from tracker.db import Engine
from tracker.services import gc
from tracker.settings import TrackerSettings
from tracker.store import aliases, checkpoints, retention


class Aliases:
    """The aliases of one tracker, as one user changes them."""

    def __init__(self, settings: TrackerSettings, engine: Engine, user: str) -> None:
        self._settings = settings
        self._engine = engine
        self._user = user

    def set(self, project: str, request: AliasRequest, now: datetime) -> Alias:
        """Give an alias to a checkpoint or an artifact, which stays from now on; a dropped checkpoint comes back.

        Raises NotFound where its files are gone.
        """
        if request.checkpoint is None:
            with db.write(self._engine) as conn:
                return aliases.set_alias(conn, project, request, user=self._user, now=now)
        with db.read(self._engine) as conn:
            former = [alias for alias in aliases.list_aliases(conn, project).aliases if alias.name == request.name]
            wanted = checkpoints.get_checkpoint(conn, request.checkpoint)
        gc.secure(self._settings, wanted)
        try:
            with db.write(self._engine) as conn:
                if wanted.state is CheckpointState.DROPPED:
                    retention.bring_back(conn, wanted.id, now)
                alias = aliases.set_alias(conn, project, request, user=self._user, now=now)
        finally:
            self._release(wanted.id, *(each.target.checkpoint for each in former))
        return alias

    def remove(self, project: str, name: str, now: datetime) -> None:
        """Take an alias from what has it; a checkpoint that nothing else keeps is retention's again."""
        with db.write(self._engine) as conn:
            before = aliases.remove_alias(conn, project, name, user=self._user, now=now)
        self._release(before.checkpoint)

    def _release(self, *ids: str | None) -> None:
        """Take the marks in the store from checkpoints that neither a pin nor an alias keeps."""
        for id in dict.fromkeys(id for id in ids if id is not None):
            with db.read(self._engine) as conn:
                checkpoint = checkpoints.get_checkpoint(conn, id)
            if not checkpoint.is_kept:
                gc.release(self._settings, checkpoint)
