"""Shared by several verbs: options, output, errors."""
