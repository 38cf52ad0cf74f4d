"""A user's code as it travels with a run: one zip archive, named by its SHA-256."""

from __future__ import annotations

from keepbest.contract.base import Answer, Digest, Moment

MAX_BUNDLE_BYTES = 20 * 2**20
MAX_BUNDLE_FILES = 2_000


class Bundle(Answer):
    digest: Digest
    size_bytes: int
    created_at: Moment
