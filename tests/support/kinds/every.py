"""All kinds, in the order of the table."""

from __future__ import annotations

from tests.support.kinds import compiling, layers, networks, own, preprocessing
from tests.support.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*networks.KINDS, *layers.KINDS, *preprocessing.KINDS, *own.KINDS, *compiling.KINDS)
}
