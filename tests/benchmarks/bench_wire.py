"""Bytes on the wire as a browser gets them, packed and plain: the first page, a run's page, a page of 50 runs.

Run with `python -m tests.benchmarks.bench_wire`; it needs the dashboard (`make dashboard`).
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import urllib3

from tests.benchmarks.bench_curves import fill
from tests.benchmarks.bench_tracker import Server

TAKES = "gzip, deflate, br, zstd"
KEYS = ["loss", "val_loss", "accuracy", "val_accuracy"]


def count(server: Server, addresses: list[str], takes: str) -> int:
    """Return the bytes of the bodies of these answers."""
    token = (server.folder / "admin-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": takes}
    url = f"http://127.0.0.1:{server.port}"
    with urllib3.PoolManager() as pool:
        answers = [
            pool.request("GET", url + address, headers=headers, decode_content=False, preload_content=False)
            for address in addresses
        ]
        return sum(len(answer.read(decode_content=False)) for answer in answers)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            link = server.connect()
            run = [fill(link, KEYS, 2000) for _ in range(50)][-1]
            page = urllib3.request("GET", f"http://127.0.0.1:{server.port}/").data.decode()
            api = f"/api/v1/runs/{run}"
            parts = ("", "/segments", "/checkpoints", "/receipts", "/commands", "/validations", "/metrics")
            pages = {
                "the first page: document, script, style": ["/", *re.findall(r'"(/assets/[^"]+\.(?:js|css))"', page)],
                "a run's data, 4 curves of 2,000 points": [
                    *(api + part for part in parts), *(f"{api}/curve?key={key}" for key in KEYS)
                ],
                "a page of 50 runs": ["/api/v1/runs?limit=50"],
            }  # fmt: skip
            for name, addresses in pages.items():
                plain, packed = count(server, addresses, "identity"), count(server, addresses, TAKES)
                print(f"{name}: {plain:,} bytes plain, {packed:,} packed, {plain / packed:.1f} x")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
