"""All kinds by name: those of the table, in its order, and generated ones."""

from __future__ import annotations

from tests.support.kinds import compiling, generated, layers, networks, own, preprocessing
from tests.support.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*networks.KINDS, *layers.KINDS, *preprocessing.KINDS, *own.KINDS, *compiling.KINDS)
}


def find(name: str) -> Kind:
    """Return the kind of the table that is called so, or the generated one."""
    return generated.generate(name) if name.startswith(generated.PREFIX) else KINDS[name]
