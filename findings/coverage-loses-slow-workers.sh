#!/usr/bin/env bash
# What a worker of pytest-xdist reached is lost without a word where the worker needs more than 10 seconds to end.
#
# Version:   coverage 7.17.5, pytest 9.2.0, pytest-xdist 3.8.0, Linux.
# Behaviour: coverage's documented way to measure processes (`patch = subprocess`) has each worker save its data as it
#            exits. pytest-xdist kills a worker that has not exited 10 seconds after the last test. Suites that import
#            large libraries take that long on a busy machine. Tests pass, the status is 0, and lines that tests
#            reached count as missed.
# Output seen on 2026-11-30:
#              a worker that ends at once: 1 passed, 100%
#              a worker that ends in 15 s: 1 passed, 0%
# Expected:  100% both times, or a message.
# keepbest:  `make coverage` has each worker save its data when its last test has ended.
#            tests/test_support.py::test_a_killed_worker_has_saved_what_it_measured holds that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check coverage==7.17.5 pytest==9.2.0 pytest-xdist==3.8.0
mkdir "$folder/project"
cd "$folder/project"
printf 'def double(number):\n    doubled = number + number\n    return doubled\n' >product.py
cat >product_test.py <<'PYTHON'
import atexit
import os
import time

from product import double


def test():
    atexit.register(time.sleep, float(os.environ["SECONDS_TO_END"]))
    assert double(2) == 4
PYTHON
printf '[run]\nsource = .\npatch = subprocess\n' >.coveragerc

measure() {
  rm -f .coverage
  local passed share
  passed=$(SECONDS_TO_END=$1 "$python" -m coverage run -m pytest -n 1 2>/dev/null | grep -o '[0-9]* passed')
  "$python" -m coverage combine -q
  share=$("$python" -m coverage report --include=product.py | awk '/^TOTAL/ { print $NF }')
  echo "$passed, $share"
}

soon=$(measure 0)
late=$(measure 15)
echo "a worker that ends at once: $soon"
echo "a worker that ends in 15 s: $late"
[ "$soon" = "1 passed, 100%" ] && [ "$late" = "1 passed, 0%" ] || { echo "this behaviour has changed" >&2; exit 1; }
