"""Exports: what leaves a tracker as a file."""

from __future__ import annotations

#: In an answer that is streamed: the number of its records, by which its reader knows that all of them came.
COUNT_HEADER = "Keepbest-Count"
