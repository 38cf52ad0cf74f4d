"""Holders of state that is no variable: vocabularies, fitted boundaries, tables, and a user's own saving hooks.

Each holder reads its state as named arrays that no later training changes, and puts such arrays back. A holder reads a
Keras lookup directly, not by the lookup's saving hooks: these leave out a vocabulary that the constructor got, and
write a file of lines, which cannot hold every word.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from keepbest.errors import CheckpointDamaged, CheckpointError
from keepbest.model.encoding import decode, decode_words, encode, encode_words, to_bytes
from keepbest.model.reader import read_one

#: From a name to its array.
Arrays = Mapping[str, Any]
Kind = Literal["asset", "own"]

_VOCABULARY, _WEIGHTS = "vocabulary.json", "idf_weights"
#: The most files that one layer may save.
_MAX_FILES = 10_000
_SHOWN = 4


class Holder(ABC):
    """Reads and writes the state of one object that is no variable. `kind` is the collection of its arrays."""

    kind: Kind = "own"
    #: The method of the object that `save` calls, for messages.
    what = ""

    def __init__(self, path: str, thing: Any) -> None:
        self.path, self.thing = path, thing

    @abstractmethod
    def save(self) -> Arrays:
        """Return the arrays that the object holds now, by name."""

    @abstractmethod
    def load(self, arrays: Arrays) -> None:
        """Put the arrays that `save` returned back into the object."""

    def compare(self, arrays: Arrays) -> str | None:
        """Return why the object cannot take `arrays`, or None if it can."""
        return None


class OwnVariables(Holder):
    """The arrays that a user's class saves in `save_own_variables`."""

    what = "save_own_variables"

    def save(self) -> Arrays:
        store: dict[str, Any] = {}
        self.thing.save_own_variables(store)
        return dict(encode(str(key), _as_value(value)) for key, value in store.items())

    def load(self, arrays: Arrays) -> None:
        self.thing.load_own_variables(dict(decode(name, value) for name, value in arrays.items()))


class Assets(Holder):
    """The files that a user's class writes in `save_assets`."""

    kind: Kind = "asset"
    what = "save_assets"

    def save(self) -> Arrays:
        with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            self.thing.save_assets(folder)
            files = sorted(file for file in Path(folder).rglob("*") if file.is_file())
            if len(files) > _MAX_FILES:
                raise CheckpointError(
                    f"save_assets wrote {len(files):,} files; a state holds at most {_MAX_FILES:,} of one layer."
                )
            return {file.relative_to(folder).as_posix(): to_bytes(file.read_bytes()) for file in files}

    def load(self, arrays: Arrays) -> None:
        with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            for name, value in arrays.items():
                file = Path(folder, *_parts_of(name))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(memoryview(_array(value)))
            self.thing.load_assets(folder)


class Vocabulary(Holder):
    """The words of a Keras lookup, and their weights if there are any. Reads them again only if the table is new."""

    kind: Kind = "asset"

    def __init__(self, path: str, thing: Any) -> None:
        super().__init__(path, thing)
        self._read: tuple[Any, Arrays] = (None, {})

    def save(self) -> Arrays:
        # A lookup never changes its table: with a new vocabulary it makes a new table.
        marks = (self.thing.lookup_table, getattr(self.thing, "idf_weights_const", None))
        if self._read[0] is None or any(item is not other for item, other in zip(self._read[0], marks, strict=True)):
            self._read = marks, self._read_table()
        return self._read[1]

    @property
    def is_empty(self) -> bool:
        """Whether the lookup has no words yet."""
        return not _words_of(self.thing)

    def _read_table(self) -> Arrays:
        import numpy as np

        words = _words_of(self.thing)
        weights = getattr(self.thing, "idf_weights_const", None) if words else None
        held = {_VOCABULARY: encode_words(words)}
        return held if weights is None else {**held, _WEIGHTS: np.array(weights)}

    def load(self, arrays: Arrays) -> None:
        words = decode_words(arrays[_VOCABULARY])
        if _WEIGHTS in arrays:
            weights = _array(arrays[_WEIGHTS])[: len(words)]  # the rest only fills up to max_tokens
            self.thing.set_vocabulary(words, idf_weights=weights)
        elif words:
            self.thing.set_vocabulary(words)

    def compare(self, arrays: Arrays) -> str | None:
        mine, theirs = decode_words(arrays[_VOCABULARY]), decode_words(self.save()[_VOCABULARY])
        if not theirs or mine == theirs:
            return None
        return f"vocabulary {_show(mine, theirs)} in the checkpoint, {_show(theirs, mine)} in the model"


