"""The schema's history, one revision a file. `python -m tracker.db upgrade` runs it, from a checkout or a wheel."""
