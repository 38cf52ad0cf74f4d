"""Verbs that keep files with runs and fetch them."""
