"""Logged models, and the registry: names of models, with numbered versions, each with its files in a run."""
