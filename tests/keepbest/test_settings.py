"""Settings: what wins over what, and what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from keepbest import settings
from keepbest.errors import InvalidInput


def test_defaults(tmp_path: Path) -> None:
    found = settings.load({"KEEPBEST_DIR": str(tmp_path)})
    assert found.url == "http://127.0.0.1:7766"
    assert found.token is None
    assert (found.dir, found.store) == (tmp_path, tmp_path / "store")
    assert found.snapshot_memory == "25%"
    assert (found.project, found.mode, found.run_id, found.data) == ("default", "online", None, None)


def test_the_environment_wins_over_the_login(tmp_path: Path) -> None:
    settings.save_login(tmp_path, url="http://team.example:7766/", token="kb_login")
    given = {"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_TOKEN": "kb_environment"}
    found = settings.load(given)
    assert (found.url, found.token) == ("http://team.example:7766", "kb_environment")
    assert settings.load({"KEEPBEST_DIR": str(tmp_path)}).token == "kb_login"
    assert settings.load({**given, "KEEPBEST_URL": "http://other.example"}).url == "http://other.example"


def test_beside_a_running_service_nobody_signs_in(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("http://127.0.0.1:9001\n")
    (tmp_path / "admin-token").write_text("kb_admin\n")
    found = settings.load({}, folder=tmp_path)
    assert (found.url, found.token) == ("http://127.0.0.1:9001", "kb_admin")


@pytest.mark.parametrize("url", ["http://team.example:7766", "https://127.0.0.1.evil.example", "http://10.0.0.1:7766"])
def test_a_kept_token_is_given_to_no_other_tracker(tmp_path: Path, url: str) -> None:
    (tmp_path / "admin-token").write_text("kb_admin\n")
    assert settings.load({}, folder=tmp_path).token == "kb_admin"
    assert settings.load({"KEEPBEST_URL": url}, folder=tmp_path).token is None
    settings.save_login(tmp_path, url="http://other.example", token="kb_login")
    assert settings.load({"KEEPBEST_URL": url}, folder=tmp_path).token is None
    assert settings.load({}, folder=tmp_path, url=url).token is None
    assert settings.load({}, folder=tmp_path, url="http://other.example/").token == "kb_login"


def test_the_token_is_private(tmp_path: Path) -> None:
    path = settings.save_login(tmp_path / "new", url="http://127.0.0.1:1", token='k"b\\')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settings.load({}, folder=tmp_path / "new").token == 'k"b\\'
    assert 'k"b' not in repr(settings.load({}, folder=tmp_path / "new"))
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_logging_in_again_keeps_what_else_was_configured(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('project = "digits"\ntoken = "old"\n')
    settings.save_login(tmp_path, url="http://127.0.0.1:1", token="new")
    found = settings.load({}, folder=tmp_path)
    assert (found.project, found.token) == ("digits", "new")


@pytest.mark.parametrize(
    "url", ["tracker:7766", "ftp://x", "http://", "http://u:p@x", "http://x?token=1", "http://x:0", "http://x:99999"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        settings.load({"KEEPBEST_URL": url})
    assert caught.value.field == "KEEPBEST_URL"


def test_an_unknown_mode() -> None:
    with pytest.raises(InvalidInput, match="online, offline or disabled, but got 'of'"):
        settings.load({"KEEPBEST_MODE": "of"})


@pytest.mark.parametrize("damage", [b"url = ", b"\xff\xfe"])
def test_a_damaged_config_names_the_file(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(damage)
    with pytest.raises(InvalidInput, match=r"config\.toml cannot be read"):
        settings.load({}, folder=tmp_path)


def test_empty_variables_count_as_unset(tmp_path: Path) -> None:
    given = {setting.name: "" for setting in settings.SETTINGS}
    found = settings.load(given, folder=tmp_path)
    assert (found.url, found.mode) == (settings.DEFAULT_URL, "online")


def test_a_worker_hands_its_token_only_for_its_own_tracker(tmp_path: Path) -> None:
    handed = tmp_path / "handed.json"
    handed.write_text('{"url": "http://team.example", "token": "kb_worker"}')
    (tmp_path / "admin-token").write_text("kb_admin\n")
    given = {"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_ASSIGNMENT": str(handed), "KEEPBEST_URL": "http://team.example"}
    assert settings.load(given).token == "kb_worker"
    assert settings.load({**given, "KEEPBEST_TOKEN": "kb_own"}).token == "kb_own"
    assert settings.load({**given, "KEEPBEST_URL": "http://evil.example"}).token is None
    handed.write_text("{")
    assert settings.load(given).token is None


def test_resume_and_tags_come_from_the_environment(tmp_path: Path) -> None:
    found = settings.load({"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_RESUME": "must", "KEEPBEST_TAGS": "a, b c,,"})
    assert (found.resume, found.tags) == ("must", ("a", "b c"))
    with pytest.raises(InvalidInput, match="KEEPBEST_RESUME"):
        settings.load({"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_RESUME": "maybe"})
