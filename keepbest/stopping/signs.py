"""Signs that training is broken, judged at each batch by the batch's own loss: `non_finite | spike(z=10)`.

A sign is frozen parameters; its memory is JSON. `BatchWatch` holds those of several and goes through the batches.
Plain numbers, no TensorFlow: a batch costs microseconds.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Any, ClassVar

from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.hints import nearest
from keepbest.stopping.policies.params import check_params, number, whole

#: 1.4826 * MAD estimates the standard deviation of a normal distribution.
_NORMAL = 1.4826
#: The spread counts as at least this share of the median: losses that hardly differ are no reason to go back.
_LEAST_SPREAD = 1e-3
_PART = re.compile(r"\s*(?P<name>[a-z_]+)\s*(?:\((?P<arguments>[^()]*)\))?\s*")
_ARGUMENT = re.compile(r"\s*(?:(?P<name>[a-z_]+)\s*=)?\s*(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Breakage:
    """Training is broken, seen at `step`. `since` is the first step that may be affected; `what` says it in words."""

    step: int
    since: int
    what: str


class LossWindow:
    """The last `window` losses, oldest first, also in sorted order."""

    def __init__(self, window: int, losses: Sequence[Sequence[float]] = ()) -> None:
        self._pairs = deque(((int(step), float(loss)) for step, loss in losses), maxlen=window)
        self._sorted = sorted(loss for _, loss in self._pairs)

    def add(self, step: int, loss: float) -> None:
        """Add a finite loss; the oldest makes room."""
        if self.is_full:
            del self._sorted[bisect_left(self._sorted, self._pairs[0][1])]
        self._pairs.append((step, loss))
        insort(self._sorted, loss)

    @property
    def is_full(self) -> bool:
        return len(self._pairs) == self._pairs.maxlen

    @property
    def first_step(self) -> int:
        return self._pairs[0][0]

    @property
    def median(self) -> float:
        return median(self._sorted)

    @property
    def spread(self) -> float:
        """A robust standard deviation: 1.4826 * MAD, at least a thousandth of the median."""
        middle = self.median
        deviation = median(abs(loss - middle) for loss in self._sorted)
        return max(_NORMAL * deviation, _LEAST_SPREAD * abs(middle), 1e-12)

    def to_json(self) -> list[list[float]]:
        return [[step, loss] for step, loss in self._pairs]


class Seeing(ABC):
    """One sign with its memory, on its way through the batches."""

    @abstractmethod
    def judge(self, step: int, loss: float) -> Breakage | None:
        """Judge the loss of one batch, which may be NaN."""

    def to_json(self) -> Any:
        """Return the memory."""
        return None


@dataclass(frozen=True, kw_only=True)
class NonFinite:
    """The loss of a batch, the monitored value, or a trainable variable became NaN or infinite."""

    name: ClassVar[str] = "non_finite"

    def begin(self, memory: Any = None) -> Seeing:
        return _SeesNonFinite()


class _SeesNonFinite(Seeing):
    def judge(self, step: int, loss: float) -> Breakage | None:
        return None if math.isfinite(loss) else Breakage(step, step, f"the loss of the batch is {loss}")


@dataclass(frozen=True, kw_only=True)
class Spike:
    """The loss of a batch lies far above those before it: (loss - median) / (1.4826 MAD) > z, over `window` losses."""

    name: ClassVar[str] = "spike"

    z: float = number("how many robust standard deviations above the median", above=0, default=20.0)
    window: int = whole("losses that count; the first so many are not judged", at_least=10, default=100)

    def __post_init__(self) -> None:
        check_params(self)

    def begin(self, memory: Any = None) -> Seeing:
        return _SeesSpike(self, LossWindow(self.window, memory or ()))


class _SeesSpike(Seeing):
    def __init__(self, sign: Spike, losses: LossWindow) -> None:
        self._sign, self._losses = sign, losses

    def judge(self, step: int, loss: float) -> Breakage | None:
        losses, z = self._losses, self._sign.z
        # Not `>`: NaN is a spike, too. The spread costs most, and is not needed below the median.
        if losses.is_full and not loss <= (middle := losses.median) and not loss <= middle + z * losses.spread:
            height = figure((loss - middle) / losses.spread, 3)
            seen = f"the loss of the batch is {figure(loss)}, {height} robust deviations above {figure(middle)}"
            return Breakage(step, step, seen)
        if math.isfinite(loss):
            losses.add(step, loss)
        return None

    def to_json(self) -> Any:
        return self._losses.to_json()


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The median of the last `window` losses is more than `ratio` times the lowest such median before, if above 0."""

    name: ClassVar[str] = "divergence"

    ratio: float = number("how many times the lowest median", above=1, default=3.0)
    window: int = whole("losses of one median", at_least=10, default=100)

    def __post_init__(self) -> None:
        check_params(self)

    def begin(self, memory: Any = None) -> Seeing:
        return _SeesDivergence(self, memory or {"losses": (), "lowest": None})


