#!/usr/bin/env bash
# TensorBoard shows no scalar that is written as float64, unless it is started with `--load_fast=false`.
#
# Version:   tensorboard 2.21.0 with tensorboard-data-server 0.7.2, which is installed and used by default, Linux.
# Behaviour: a scalar may be a tensor of float32 or float64; PyTorch's `add_scalar(…, double_precision=True)` writes the
#            second. The loader in Rust leaves such a metric out, name and all, without a message. The loader in Python
#            shows it.
# Output seen on 2026-11-30:
#              --load_fast=true shows ['single']
#              --load_fast=false shows ['double', 'single']
# Expected:  both metrics from both loaders.
# keepbest:  `import tensorboard` reads both; `export tensorboard` writes float32.
#            tests/keepbest/foreign/tensorboard/test_scalars.py holds that (test_each_tag_has_its_values_in_order),
#            tests/keepbest/foreign/tensorboard/test_writer.py too (test_tensorflow_reads_what_is_written).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
  tensorboard==2.21.0 tensorboard-data-server==0.7.2 numpy==2.4.6 setuptools==80.9.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

writer = EventFileWriter("logs")
metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
for tag, kind in (("double", np.float64), ("single", np.float32)):
    tensor = tensor_util.make_tensor_proto(np.array(0.5, kind))
    value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    writer.add_event(Event(wall_time=time.time(), step=1, summary=Summary(value=[value])))
writer.close()


def show(load_fast):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    board = Path(sys.executable).with_name("tensorboard")
    command = [board, "--logdir", "logs", "--port", str(port), f"--load_fast={load_fast}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scalars/tags") as answer:
                    tags = sorted(tag for run in json.load(answer).values() for tag in run)
            except OSError:
                continue
            if tags:
                return tags
        sys.exit("TensorBoard shows nothing at all")
    finally:
        server.terminate()
        server.wait()


seen = []
for load_fast in ("true", "false"):
    seen.append(show(load_fast))
    print(f"--load_fast={load_fast} shows {seen[-1]}")
if seen != [["single"], ["double", "single"]]:
    sys.exit("this behaviour has changed")
PYTHON
