"""The process beside a user's own command: `python -m worker.command <run folder>`."""
