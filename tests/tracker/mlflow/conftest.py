"""A client of MLflow's routes."""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.mlflow import Mlflow


@pytest.fixture
def mlflow(api: Api) -> Mlflow:
    return Mlflow(api)
