"""What the five tutorials train, what they print of it, and what must be reached here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keepbest.contract.checkpoints import Receipt
from keepbest.contract.runs import RecipeSource, Run, RunRequest, TestResult
from keepbest.contract.validations import RecordedValidation

PROJECT = "tutorials"


@dataclass(frozen=True)
class Outcome:
    """A run that ended, all its validations, and what its restored best gave in a fresh process."""

    run: Run
    validations: list[RecordedValidation]
    receipt: Receipt

    def last(self, metric: str) -> float:
        """The value of a metric at the last validation."""
        return _number(self.validations[-1].metrics[metric])

    def first(self, metric: str) -> float:
        return _number(self.validations[0].metrics[metric])

    def test(self, metric: str) -> float:
        """What the test set gave at the best validation."""
        return self._tested.values[metric]

    @property
    def test_size(self) -> int:
        return self._tested.n

    @property
    def _tested(self) -> TestResult:
        assert self.run.test is not None, f"{self.run.id} measured no test set"
        return self.run.test


@dataclass(frozen=True)
class System:
    """One training of a tutorial: how it is asked for, what the tutorial says of it, and what is told of ours."""

    name: str
    seed: str
    says: str
    tell: Callable[[Outcome], str]
    is_reached: Callable[[Outcome], bool]
    recipe: str = ""
    data: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    short_steps: int = 200
    short_parameters: Mapping[str, Any] = field(default_factory=dict)

    def request(self, *, short: bool) -> RunRequest:
        """The tutorial's own settings are the recipe's defaults; the short form takes the embedded digits."""
        return RunRequest(
            project=PROJECT,
            name=self.name,
            source=RecipeSource(name=self.recipe or self.name),
            data="digits" if short and self.data == "mnist" else self.data,
            parameters={**self.parameters, **(self.short_parameters if short else {})},
            max_steps=self.short_steps if short else None,
        )

    def command(self) -> str:
        """The same as a user types it."""
        data = [f"--data {self.data}"] if self.data else []
        given = [f"--set {key}={value}" for key, value in self.parameters.items()]
        return " ".join(["keepbest submit", self.recipe or self.name, *data, *given])


def _tell_line(got: Outcome) -> str:
    return f"W {got.last('W'):.6f}, b {got.last('b'):.6f}"


def _is_line(got: Outcome) -> bool:
    return abs(got.last("W") - 0.1) < 1e-3 and abs(got.last("b") - 0.3) < 1e-3


def _tell_curve(got: Outcome) -> str:
    return f"loss {got.first('val_loss'):.5f} at step {got.validations[0].step}, {got.last('val_loss'):.5f} at the end"


def _tell_dropout(got: Outcome) -> str:
    last = f"loss {got.last('train_loss'):.3f} in training, {got.last('val_loss'):.3f} in validation"
    return f"{last}, test {got.test('loss'):.3f}"


def _tell_test(got: Outcome) -> str:
    return f"test {got.test('accuracy'):.2%}"


def _tell_entropy(got: Outcome) -> str:
    """The article sums the cross-entropy over all test images."""
    return f"{_tell_test(got)}, cross-entropy {got.test('loss') * got.test_size:.1f}"


def _tell_hvass(got: Outcome) -> str:
    best = f"validation {got.run.best_value:.2%} at step {got.run.best_step}"
    return f"{best}, {_tell_test(got)}"


def _tell_boundary(got: Outcome) -> str:
    return f"loss {got.last('train_loss'):.4f} in training, test {got.test('loss'):.4f}"


def _tests_at_least(accuracy: float) -> Callable[[Outcome], bool]:
    """Reached in the digits that the tutorial prints: 0.912 says 91.2 %, so 91.15 % is enough."""
    return lambda got: round(got.test("accuracy"), 3) >= accuracy


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


SYSTEMS = (
    System("line-fit", "001", "W 0.1, b 0.3", _tell_line, _is_line, short_steps=201),
    System(
        "curve-fit",
        "001",
        "a loss that falls, printed each 50 steps (the noise alone is 0.0025)",
        _tell_curve,
        lambda got: got.last("val_loss") < 0.01 and got.last("val_loss") < got.first("val_loss"),
    ),
    System(
        "digits-dropout",
        "001",
        "with dropout, training and test stay together",
        _tell_dropout,
        lambda got: got.last("val_loss") < got.first("val_loss"),
        short_steps=100,
    ),
    System(
        "digits-no-dropout",
        "001",
        "without, they drift apart",
        _tell_dropout,
        lambda got: got.last("val_loss") > 2 * got.last("train_loss"),
        recipe="digits-dropout",
        parameters={"keep_prob": 1.0},
        short_steps=100,
    ),
    System("softmax-pros", "002", "test 91 %", _tell_test, _tests_at_least(0.91), data="mnist"),
    System(
        "mnist-deep",
        "002",
        "test 99.2 %",
        _tell_test,
        _tests_at_least(0.992),
        data="mnist",
        short_steps=20,
        short_parameters={"units": 64},
    ),
    System(
        "hvass-cnn",
        "003",
        "validation 98.8 % at step 4800, stop at 5801, test 98.3 %",
        _tell_hvass,
        _tests_at_least(0.983),
        data="mnist",
        short_steps=300,
    ),
    System(
        "softmax-beginners",
        "004",
        "test 91.28 %, cross-entropy 3089.6",
        _tell_entropy,
        _tests_at_least(0.91),
        data="mnist",
    ),
    *(
        System(
            f"playground-{shape}",
            "000",
            "the background shows the two colours",
            _tell_boundary,
            lambda got: got.test("loss") < 0.1,
            recipe="playground",
            data=shape,
            parameters=parameters,
        )
        for shape, parameters in (
            ("circle", {}),
            ("xor", {}),
            ("spiral", {"features": "x,y,x2,y2,xy,sinx,siny", "hidden": "8,6"}),
        )
    ),
)
