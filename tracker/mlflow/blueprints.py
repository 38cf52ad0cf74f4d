"""Every view of MLflow's interface: importing one adds its routes to the blueprint."""

from tracker.mlflow import (
    artifacts,
    experiments,
    logged_models,
    metrics,
    model_versions,
    registered_models,
    runs,
    search,
)
from tracker.mlflow.routes import blueprint

__all__ = [
    "artifacts",
    "blueprint",
    "experiments",
    "logged_models",
    "metrics",
    "model_versions",
    "registered_models",
    "runs",
    "search",
]
