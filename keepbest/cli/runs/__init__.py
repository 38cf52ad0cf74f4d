"""Verbs about runs: submit, list, watch, command, replay, report."""
