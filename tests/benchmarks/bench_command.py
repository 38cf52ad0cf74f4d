"""What `import keepbest` and `keepbest ls` cost, each in a fresh process, beside the start of Python itself.

Run with `python -m tests.benchmarks.bench_command`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keepbest.client.client import Client
from tests.support.environment import clean_environment
from tests.support.network import free_port
from tests.support.processes import PATIENCE, ROOT, Process, wait_until

ROUNDS = 15
PEERS = "TensorBoardX 130 ms, import mlflow 1650 ms (another day, the same kind of machine)"


def milliseconds(*command: str, **variables: str) -> float:
    """Return the median time of a process from its start to its end."""
    environment = clean_environment(PYTHONPATH=str(ROOT), **variables)
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True, timeout=PATIENCE)
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took)


def main() -> None:
    print(f"Goals: import keepbest at most 50 ms, keepbest ls at most 250 ms. Peers: {PEERS}")
    bare = milliseconds("-c", "pass")
    print(f"  python itself    {bare:6.0f} ms")
    print(f"  import keepbest  {milliseconds('-c', 'import keepbest') - bare:6.0f} ms beside it")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        variables = {"KEEPBEST_DIR": folder, "KEEPBEST_PORT": str(port), "KEEPBEST_URL": f"http://127.0.0.1:{port}"}
        command = [sys.executable, "-m", "tracker.server"]
        server = Process(command, output=Path(folder) / "log", folder=ROOT, variables=variables)
        try:
            wait_until((Path(folder) / "admin-token").exists)
            with Client(variables["KEEPBEST_URL"], "", retries=100) as client:
                client.health()
            print(f"  keepbest ls      {milliseconds('-m', 'keepbest.cli.main', 'ls', **variables):6.0f} ms")
        finally:
            server.popen.terminate()
            server.popen.wait(10)


if __name__ == "__main__":
    main()
