"""Runs in archives: which tables they fill, rows as JSON, out of the database and into another."""
