"""`import tf-checkpoint`: takes checkpoints of other programs over into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from keepbest.cli.checkpoints.fresh_process import need_tensorflow
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import hushed, print_json, say, warn
from keepbest.figures import size
from keepbest.settings import load
from keepbest.tf1.saver import import_saver

Prefix = Annotated[
    Path, typer.Argument(help="The Saver's path, such as model-1000, or a folder for its newest checkpoint.")
]


def import_tf_checkpoint(
    prefix: Prefix,
    to: Annotated[Path | None, typer.Option(help="The checkpoint store (default: KEEPBEST_STORE).")] = None,
    run: Annotated[str | None, typer.Option(help="Id of the run to file it under (default: a new one).")] = None,
    step: Annotated[int | None, typer.Option(min=0, help="Its step (default: global_step, else the name's).")] = None,
    value: Annotated[float | None, typer.Option(help="Its measured value; with --mode.")] = None,
    mode: Annotated[Literal["min", "max"] | None, typer.Option(help="Which way the value gets better.")] = None,
    monitor: Annotated[str | None, typer.Option(help="The metric of the value.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take over a checkpoint of tf.train.Saver, every variable with its digest."""
    need_tensorflow("Reading a TensorFlow checkpoint", "import it where it does and copy the store")
    store = to or load().store
    with hushed():
        written = import_saver(prefix, store, run=run, step=step, value=value, mode=mode, monitor=monitor)
    manifest = written.manifest
    if as_json:
        print_json({"run": manifest.run, "checkpoint": manifest.id, "step": manifest.step, "digest": written.digest})
        return
    count = len(manifest.variables)
    say(f"Run {manifest.run}, step {manifest.step:,}: {count} variables, {size(manifest.size_bytes)}, in {store}")
    warn(f"Back into a graph: keepbest.Session(sess, mode=…, run={manifest.run!r}, store={str(store)!r}).restore()")
