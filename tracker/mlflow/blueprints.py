"""Every view of MLflow's interface: importing one adds its routes to the blueprint."""

from tracker.mlflow import artifacts, experiments, metrics, runs, search
from tracker.mlflow.routes import blueprint

__all__ = ["artifacts", "blueprint", "experiments", "metrics", "runs", "search"]