class _SeesDivergence(Seeing):
    def __init__(self, sign: Divergence, memory: Mapping[str, Any]) -> None:
        self._sign = sign
        self._losses = LossWindow(sign.window, memory["losses"])
        self._lowest: float | None = memory["lowest"]

    def judge(self, step: int, loss: float) -> Breakage | None:
        losses = self._losses
        if math.isfinite(loss):
            losses.add(step, loss)
        if not losses.is_full:
            return None
        middle, lowest = losses.median, self._lowest
        if lowest is not None and 0 < lowest * self._sign.ratio < middle:
            seen = f"the median loss is {figure(middle)}, {figure(middle / lowest, 3)} times the lowest before"
            return Breakage(step, losses.first_step, seen)
        self._lowest = middle if lowest is None else min(lowest, middle)
        return None

    def to_json(self) -> Any:
        return {"losses": self._losses.to_json(), "lowest": self._lowest}


Sign = NonFinite | Spike | Divergence
SIGNS: dict[str, type[Sign]] = {kind.name: kind for kind in (NonFinite, Spike, Divergence)}


class BatchWatch:
    """Judges the loss of each batch by several signs; the first that sees something speaks.

    Example:
        >>> from keepbest.stopping.signs import BatchWatch, read_signs
        >>> watch = BatchWatch(read_signs("non_finite | spike(z=20, window=10)"))
        >>> [watch.judge(step, 1 + step / 100) for step in range(1, 11)] == [None] * 10
        True
        >>> watch.judge(11, 50.0).since
        11
    """

    def __init__(self, signs: Sequence[Sign], state: Sequence[Any] = ()) -> None:
        self._signs = signs
        self.go_on_from(state)

    def judge(self, step: int, loss: float) -> Breakage | None:
        """Return what is broken at `step` by the loss of its batch, or None."""
        for seeing in self._seeing:
            if (breakage := seeing.judge(step, loss)) is not None:
                return breakage
        return None

    def state(self) -> list[Any]:
        """Return the whole memory as JSON: it belongs into every snapshot."""
        return [seeing.to_json() for seeing in self._seeing]

    def go_on_from(self, state: Sequence[Any]) -> None:
        """Go on from what `state` returned, or begin anew if it is that of other signs."""
        memories = state if len(state) == len(self._signs) else [None] * len(self._signs)
        self._seeing = [sign.begin(memory) for sign, memory in zip(self._signs, memories, strict=True)]


def read_signs(text: str) -> tuple[Sign, ...]:
    """Return the signs of `non_finite | spike(z=20, window=100)`. Raises InvalidInput that says what is wrong."""
    return tuple(_read_sign(part) for part in text.split("|"))


def _read_sign(part: str) -> Sign:
    match = _PART.fullmatch(part)
    if match is None or match["name"] not in SIGNS:
        name = match["name"] if match is not None else part.strip()
        message = f"There is no sign {name!r}; there are {', '.join(SIGNS)}."
        raise InvalidInput(message, field="on", hint=nearest(name, SIGNS) or 'For example: "non_finite | spike(z=20)"')
    kind = SIGNS[match["name"]]
    known = [field.name for field in fields(kind)]
    params: dict[str, Any] = {}
    for place, text in enumerate((match["arguments"] or "").split(",") if match["arguments"] else ()):
        argument = _ARGUMENT.fullmatch(text)
        name = None if argument is None else argument["name"] or (known[0] if place == 0 and known else None)
        if argument is None or name not in known or name in params:
            message = f"{kind.name} takes {', '.join(known) or 'nothing'}, each a number, but got {text.strip()!r}."
            raise InvalidInput(message, field="on")
        params[name] = float(argument["value"])
    try:
        return kind(**params)
    except InvalidInput as error:
        raise InvalidInput(f"{kind.name}: {error.message}", field="on", hint=error.hint) from None
