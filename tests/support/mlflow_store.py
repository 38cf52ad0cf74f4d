"""A file store of MLflow as a test writes it: a few small files."""

from __future__ import annotations

from pathlib import Path

META = """artifact_uri: s3://elsewhere/x
end_time: 1700000009000
lifecycle_stage: active
run_name: first
start_time: 1700000000000
status: 3
"""


def write(folder: Path, **files: str) -> None:
    """Write files into a folder; "__" in a name is "/"."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_store(folder: Path) -> Path:
    """Write a store of one experiment with one run, and return its folder."""
    write(folder / "7", **{"meta.yaml": "name: vision/one\nlifecycle_stage: active\n"})
    run = {"meta.yaml": META, "params__lr": "0.1", "tags__team": "red", "tags__mlflow.note.content": "my notes"}
    values = "1700000001000 0.9 0\n1700000002000 nan 1\n1700000003000 -inf 2\n"
    write(folder / "7" / ("a" * 32), **run, metrics__val_loss=values, artifacts__plots__a__txt="hello")
    return folder
