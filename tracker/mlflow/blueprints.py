"""Every view of MLflow's interface: importing one adds its routes to the blueprint."""

from tracker.mlflow import experiments, metrics, runs, search
from tracker.mlflow.routes import blueprint

__all__ = ["blueprint", "experiments", "metrics", "runs", "search"]
