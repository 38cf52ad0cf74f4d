"""Settings: read once, typed, each with its line of help."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.errors import InvalidInput
from tracker.settings import SETTINGS, TrackerSettings, describe


def test_defaults_stand_in_the_folder(tmp_path: Path) -> None:
    settings = TrackerSettings.load({}, dir=tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/tracker.db"
    assert settings.store == str(tmp_path / "store")
    assert (settings.host, settings.port) == ("127.0.0.1", 7766)


def test_the_environment_is_read_and_what_is_given_wins() -> None:
    environ = {
        "KEEPBEST_PORT": " 80 ",
        "KEEPBEST_SECURE_COOKIE": "Yes",
        "KEEPBEST_LEASE_SECONDS": "2.5",
        "KEEPBEST_HOST": "",
    }
    settings = TrackerSettings.load(environ, port=None, threads=3)
    assert (settings.port, settings.secure_cookie, settings.lease_seconds, settings.threads) == (80, True, 2.5, 3)
    assert settings.host == "127.0.0.1"
    assert TrackerSettings.load(environ, port=81).port == 81


@pytest.mark.parametrize(
    ("variable", "value"),
    [("KEEPBEST_PORT", "http"), ("KEEPBEST_LEASE_SECONDS", "soon"), ("KEEPBEST_SECURE_COOKIE", "maybe")],
)
def test_a_wrong_value_is_named_by_its_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=variable) as raised:
        TrackerSettings.load({variable: value})
    assert raised.value.field == variable


def test_every_setting_is_described_once() -> None:
    lines = list(describe())
    assert [line.split()[0] for line in lines] == [row.variable for row in SETTINGS]
    assert all(row.help for row in SETTINGS)


def test_a_password_is_never_printed() -> None:
    settings = TrackerSettings.load({"KEEPBEST_DATABASE_URL": "postgresql+psycopg://ada:geheim@host/db"})
    assert "geheim" not in repr(settings)
