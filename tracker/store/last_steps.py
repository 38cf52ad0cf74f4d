"""The last step of a run: what is said, and suggested, where nothing would be trained up to it."""

from __future__ import annotations

from keepbest.errors import Conflict, InvalidInput
from keepbest.status import StopReason
from tracker.store.runs import RunRow


def need_steps(run: RunRow, steps_at_most: int) -> Conflict:
    """Return the error that nothing would be trained."""
    return Conflict(
        f"Run {run.id} came to its {steps_at_most} steps: nothing would be trained.",
        field="max_steps",
        hint=f"Say how far it is to go: --max-steps {2 * steps_at_most}",
    )


def need_more(step: int, max_steps: int) -> InvalidInput:
    """Return the error that a new last step is behind the place that training goes on from."""
    message = f"It goes on from step {step}, and is to end at {max_steps}: max_steps must be more than where it begins."
    return InvalidInput(message, field="max_steps", hint=f"For example --max-steps {2 * step}")


def suggest_resume(run: RunRow) -> str:
    """Return the command that has an ended run go on; one that came to its last step needs more of them."""
    last = run.max_steps or run.spec["max_steps"]
    is_through = run.stop_reason == StopReason.MAX_STEPS and last
    return f"keepbest resume {run.id}" + (f" --max-steps {2 * last}" if is_through else "")
