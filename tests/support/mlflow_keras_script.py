"""What `mlflow.tensorflow.autolog` and `mlflow.keras.MlflowCallback` 3.17.2 were recorded sending, by the real client.

Keras itself is not in that environment: a callback of a name or two stands for it. It prints a line of JSON with what
the client read back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import ViewType

keras: Any = ModuleType("keras")
keras.callbacks = SimpleNamespace(Callback=object)
sys.modules["keras"] = keras
sys.path.append(str(Path(__file__).parents[2]))
from keepbest.mlflow import StopWhenTold  # noqa: E402

client = mlflow.MlflowClient()
EPOCHS = [(0.50, 0.9), (0.60, 0.8), (0.61, 0.82), (0.62, 0.84), (0.63, 0.86)]


def log_epoch(epoch: int, accuracy: float, loss: float) -> None:
    """Report an epoch as both do: the epoch's values, then those of its evaluation, always at step 0."""
    own = {"accuracy": accuracy, "loss": loss / 2, "val_accuracy": accuracy - 0.1, "val_loss": loss}
    mlflow.log_metrics({"validation_accuracy": accuracy - 0.1, "validation_loss": loss}, step=0, synchronous=False)
    mlflow.log_metrics(own, step=epoch, synchronous=False)


def train(callback: Any) -> int:
    """Report epochs until the callback stops the training; return how many there were."""
    model = callback.model = SimpleNamespace(stop_training=False)
    callback.on_train_begin()
    for epoch, (accuracy, loss) in enumerate(EPOCHS):
        log_epoch(epoch, accuracy, loss)
        callback.on_epoch_end(epoch)
        if model.stop_training:
            return epoch + 1
    return len(EPOCHS)


mlflow.set_experiment("keras")
with mlflow.start_run(run_name="callback", tags={"keepbest.stopper": "patience(2)"}) as first:
    mlflow.log_params({f"optimizer_{name}": None for name in ("name", "learning_rate", "clipnorm", "ema_momentum")})
    mlflow.log_text("Model: sequential", "model_summary.txt")
    told = StopWhenTold()
    epochs = train(told)

mlflow.set_experiment("keras")  # as a second script does
with mlflow.start_run(run_name="autolog") as second:
    mlflow.log_params({"validation_split": 0.2, "epochs": 5, "batch_size": 32, "shuffle": True})
    stopping = {"monitor": "val_loss", "min_delta": 0, "patience": 1, "baseline": None, "restore_best_weights": True}
    mlflow.log_params(stopping)
    data = mlflow.data.from_numpy(np.zeros((4, 3)), targets=np.zeros(4))
    mlflow.log_input(data, context="train")
    mlflow.log_params({"opt_name": "adam", "opt_learning_rate": 0.001})
    mlflow.log_text("Model: sequential", "model_summary.txt")
    for epoch, (accuracy, loss) in enumerate(EPOCHS):
        log_epoch(epoch, accuracy, loss)
        if epoch < 2:  # a best
            mlflow.set_tag("mlflow.latest_checkpoint_artifact", "checkpoints/latest_checkpoint.h5")
            mlflow.log_dict({"val_loss": loss, "epoch": epoch}, "checkpoints/latest_checkpoint_metrics.json")
            Path("latest_checkpoint.h5").write_bytes(bytes([epoch]) * 1000)
            mlflow.log_artifact("latest_checkpoint.h5", "checkpoints")
    mlflow.flush_async_logging()
    mlflow.log_metrics({"restored_epoch": 1, "stopped_epoch": 2}, step=0)
    Path("events.out.tfevents.1").write_bytes(b"\0" * 100)
    mlflow.log_artifact("events.out.tfevents.1", "tensorboard_logs/train")

ids = [first.info.run_id, second.info.run_id]
experiment = mlflow.get_experiment_by_name("keras").experiment_id
checkpoint = Path(client.download_artifacts(ids[1], "checkpoints/latest_checkpoint.h5"))
client.delete_run(ids[1])
deleted = [run.info.run_id for run in client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)]
client.restore_run(ids[1])
found = client.search_runs([experiment], "metrics.val_loss < 0.87 and params.patience = '1'")
print(
    json.dumps(
        {
            "ids": ids,
            "epochs": epochs,
            "told": told.told,
            "statuses": [client.get_run(id).info.status for id in ids],
            "histories": [
                len(client.get_metric_history(ids[0], key)) for key in ("val_loss", "validation_loss", "loss")
            ],
            "steps": [point.step for point in client.get_metric_history(ids[1], "val_loss")],
            "checkpoint": sorted(set(checkpoint.read_bytes())),
            "files": sorted(info.path for info in client.list_artifacts(ids[1], "checkpoints")),
            "top": sorted(info.path for info in client.list_artifacts(ids[1])),
            "dataset": [used.dataset.name for used in client.get_run(ids[1]).inputs.dataset_inputs],
            "deleted": deleted,
            "found": [run.info.run_id for run in found],
            "ordered": [
                run.info.run_name for run in client.search_runs([experiment], order_by=["metrics.accuracy ASC"])
            ],
            "listed": len(mlflow.search_runs([experiment])),
        }
    )
)
