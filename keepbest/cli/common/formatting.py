"""Formats values for people. Text of users goes through `clean` before it reaches a terminal."""

from __future__ import annotations

import re
from datetime import datetime

from keepbest.contract.overrides import Overrides
from keepbest.contract.rules import ProjectRules
from keepbest.contract.runs import ExternalSource, Run
from keepbest.contract.selections import Selection
from keepbest.figures import duration, figure
from keepbest.stopping import render

#: Control characters, C1 included (a terminal obeys 0x9b), marks that turn the direction of text, line separators.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNSAFE_IN_TEXT = re.compile(_UNSAFE.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))
#: Escape sequences that move the cursor or set colours; logs are printed without them.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def clean(text: object) -> str:
    """Return `text` on one line, with every character that could steer a terminal escaped."""
    return _UNSAFE.sub(_shown, str(text))


def clean_text(text: str) -> str:
    """Return text of several lines, escaped as by `clean`; line ends and tabs stay."""
    return _UNSAFE_IN_TEXT.sub(_shown, text)


def clean_log(text: str) -> str:
    """Return a program's output as a terminal would leave it, escaped, without colours and earlier progress bars."""
    plain = _ESCAPES.sub("", text).replace("\b", "")
    return clean_text("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")))


def number(value: float | None) -> str:
    """Return a metric's value in a few digits, or a dash; --json has them all."""
    return "-" if value is None else figure(value)


def whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def counted(count: int, noun: str) -> str:
    """Return how many there are of what has a plural in s.

    >>> counted(1, "checkpoint"), counted(1200, "run")
    ('1 checkpoint', '1,200 runs')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def at_step(value: float | None, step: int | None) -> str:
    """`0.9712 @ 3,100`, or a dash."""
    return "-" if value is None or step is None else f"{number(value)} @ {step:,}"


def age(moment: datetime | None, now: datetime) -> str:
    return "-" if moment is None else duration((now - moment).total_seconds())


def say_selection(made: Selection | None) -> str:
    """Return `0.9812 by greedy_soup(k=3): the average of steps 300, 500 gives 0.9812`, or an empty text for None."""
    if made is None:
        return ""
    count = len(made.trials)
    spent = f" ({count} average{'s' if count > 1 else ''} tried)" if count else ""
    return f"{number(made.value)} by {render(made.selector.model_dump())}: {clean(made.message)}{spent}"


def say_rules(rules: ProjectRules) -> str:
    """Return a project's rules in a line each, and who set them when."""
    lines = []
    if rules.stopper is not None:
        lines.append(f"stopper of runs without one: {render(rules.stopper.model_dump())}")
    if rules.median is not None:
        rule = rules.median
        lines.append(
            f"stop a run worse than the median ({rule.form}) of {rule.startup_runs} finished runs or more,"
            f" from step {rule.start_from:,} on"
        )
    if rules.max_steps is not None:
        lines.append(f"stop every run at step {rules.max_steps:,}")
    if rules.max_seconds is not None:
        lines.append(f"stop every run after {duration(rules.max_seconds)}")
    set_by = [f"set by {clean(rules.set_by)} at {rules.set_at:%Y-%m-%d %H:%M} UTC"] if rules.set_by else []
    return "\n".join([*(lines or [f"No rules in {clean(rules.project)}."]), *set_by])


def changes(overrides: Overrides | None) -> str:
    """Return `learning rate 0.1x, up to 20,000 steps, patience anew`, or an empty text without changes."""
    if overrides is None:
        return ""
    words = [
        f"learning rate {overrides.learning_rate}" if overrides.learning_rate else "",
        f"up to {overrides.max_steps:,} steps" if overrides.max_steps else "",
        "patience anew" if overrides.reset_patience else "",
    ]
    return ", ".join(word for word in words if word)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def failed_attempts(run: Run) -> str:
    """Return `1 of 3`, or an empty text without failures. A script's run has no limit of attempts."""
    if not run.failed_attempts:
        return ""
    limit = "" if isinstance(run.spec.source, ExternalSource) else f" of {run.spec.max_attempts}"
    return f"{run.failed_attempts}{limit}"
