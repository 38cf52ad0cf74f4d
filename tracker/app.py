"""Builds the Flask application from settings, an engine and a clock: every route, each with its access."""

from __future__ import annotations

from flask import Blueprint, Flask, Response

from tracker.api import (
    access,
    actions,
    aliases,
    archives,
    artifacts,
    batches,
    bundles,
    checkpoints,
    commands,
    comparisons,
    compression,
    curves,
    dashboard,
    events,
    failures,
    imports,
    jumps,
    leases,
    logs,
    metrics,
    openapi,
    panels,
    points,
    projects,
    proxies,
    replays,
    reports,
    rules,
    runs,
    shares,
    signin,
    storage,
    sweeps,
    users,
    validations,
    views,
    workers,
)
from tracker.api.envelope import EXTENSION, Clock, Service, utc_now
from tracker.api.principals import Attempts, Principals
from tracker.db import Engine
from tracker.mlflow import blueprints as mlflow
from tracker.services.event_hub import Hub
from tracker.settings import TrackerSettings

API = "/api/v1"
#: Every blueprint of the API. A new noun needs a line here and its rows in `access.ACCESS`.
BLUEPRINTS: tuple[Blueprint, ...] = (
    signin.blueprint,
    users.blueprint,
    shares.blueprint,
    projects.blueprint,
    rules.blueprint,
    views.blueprint,
    aliases.blueprint,
    runs.blueprint,
    actions.blueprint,
    validations.blueprint,
    replays.blueprint,
    reports.blueprint,
    sweeps.blueprint,
    metrics.blueprint,
    curves.blueprint,
    points.blueprint,
    comparisons.blueprint,
    logs.blueprint,
    panels.blueprint,
    checkpoints.blueprint,
    artifacts.blueprint,
    archives.blueprint,
    storage.blueprint,
    jumps.blueprint,
    commands.blueprint,
    bundles.blueprint,
    leases.blueprint,
    batches.blueprint,
    imports.blueprint,
    workers.blueprint,
    events.blueprint,
    openapi.blueprint,
)


def create_app(settings: TrackerSettings, engine: Engine, clock: Clock = utc_now) -> Flask:
    """Return the application; raises KeepbestError when a route has no row in `access.ACCESS`."""
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    hub = Hub(engine, settings.streams)
    app.extensions[EXTENSION] = Service(settings, engine, clock, Principals(engine), Attempts(), hub)
    failures.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=API)
    app.register_blueprint(mlflow.blueprint)
    app.register_blueprint(dashboard.blueprint)
    access.register(app)
    app.after_request(_forbid_sniffing)
    compression.register(app)
    app.wsgi_app = proxies.trust_proxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign,assignment]
    return app


def _forbid_sniffing(response: Response) -> Response:
    """Have browsers trust the content type that an answer names, and guess no other."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
