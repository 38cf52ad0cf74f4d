"""Runs that a script reports by single requests, as MLflow's client does: no lease, no batches, no order of time."""
