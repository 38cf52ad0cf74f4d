"""The process that trains one run: `python -m worker.trainer <run folder>`."""