class Boundaries(Holder):
    """The bins that `adapt` computed for a `Discretization`."""

    def save(self) -> Arrays:
        import numpy as np

        bins = self.thing.bin_boundaries
        return {} if bins is None else {"bin_boundaries": np.array(bins, np.float64)}

    def load(self, arrays: Arrays) -> None:
        if "bin_boundaries" in arrays:
            self.thing.bin_boundaries = _array(arrays["bin_boundaries"]).tolist()

    def compare(self, arrays: Arrays) -> str | None:
        mine, theirs = (_array(item.get("bin_boundaries", [])).tolist() for item in (arrays, self.save()))
        if not theirs or mine == theirs:
            return None
        return f"boundaries {_show(mine, theirs)} in the checkpoint, {_show(theirs, mine)} in the model"


class OddVariable(Holder):
    """A `tf.Variable` of words, or of another type that a store holds only encoded."""

    def save(self) -> Arrays:
        name, value = encode("value", read_one(self.thing))
        return {name: value}

    def load(self, arrays: Arrays) -> None:
        ((_, value),) = [decode(name, value) for name, value in arrays.items()]
        self.thing.assign(value)


class LookupTable(Holder):
    """A table that changes while the model uses it (`MutableHashTable`)."""

    def save(self) -> Arrays:
        return _export(self.thing)

    def load(self, arrays: Arrays) -> None:
        import tensorflow as tf

        saved = dict(decode(name, value) for name, value in arrays.items())
        present, _ = self.thing.export()
        self.thing.remove(present)
        if len(saved["keys"]):
            keys = tf.constant(saved["keys"], present.dtype)
            self.thing.insert(keys, tf.constant(saved["values"], self.thing.value_dtype))


class FixedTable(Holder):
    """A table that never changes. The layer's code makes it again; its content must equal the checkpoint's."""

    def __init__(self, path: str, thing: Any) -> None:
        super().__init__(path, thing)
        self._held: Arrays | None = None

    def save(self) -> Arrays:
        if self._held is None:
            self._held = _export(self.thing)
        return self._held

    def load(self, arrays: Arrays) -> None:
        """Do nothing: the table cannot change, and `compare` has found it equal."""

    def compare(self, arrays: Arrays) -> str | None:
        return None if equal(arrays, self.save()) else "its keys and values are not those of the checkpoint"


def _export(table: Any) -> Arrays:
    """Return keys and values, sorted by key: a table has no order of its own."""
    import numpy as np

    keys, values = (np.asarray(item) for item in table.export())
    order = np.argsort(keys, kind="stable") if keys.ndim == 1 else np.lexsort(keys.reshape(len(keys), -1).T)
    return dict([encode("keys", keys[order]), encode("values", values[order])])


def equal(arrays: Arrays, other: Arrays) -> bool:
    """Whether both hold the same bytes under the same names."""
    return arrays.keys() == other.keys() and all(_same(value, other[name]) for name, value in arrays.items())


def _same(item: Any, other: Any) -> bool:
    if item is other:
        return True
    mine, theirs = _array(item), _array(other)
    is_formed_alike = bool(mine.dtype == theirs.dtype and mine.shape == theirs.shape)
    return is_formed_alike and mine.tobytes() == theirs.tobytes()


def _array(value: Any) -> Any:
    import numpy as np

    return np.asarray(value)


def _as_value(value: Any) -> Any:
    """Return a tensor that later training does not change, or a copy as an array."""
    import numpy as np
    import tensorflow as tf

    variable = getattr(value, "value", value)
    if isinstance(variable, tf.Variable):
        return read_one(variable)
    return value if tf.is_tensor(value) else np.array(value)


def _words_of(lookup: Any) -> list[str | int]:
    """Return the words of a lookup in their order; none if it has learned nothing yet."""
    import tensorflow as tf

    try:
        if int(lookup.lookup_table.size()) == 0:
            return []
    except tf.errors.OpError:  # nobody has filled the table yet
        return []
    return [word if isinstance(word, str) else int(word) for word in lookup.get_vocabulary()]


def _parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a file's name. Raises CheckpointDamaged if the file would lie outside its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or "\x00" in name:
        raise CheckpointDamaged(f"An asset is called {name!r}, which no layer writes.")
    return path.parts


def _show(item: list[Any], other: list[Any]) -> str:
    """Return the number of items, and the first that `other` lacks."""
    lone = [word for word in item if word not in set(other)] or item
    return f"of {len(item)} ({', '.join(map(repr, lone[:_SHOWN]))}{', …' if len(lone) > _SHOWN else ''})"
