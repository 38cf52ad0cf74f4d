#!/usr/bin/env bash
# A second `SummaryWriter` of tensorboardX in the same folder within a second erases what the first one wrote.
#
# Version:   tensorboardX 2.6.5, Linux.
# Behaviour: a file of events is named by the second, the host and a suffix that is empty, and opened to be written anew.
#            So a writer that is made within the second of another one, in the same process or in another of the machine,
#            empties its file: closed and flushed events are gone, and no message says so. TensorBoard's own writer, and
#            PyTorch's, have the process and a count in the name.
# Output seen on 2026-11-30:
#              2 writers, 100 values written and closed, 1 file, 1 value left
# Expected:  two files, as with a second between them.
# keepbest:  what is erased cannot be imported. Our own writer refuses to write over a file.
#            tests/keepbest/foreign/tensorboard/test_writer.py holds that (test_a_file_that_is_there_is_not_overwritten).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
  tensorboardX==2.6.5 numpy==2.4.6 protobuf==7.36.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event

time.sleep(1.05 - time.time() % 1)  # both in one second
for values in (100, 1):
    writer = SummaryWriter("run")
    for step in range(values):
        writer.add_scalar("loss", 1.0, step)
    writer.close()
files = sorted(Path("run").iterdir())
left = 0
for path in files:
    data = path.read_bytes()
    while data:
        length = int.from_bytes(data[:8], "little")
        left += Event.FromString(data[12 : 12 + length]).HasField("summary")
        data = data[16 + length :]
print(f"2 writers, 100 values written and closed, {len(files)} file, {left} value left")
if (len(files), left) != (1, 1):
    sys.exit("this behaviour has changed")
PYTHON
