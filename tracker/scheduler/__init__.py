"""The one process of a database that runs the periodic jobs: `python -m tracker.scheduler`."""
