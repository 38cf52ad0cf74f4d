"""The last step of a run: the errors and hints where nothing would be trained before it."""

from __future__ import annotations

from keepbest.errors import Conflict, InvalidInput
from keepbest.status import StopReason
from tracker.store.runs import RunRow


def need_steps(run: RunRow, steps_at_most: int) -> Conflict:
    """Return the error for a resume of a run that has reached its last step."""
    return Conflict(
        f"Run {run.id} has reached its limit of {steps_at_most:,} steps: nothing would be trained.",
        field="max_steps",
        hint=f"Give it a higher limit: --max-steps {2 * steps_at_most}",
    )


def need_more(step: int, max_steps: int) -> InvalidInput:
    """Return the error for a limit of steps that is not after the step where training begins."""
    message = f"Training begins at step {step:,}, so that max_steps must be more than that, but got {max_steps:,}."
    return InvalidInput(message, field="max_steps", hint=f"For example --max-steps {2 * step}")


def suggest_resume(run: RunRow) -> str:
    """Return the command that resumes an ended run, with a higher limit where the run reached its last step."""
    last = run.max_steps or run.spec["max_steps"]
    is_through = run.stop_reason == StopReason.MAX_STEPS and last
    return f"keepbest resume {run.id}" + (f" --max-steps {2 * last}" if is_through else "")
