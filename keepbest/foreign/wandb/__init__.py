"""Runs that W&B kept offline, read without W&B."""
