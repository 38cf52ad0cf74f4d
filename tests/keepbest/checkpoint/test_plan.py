"""Plans: tables of what is in a checkpoint, what a model has, and what goes where."""

from __future__ import annotations

import pytest

from keepbest.checkpoint.plan import RestorePlan, make_plan
from keepbest.errors import CheckpointMismatch, InvalidInput
from keepbest.snapshots.state import VariableSpec

Given = dict[str, tuple[int, ...]]
BASE: Given = {"conv/kernel": (3, 3), "conv/bias": (3,), "dense/kernel": (9, 4), "dense/bias": (4,)}
HEAD: Given = {"conv/kernel": (3, 3), "conv/bias": (3,), "head/kernel": (9, 4), "head/bias": (4,)}


def specs(given: Given, optimizer: str | None = None) -> list[VariableSpec]:
    """Return a model's variables, and an optimizer's with one slot each."""
    model = [VariableSpec("model", i, path, shape, "float32") for i, (path, shape) in enumerate(given.items())]
    if optimizer is None:
        return model
    slots = [("iteration", ()), *((f"{path.replace('/', '_')}_momentum", shape) for path, shape in given.items())]
    return [*model, *(VariableSpec("optimizer", i, f"{optimizer}/{n}", s, "float32") for i, (n, s) in enumerate(slots))]


def told(plan: RestorePlan) -> list[tuple[str, str, str]]:
    return [(row.kind, row.mine.path if row.mine else "-", row.theirs.path if row.theirs else "-") for row in plan.rows]


def plan(mine: Given, theirs: Given, renames: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Return the rows that are not the same under the same name."""
    rows = told(make_plan("c" * 12, specs(mine), specs(theirs), renames))
    return [row for row in rows if row[0] != "same" or row[1] != row[2]]


CHANGES: list[tuple[str, Given, Given, list[tuple[str, str, str]]]] = [
    ("nothing", BASE, BASE, []),
    (
        "Keras' numbers",
        BASE,
        {f"net/{path.replace('dense', 'dense_3')}": shape for path, shape in BASE.items()},
        [("same", path, f"net/{path.replace('dense', 'dense_3')}") for path in BASE],
    ),
    (
        "another name",
        BASE,
        HEAD,
        [("renamed", "dense/kernel", "head/kernel"), ("renamed", "dense/bias", "head/bias")],
    ),
    (
        "another size",
        BASE,
        {**BASE, "dense/kernel": (9, 7), "dense/bias": (7,)},
        [("shape", "dense/kernel", "dense/kernel"), ("shape", "dense/bias", "dense/bias")],
    ),
    ("a layer more", BASE, {**BASE, "extra/kernel": (4, 4)}, [("new", "-", "extra/kernel")]),
    ("a layer less", {**BASE, "extra/kernel": (4, 4)}, BASE, [("missing", "extra/kernel", "-")]),
    (
        "a layer between, and Keras counts on",
        {"dense/kernel": (8, 4), "dense_1/kernel": (4, 2)},
        {"dense/kernel": (8, 4), "dense_1/kernel": (4, 4), "dense_2/kernel": (4, 2)},
        [("same", "dense_1/kernel", "dense_2/kernel"), ("new", "-", "dense_1/kernel")],
    ),
    (
        "equal forms under other names, in order",
        {"a/kernel": (4, 4), "b/kernel": (4, 4)},
        {"c/kernel": (4, 4), "d/kernel": (4, 4)},
        [("renamed", "a/kernel", "c/kernel"), ("renamed", "b/kernel", "d/kernel")],
    ),
    (
        "nothing is guessed where the counts differ",
        {"a/kernel": (4, 4)},
        {"c/kernel": (4, 4), "d/kernel": (4, 4)},
        [("missing", "a/kernel", "-"), ("new", "-", "c/kernel"), ("new", "-", "d/kernel")],
    ),
]


@pytest.mark.parametrize(("mine", "theirs", "rows"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_changed(mine: Given, theirs: Given, rows: list[tuple[str, str, str]]) -> None:
    assert plan(mine, theirs) == rows


def test_where_nothing_differs_places_decide() -> None:
    """Strict loading and the plan must not disagree."""
    twins: Given = {"a": (2,), "b": (2,)}
    made = make_plan("c" * 12, specs(twins), specs({f"net/{name}": shape for name, shape in twins.items()}))
    assert made.is_same
    assert [(row.mine.index, row.theirs.index) for row in made.rows if row.mine and row.theirs] == [(0, 0), (1, 1)]


def test_what_was_asked_for_goes_first() -> None:
    twins: Given = {"a/kernel": (4, 4), "b/kernel": (4, 4)}
    rows = plan(twins, {"c/kernel": (4, 4), "d/kernel": (4, 4)}, {"a": "d"})
    assert rows == [("renamed", "a/kernel", "d/kernel"), ("renamed", "b/kernel", "c/kernel")]
    assert plan(BASE, HEAD, {"dense/kernel": "head/kernel"})[0] == ("renamed", "dense/kernel", "head/kernel")


@pytest.mark.parametrize(
    ("renames", "hint"),
    [({"dens": "head"}, "dense"), ({"dense": "hed"}, "head"), ({"dense/ker": "head/kernel"}, "kernel")],
)
def test_a_name_that_is_nowhere(renames: dict[str, str], hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(BASE, HEAD, renames)
    assert hint in str(caught.value.hint)


def test_a_slot_goes_with_its_variable() -> None:
    theirs = {**HEAD, "conv/bias": (5,)}
    made = make_plan("c" * 12, specs(BASE, "adam"), specs(theirs, "adam_1"), {"dense": "head"})
    rows = [row for row in told(made) if "/" in (row[1] + row[2]) and "adam" in row[1] + row[2]]
    assert rows == [
        ("same", "adam/iteration", "adam_1/iteration"),
        ("same", "adam/conv_kernel_momentum", "adam_1/conv_kernel_momentum"),
        ("missing", "adam/conv_bias_momentum", "-"),
        ("renamed", "adam/dense_kernel_momentum", "adam_1/head_kernel_momentum"),
        ("renamed", "adam/dense_bias_momentum", "adam_1/head_bias_momentum"),
        ("new", "-", "adam_1/conv_bias_momentum"),
    ]


def test_another_optimizer_takes_nothing() -> None:
    made = make_plan("c" * 12, specs(BASE, "adam"), specs(HEAD, "sgd"))
    assert {row.kind for row in made.rows if (row.mine or row.theirs).collection == "optimizer"} == {"missing", "new"}  # type: ignore[union-attr]


def test_a_model_without_an_optimizer_takes_the_network() -> None:
    assert make_plan("c" * 12, specs(BASE, "adam"), specs(BASE)).is_same


def test_strict_names_differences_and_takes_what_was_asked() -> None:
    changed = make_plan("c" * 12, specs(BASE, "adam"), specs(HEAD, "adam"))
    changed.check(partial=True)
    with pytest.raises(CheckpointMismatch, match="4 variables differ") as caught:
        changed.check(partial=False)
    for name in ("dense/kernel", "head/bias", "dense_kernel_momentum", "head_bias_momentum"):
        assert name in caught.value.message
    make_plan("c" * 12, specs(BASE, "adam"), specs(HEAD, "adam"), {"dense": "head"}).check(partial=False)
    wider = {**HEAD, "head/bias": (5,)}
    with pytest.raises(CheckpointMismatch, match="shape: model/dense/bias"):
        make_plan("c" * 12, specs(BASE), specs(wider), {"dense": "head"}).check(partial=False)
