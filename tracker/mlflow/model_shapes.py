"""Models as MLflow's clients read them: logged ones, registered ones and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keepbest.query.terms import Field
from tracker.db import Connection
from tracker.mlflow.shapes import Document, milliseconds, show_tags
from tracker.store.registry import models, versions
from tracker.store.registry.models import ModelRow
from tracker.store.reported.experiments import id_of

#: The tag that tells prompts, which keepbest has none of, from models.
_IS_PROMPT = "mlflow.prompt.is_prompt"


def uri_of_model(row: ModelRow) -> str:
    """Return where the files of a logged model are."""
    return f"mlflow-artifacts:/{id_of(row.project_pk, row.project)}/models/{row.id}/artifacts"


def show_logged(row: ModelRow) -> Document:
    """Return a logged model."""
    info: Document = {
        "model_id": row.id,
        "experiment_id": id_of(row.project_pk, row.project),
        "name": row.name,
        "creation_timestamp_ms": milliseconds(row.created_at),
        "last_updated_timestamp_ms": milliseconds(row.updated_at),
        "artifact_uri": uri_of_model(row),
        "status": row.status,
        "model_type": row.model_type,
        "source_run_id": row.run if row.is_of_run else "",
        "tags": show_tags(row.tags),
    }
    return {"info": info, "data": {"params": show_tags(row.parameters)}}


def show_versions(conn: Connection, rows: Sequence[ModelRow]) -> list[Document]:
    """Return versions of registered models, each with its aliases."""
    known = models.read_aliases(conn, list({row.model_pk for row in rows}))
    return [_show_version(row, known.get(row.model_pk, {})) for row in rows]


def show_registered(conn: Connection, rows: Sequence[ModelRow]) -> list[Document]:
    """Return registered models with their aliases and the newest version of each stage."""
    pks = [row.pk for row in rows]
    aliases, latest = models.read_aliases(conn, pks), versions.list_latest(conn, pks)
    return [_show_registered(conn, row, aliases.get(row.pk, {}), latest.get(row.pk, [])) for row in rows]


def values_of(row: Mapping[str, Any], tags: Mapping[str, Any], parameters: Mapping[str, Any], field: Field) -> Any:
    """Return what a filter compares: an attribute, a tag or a parameter of a model; None where there is none."""
    if field.kind == "tag":
        return tags.get(field.name, "false" if field.name == _IS_PROMPT else None)
    if field.kind == "parameter":
        return parameters.get(field.name)
    return tags.get("mlflow.note.content") if field.name == "notes" else row.get(field.name)


def _show_version(row: ModelRow, aliases: Mapping[str, int]) -> Document:
    shown: Document = {
        "name": row.name,
        "version": str(row.version),
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
        "user_id": row.user,
        "current_stage": row.stage,
        "description": row.description or "",
        "source": row.source,
        "run_id": row.run or "",
        "run_link": row.run_link or "",
        "status": "READY",
        "tags": show_tags(row.tags),
        "aliases": sorted(alias for alias, version in aliases.items() if version == row.version),
    }
    return {**shown, "model_id": row.logged_model} if row.logged_model else shown


def _show_registered(
    conn: Connection, row: ModelRow, aliases: Mapping[str, int], latest: Sequence[ModelRow]
) -> Document:
    return {
        "name": row.name,
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
        "description": row.description or "",
        "latest_versions": [_show_version(version, aliases) for version in latest],
        "tags": show_tags(row.tags),
        "aliases": [{"alias": alias, "version": str(version)} for alias, version in sorted(aliases.items())],
    }
