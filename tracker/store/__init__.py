"""What the service knows, one noun a file.

Every function takes an open Core `Connection` named `conn` first (`db.read` or `db.write`; it never commits), and
`now` where time matters. The classes of `tracker.models` serve as tables: `select(Run)` on a `Connection` yields
rows with one attribute a column. A run goes about as such a row with the name of its `project`
(`runs.get_run`); what leaves the store for the wire is a shape of `keepbest.contract`.

Who changes a run on Postgres locks its row first (`runs.get_run(..., lock=True)`); SQLite has one writer anyway.
"""
