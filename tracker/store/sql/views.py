"""The views that a question may read, in SQLite's SQL, over the tables of the database or of an archive."""

from __future__ import annotations

#: Name -> SELECT. A view of a table's name hides the table.
VIEWS: dict[str, str] = {
    "runs": """
        SELECT r.id, p.name AS project, r.number, r.name, r.state, r.stop_reason, r.created_by, r.created_at,
          r.started_at, r.ended_at, (julianday(r.ended_at) - julianday(r.started_at)) * 86400 AS seconds, r.monitor,
          r.mode, r.recipe, r."commit", r.forked_from, r.worker_name AS worker, r.step, r.validations, r.best_value,
          r.best_step, r.last_value, r.best_checkpoint, r.tags, r.notes
        FROM main.runs r JOIN main.projects p ON p.pk = r.project_pk WHERE r.deleted_at IS NULL""",
    "params": """
        SELECT r.id AS run, j."key" AS "key", j.value, j.type
        FROM main.runs r, json_each(r.spec, '$.parameters') j WHERE r.deleted_at IS NULL""",
    "metrics": """
        SELECT r.id AS run, m."key", m.count, m.last_value, m.last_step, m.min_value, m.min_step, m.max_value,
          m.max_step, m.best_value, m.best_step
        FROM main.metric_summaries m JOIN main.runs r ON r.pk = m.run_pk WHERE r.deleted_at IS NULL""",
    "points": """
        SELECT r.id AS run, c."key", c.segment, point_step(c.pk, n.i) AS step, point_value(c.pk, n.i) AS value,
          point_time(c.pk, n.i) AS time
        FROM main.runs r CROSS JOIN main.metric_chunks c ON c.run_pk = r.pk CROSS JOIN temp.numbers n ON n.i < c.count
        WHERE r.deleted_at IS NULL""",
    "validations": """
        SELECT r.id AS run, v.segment, v.step, v.epoch, v.value, v.n, v.seconds,
          json_extract(v.decision, '$.stop') AS stop, json_extract(v.decision, '$.improved') AS improved,
          json_extract(v.decision, '$.wait') AS wait, json_extract(v.decision, '$.reason') AS reason,
          json_extract(v.decision, '$.message') AS message, v.is_withdrawn, v.metrics, v.decision, v.checkpoint, v.at
        FROM main.validations v JOIN main.runs r ON r.pk = v.run_pk WHERE r.deleted_at IS NULL AND NOT v.withdraws""",
    "checkpoints": """
        SELECT c.id, r.id AS run, c.segment, c.step, c.kind, c.value, c.n, c.state, c.is_pinned,
          c.id = r.best_checkpoint AS is_best, c.digest, c.size_bytes, c.at
        FROM main.checkpoints c JOIN main.runs r ON r.pk = c.run_pk WHERE r.deleted_at IS NULL""",
    "events": "SELECT e.seq, e.at, e.kind, e.project, e.run, e.data FROM main.events e",
}
#: The tables beneath the views.
TABLES = ("projects", "runs", "metric_summaries", "metric_chunks", "validations", "checkpoints", "events")
#: What the view `points` counts by.
NUMBERS = "numbers"
