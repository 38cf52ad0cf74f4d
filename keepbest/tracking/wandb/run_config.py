"""A run's configuration as a script reads and changes it. Each change is recorded with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keepbest.hints import nearest
from keepbest.journal.configuration import fields_of, to_json


class RunConfig(Mapping[str, Any]):
    """A run's configuration: `config.rate`, `config["rate"]`, `config.update(rate=0.1)`.

    `on_change` gets the configuration before and after a change, as JSON. A value keeps its Python type for the script.

    Example:
        >>> config = RunConfig({"rate": 0.1}, lambda before, after: print(after))
        >>> config.units = 64
        {'rate': 0.1, 'units': 64}
        >>> config.rate, config["units"], dict(config)
        (0.1, 64, {'rate': 0.1, 'units': 64})
    """

    def __init__(
        self, values: Any = None, on_change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda *_: None
    ) -> None:
        object.__setattr__(self, "_values", _read(values))
        object.__setattr__(self, "_kept", to_json(self._values))
        object.__setattr__(self, "_on_change", on_change)

    _values: dict[str, Any]
    _kept: dict[str, Any]
    _on_change: Callable[[dict[str, Any], dict[str, Any]], object]

    def update(self, values: Any = None, allow_val_change: bool | None = None, **more: Any) -> None:
        """Set several values: of a mapping, a dataclass or an `argparse.Namespace`.

        A value that changes is recorded whatever `allow_val_change` says, and the run's log has the value before.
        """
        self._replace({**self._values, **_read(values), **more})

    def setdefaults(self, values: Any) -> None:
        """Set the values that the configuration lacks."""
        self._replace({**_read(values), **self._values})

    def as_dict(self) -> dict[str, Any]:
        """Return a copy as a dict."""
        return dict(self._values)

    def listen(self, on_change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
        """Have `on_change` get each further change."""
        object.__setattr__(self, "_on_change", on_change)

    def add_missing(self, kept: Mapping[str, Any]) -> None:
        """Add what a recorded configuration has and this one lacks."""
        object.__setattr__(self, "_values", {**kept, **self._values})
        object.__setattr__(self, "_kept", {**kept, **self._kept})

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as it is recorded."""
        return dict(self._kept)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._replace({**self._values, str(name): value})

    def __delitem__(self, name: str) -> None:
        self._replace({key: value for key, value in self._values.items() if key != name})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # while a copy is made, it has no values yet
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        raise AttributeError(f"The configuration has no {name!r}. {nearest(name, map(str, self._values))}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the values alone: a copy belongs to no run."""
        return RunConfig, (dict(self._values),)

    def __repr__(self) -> str:
        return repr(self._values)

    def _replace(self, values: dict[str, Any]) -> None:
        before, kept = self._kept, to_json(values)
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_kept", kept)
        if kept != before:
            self._on_change(before, kept)


def _read(values: Any) -> dict[str, Any]:
    """Return the fields of a configuration of any form; a value that has none is the field `config`."""
    if values is None:
        return {}
    fields = fields_of(values)
    return {"config": values} if fields is None else {str(name): value for name, value in fields.items()}
