"""Reads and writes the database, one file for each noun.

Every function takes an open Core `Connection` named `conn` first (from `db.read` or `db.write`) and never commits; it
takes `now` where time matters. The classes of `tracker.models` serve as tables: `select(RunTable)` on a `Connection`
yields rows with an attribute for each column. Functions pass a run around as such a row, with the name of its
`project` (`runs.get_run`), and return models of `keepbest.contract` to the API.

Before a change to a run, lock its row (`runs.get_run(..., lock=True)`): Postgres has many writers, SQLite only one.
"""
