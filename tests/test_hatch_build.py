"""The build hook asks for Node and builds the dashboard only when its sources changed, and never leaves half of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import hatch_build
from hatch_build import Dashboard, DashboardHook


class FakeDashboard(Dashboard):
    """Writes what npm would have written."""

    def __init__(self, root: Path, *, page: str | None = "new") -> None:
        super().__init__(root)
        self.page = page
        self.calls: list[str] = []

    def npm(self, *arguments: str, is_quiet: bool = False, **variables: str) -> None:
        self.calls.append(arguments[0])
        folder = Path(variables["WEBUI_OUT"]) if "WEBUI_OUT" in variables else self.source / "node_modules"
        folder.mkdir(parents=True, exist_ok=True)
        if "WEBUI_OUT" in variables and self.page is not None:
            (folder / "index.html").write_text(self.page)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "webui" / "src" / "lib").mkdir(parents=True)
    (tmp_path / "tracker").mkdir()
    for name in ("package.json", "package-lock.json", "src/main.ts"):
        (tmp_path / "webui" / name).write_text("{}")
    return tmp_path


def test_a_second_build_finds_nothing_to_do(root: Path) -> None:
    dashboard = FakeDashboard(root)
    assert dashboard.is_stale()
    dashboard.build()
    assert not dashboard.is_stale()
    assert (root / "tracker" / "webui_dist" / "index.html").read_text() == "new"


@pytest.mark.parametrize("name", ["src/main.ts", "src/added.ts", "package-lock.json"])
def test_a_changed_source_is_stale(root: Path, name: str) -> None:
    dashboard = FakeDashboard(root)
    dashboard.build()
    (root / "webui" / name).write_text("changed")
    assert dashboard.is_stale()


@pytest.mark.parametrize("name", ["src/lib/api/schema.d.ts", "node_modules/x/index.js", "test-results/last.json"])
def test_what_a_build_writes_is_no_source(root: Path, name: str) -> None:
    dashboard = FakeDashboard(root)
    dashboard.build()
    path = root / "webui" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed")
    assert not dashboard.is_stale()


def test_a_renamed_source_is_stale(root: Path) -> None:
    dashboard = FakeDashboard(root)
    dashboard.build()
    (root / "webui" / "src" / "main.ts").rename(root / "webui" / "src" / "other.ts")
    assert dashboard.is_stale()


def test_packages_are_installed_once_a_lock(root: Path) -> None:
    dashboard = FakeDashboard(root)
    dashboard.build()
    dashboard.build()
    assert dashboard.calls == ["ci", "run", "run"]


def test_a_build_without_a_page_keeps_the_old_dashboard(root: Path) -> None:
    FakeDashboard(root, page="old").build()
    with pytest.raises(RuntimeError, match=r"no index\.html"):
        FakeDashboard(root, page=None).build()
    assert (root / "tracker" / "webui_dist" / "index.html").read_text() == "old"


def test_the_dashboard_can_be_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_SKIP_WEBUI", "1")
    assert not Dashboard(root).is_stale()


def test_without_sources_there_is_nothing_to_build(tmp_path: Path) -> None:
    assert not Dashboard(tmp_path).is_stale()


def test_node_is_asked_for_only_when_something_is_to_build(root: Path) -> None:
    hook = DashboardHook(str(root), {}, None, None, str(root), "wheel")  # type: ignore[arg-type]
    assert hook.dependencies() == [hatch_build.NODE]
    FakeDashboard(root).build()
    assert hook.dependencies() == []


def test_a_failed_npm_says_how_to_go_on_without(root: Path) -> None:
    with pytest.raises(RuntimeError, match="KEEPBEST_SKIP_WEBUI=1"):
        Dashboard(root).npm("run", "no-such-script")
