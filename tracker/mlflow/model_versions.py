"""Versions of registered models: made from a model that is there, described, tagged, staged, found, deleted."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote, urlsplit

from keepbest.errors import InvalidInput, NotFound
from keepbest.query import mlflow_models
from keepbest.query.mlflow_grammar import MAX_FILTER
from keepbest.query.terms import And, Condition, Term
from tracker.api.access import principal
from tracker.api.envelope import now
from tracker.db import Connection
from tracker.mlflow.experiments import read_tags
from tracker.mlflow.fields import Fields
from tracker.mlflow.model_pages import read_page
from tracker.mlflow.model_shapes import show_versions, uri_of_model, values_of
from tracker.mlflow.places import find_place
from tracker.mlflow.registered_models import MAX_DESCRIPTION, MAX_TAG, read_version
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.shapes import Document, milliseconds
from tracker.store.registry import logged_models, versions
from tracker.store.registry import tags as model_tags
from tracker.store.registry.models import ModelRow
from tracker.store.registry.versions import NewVersion

MAX_SOURCE = 5000
MAX_PAGE, USUAL_PAGE = 10_000, 1000
_ORDERS = ("name", "version_number", "creation_timestamp", "last_updated_timestamp")
#: Schemes under which the files may lie elsewhere; a client reads them there itself.
_ELSEWHERE = ("http", "https", "s3", "gs", "wasbs", "abfss", "hdfs", "dbfs", "ftp", "sftp", "r2", "b2", "oci")


@mlflow_route("POST", "/model-versions/create")
def create_model_version(conn: Connection, fields: Fields) -> Document:
    """Make the next version of a registered model."""
    new = NewVersion(
        source=fields.text("source", most=MAX_SOURCE),
        location="",
        description=fields.optional("description", most=MAX_DESCRIPTION),
        tags=read_tags(fields, most=MAX_TAG),
        run=fields.optional("run_id", most=256) or None,
        run_link=fields.optional("run_link", most=MAX_SOURCE),
        logged_model=fields.optional("model_id", most=40) or None,
        holder_pk=None,
    )
    row = versions.add_version(conn, fields.text("name"), _locate(conn, new), user=principal().user, now=now())
    return _show(conn, row)


@mlflow_route("GET", "/model-versions/get")
def get_model_version(conn: Connection, fields: Fields) -> Document:
    """Show a version."""
    return _show(conn, versions.get_version(conn, fields.text("name"), read_version(fields)))


@mlflow_route("GET", "/model-versions/get-download-uri")
def get_model_version_download_uri(conn: Connection, fields: Fields) -> Document:
    """Say where the files of a version are."""
    return {"artifact_uri": versions.get_version(conn, fields.text("name"), read_version(fields)).location}


@mlflow_route("PATCH", "/model-versions/update")
def update_model_version(conn: Connection, fields: Fields) -> Document:
    """Describe a version."""
    description = fields.optional("description", most=MAX_DESCRIPTION)
    changes = {} if description is None else {"description": description}
    return _show(conn, versions.change_version(conn, fields.text("name"), read_version(fields), now(), **changes))


@mlflow_route("POST", "/model-versions/transition-stage")
def transition_model_version_stage(conn: Connection, fields: Fields) -> Document:
    """Put a version into a stage."""
    given = fields.text("stage", most=100)
    stage = next((stage for stage in versions.STAGES if stage.lower() == given.lower()), None)
    if stage is None:
        raise InvalidInput(f"Invalid Model Version stage: {given}. It must be one of {', '.join(versions.STAGES)}.")
    archives = fields.given.get("archive_existing_versions") in (True, "true")
    if archives and stage not in ("Staging", "Production"):
        raise InvalidInput(f"Versions in stage {stage} are not archived.", field="archive_existing_versions")
    name, version, user = fields.text("name"), read_version(fields), principal().user
    return _show(conn, versions.move_to_stage(conn, name, version, stage, archives=archives, user=user, now=now()))


@mlflow_route("DELETE", "/model-versions/delete")
def delete_model_version(conn: Connection, fields: Fields) -> Document:
    """Delete a version; its files stay with their run."""
    versions.delete_version(conn, fields.text("name"), read_version(fields), user=principal().user, now=now())
    return {}


@mlflow_route("GET", "/model-versions/search", lists=("order_by",))
def search_model_versions(conn: Connection, fields: Fields) -> Document:
    """Find versions of registered models, the newest first unless the request says otherwise."""
    term = mlflow_models.parse(fields.optional("filter", most=MAX_FILTER) or "", mlflow_models.VERSIONS)
    orders = [mlflow_models.parse_order(text, _ORDERS) for text in fields.texts("order_by", most=10)]
    pairs = [
        (values, row)
        for row in versions.list_versions(conn, _find_name(term))
        if mlflow_models.fits(term, _values(values := _attributes(row), row))
    ]
    page, token = read_page(pairs, orders, fields, "model-versions", usual=USUAL_PAGE, most=MAX_PAGE)
    shown: Document = {"model_versions": show_versions(conn, page)}
    return {**shown, "next_page_token": token} if token else shown


@mlflow_route("POST", "/model-versions/set-tag")
def set_model_version_tag(conn: Connection, fields: Fields) -> Document:
    """Set a tag of a version."""
    row = versions.get_version(conn, fields.text("name"), read_version(fields), lock=True)
    tag = {fields.key(): fields.optional("value", most=MAX_TAG) or ""}
    versions.change_version(conn, row.name, row.version, now(), tags=model_tags.join(row.tags, tag))
    return {}


@mlflow_route("DELETE", "/model-versions/delete-tag")
def delete_model_version_tag(conn: Connection, fields: Fields) -> Document:
    """Take a tag from a version."""
    row = versions.get_version(conn, fields.text("name"), read_version(fields), lock=True)
    versions.change_version(conn, row.name, row.version, now(), tags=model_tags.without(row.tags, fields.key()))
    return {}


def _locate(conn: Connection, new: NewVersion) -> NewVersion:
    """Return a version with the place of its files; raises InvalidInput for a source that is none."""
    source = new.source
    parts = urlsplit(source)
    steps = unquote(unquote(source)).split("/")
    if ".." in steps or "\\" in source or parts.scheme == "file" or not parts.scheme:
        raise _refuse(source)
    if parts.scheme == "models":
        return _locate_model(conn, new, source.removeprefix("models:").strip("/"))
    if parts.scheme == "mlflow-artifacts" and not parts.netloc:
        try:
            place = find_place(conn, parts.path)
        except NotFound as error:
            raise _refuse(source) from error
        return replace(new, location=source, holder_pk=place.run.pk, run=new.run or place.run.id)
    if parts.scheme not in (*_ELSEWHERE, "mlflow-artifacts"):
        raise _refuse(source)
    return replace(new, location=source)


def _locate_model(conn: Connection, new: NewVersion, name: str) -> NewVersion:
    """Return a version of a logged model, `models:/m-…`, or of another version, `models:/clf/3`."""
    try:
        if "/" not in name:
            model = logged_models.get_model(conn, name)
            run = new.run or (model.run if model.is_of_run else None)
            return replace(new, logged_model=model.id, run=run, location=uri_of_model(model), holder_pk=model.run_pk)
        other, _, version = name.partition("/")
        other_version = versions.get_version(
            conn, other, int(version) if version.isdigit() and len(version) < 10 else 0
        )
    except NotFound as error:
        raise _refuse(new.source) from error
    run, model_id = new.run or other_version.run, new.logged_model or other_version.logged_model
    return replace(
        new, location=other_version.location, holder_pk=other_version.holder_pk, run=run, logged_model=model_id
    )


def _refuse(source: str) -> InvalidInput:
    hint = "A version is of a logged model, models:/m-…, or of files of a run, runs:/… by its client."
    return InvalidInput(f"Invalid model version source: '{source[:500]}'.", field="source", hint=hint)


def _show(conn: Connection, row: ModelRow) -> Document:
    return {"model_version": show_versions(conn, [row])[0]}


def _find_name(term: Term | None) -> str | None:
    """Return the one name that a filter asks for, so that only its versions are read."""
    parts = term.parts if isinstance(term, And) else (term,)
    for part in parts:
        if isinstance(part, Condition) and (part.field.kind, part.field.name, part.operator) == ("column", "name", "="):
            return str(part.values[0])
    return None


def _attributes(row: ModelRow) -> Document:
    return {
        "name": row.name,
        "version_number": row.version,
        "version": row.version,
        "run_id": row.run or "",
        "source_path": row.source,
        "source": row.source,
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
    }


def _values(values: Document, row: ModelRow) -> mlflow_models.ValueOf:
    return lambda field: values_of(values, row.tags, {}, field)
