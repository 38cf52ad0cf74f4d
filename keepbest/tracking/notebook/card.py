"""A run as a small card of HTML: its state, best, patience and link. Everything in it is escaped."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from keepbest.figures import figure

MAX_TEXT = 200
_BOX = "border:1px solid #8886;border-radius:6px;padding:.5em .8em;max-width:40em;font-family:system-ui,sans-serif"
_CELL = "padding:.1em 1em .1em 0;text-align:left;border:0;background:none"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card shows of a run."""

    id: str
    name: str
    project: str
    state: str
    monitor: str
    step: int
    url: str | None = None
    best_value: float | None = None
    best_step: int | None = None
    patience: str = ""
    message: str = ""


def draw_card(facts: CardFacts) -> str:
    """Return the card; only an http address becomes a link."""
    title = escape(facts.name or facts.id)
    if facts.url is not None and facts.url.startswith(("http://", "https://")):
        title = f'<a href="{escape(facts.url)}" target="_blank" rel="noopener">{title}</a>'
    best = "none yet"
    if facts.best_value is not None and facts.best_step is not None:
        best = f"{figure(facts.best_value)} at step {facts.best_step:,}"
    rows = [("state", facts.state), ("step", f"{facts.step:,}"), (f"best {facts.monitor}", best)]
    rows += [("patience", facts.patience)] if facts.patience else []
    cells = "".join(
        f'<tr><td style="{_CELL}">{_cut(name)}</td><td style="{_CELL}">{_cut(text)}</td></tr>' for name, text in rows
    )
    message = f'<div style="opacity:.75">{_cut(facts.message)}</div>' if facts.message else ""
    where = f"run {facts.id} of {facts.project}" if facts.project else f"run {facts.id}"
    head = f'<b>{title}</b> <span style="opacity:.75">{_cut(where)}</span>'
    return f'<div style="{_BOX}">{head}<table>{cells}</table>{message}</div>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…")
