"""Defines a bundle: a user's code in one zip archive, which has its SHA-256 as its name."""

from __future__ import annotations

from keepbest.contract.base import Answer, Digest, Moment

MAX_BUNDLE_BYTES = 20 * 2**20
MAX_BUNDLE_FILES = 2_000


class Bundle(Answer):
    digest: Digest
    size_bytes: int
    created_at: Moment
