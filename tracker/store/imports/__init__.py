"""Runs of other tools, imported: found again by their source, filled in order of arrival, judged in the shadow."""
