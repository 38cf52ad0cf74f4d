"""docker-compose.yml and the Dockerfile against the code, as no Docker engine is needed to run the tests."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.compose import SECRETS, interpolate, raw, services
from tests.support.processes import ROOT
from tests.support.settings import variables
from tests.test_packaging import EXTRAS
from tracker.settings import TrackerSettings
from worker import settings as worker_settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
FILE = raw()
SERVICES = services(SECRETS)
OURS = ("migrate", "tracker", "scheduler", "worker")
USING_DATABASE = ("migrate", "tracker", "scheduler")


def environment(name: str) -> dict[str, str]:
    return dict(SERVICES[name].get("environment", {}))


def mounts(name: str) -> dict[str, str]:
    return dict(row.split(":") for row in SERVICES[name].get("volumes", []))


def health_address(name: str) -> str:
    found = re.search(r"urlopen\('([^']+)'", " ".join(SERVICES[name]["healthcheck"]["test"]))
    assert found
    return found[1]


def test_the_services_are_the_documented_ones() -> None:
    assert set(SERVICES) == {"postgres", *OURS}
    page = (ROOT / "docs" / "howto" / "team.md").read_text()
    assert [name for name in SERVICES if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", list(SECRETS))
def test_a_missing_secret_is_named_and_has_no_default(name: str) -> None:
    others = {other: value for other, value in SECRETS.items() if other != name}
    with pytest.raises(KeyError, match=rf"{name}: make one with `openssl rand -hex 24`"):
        services(others)


def test_no_secret_is_written_down() -> None:
    written = [
        (service, key)
        for service, part in FILE["services"].items()
        for key, value in (part.get("environment") or {}).items()
        if re.search("PASSWORD|TOKEN|SECRET|DATABASE_URL", key) and not re.search(r"\$\{\w+:\?", value)
    ]
    assert written == []


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_that_the_code_reads(name: str) -> None:
    assert set(environment(name)) <= variables()


def test_every_variable_of_the_image_is_one_that_the_code_reads() -> None:
    assert set(re.findall(r"(KEEPBEST_\w+)=", DOCKERFILE)) <= variables()


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_a_module_of_ours(name: str) -> None:
    python, flag, module, *_ = SERVICES[name]["command"]
    assert (python, flag) == ("python", "-m")
    spec = find_spec(module)
    assert spec is not None
    if spec.submodule_search_locations:
        spec = find_spec(f"{module}.__main__")
    assert spec is not None
    assert spec.origin is not None
    assert str(ROOT) in spec.origin


def test_every_port_is_the_trackers() -> None:
    port = TrackerSettings().port
    published, inside = SERVICES["tracker"]["ports"][0].rsplit(":", 1)
    assert int(inside) == port
    assert published == f"127.0.0.1:{port}", "published on loopback unless somebody asks for more"
    assert re.findall(r"(?m)^EXPOSE (\d+)$", DOCKERFILE) == [str(port)]
    for address in (environment("worker")["KEEPBEST_URL"], health_address("tracker"), health_address("worker")):
        assert urlsplit(address).port == port


def test_services_call_each_other_by_their_names() -> None:
    assert urlsplit(environment("worker")["KEEPBEST_URL"]).hostname == "tracker"
    assert urlsplit(health_address("worker")).hostname == "tracker"
    assert {urlsplit(environment(name)["KEEPBEST_DATABASE_URL"]).hostname for name in USING_DATABASE} == {"postgres"}


def test_the_health_check_asks_a_route_that_is_there() -> None:
    document = json.loads((ROOT / "webui" / "openapi.json").read_text())
    assert urlsplit(health_address("tracker")).path in document["paths"]


def test_the_database_is_the_one_that_postgres_makes() -> None:
    made, address = environment("postgres"), urlsplit(environment("tracker")["KEEPBEST_DATABASE_URL"])
    assert (address.username, address.password) == (made["POSTGRES_USER"], made["POSTGRES_PASSWORD"])
    assert address.path == f"/{made['POSTGRES_DB']}"
    assert f"--username={made['POSTGRES_USER']}" in SERVICES["postgres"]["healthcheck"]["test"]


def test_the_worker_has_the_token_that_the_tracker_accepts() -> None:
    assert environment("worker")["KEEPBEST_TOKEN"] == environment("tracker")["KEEPBEST_WORKER_TOKEN"]


def test_the_services_wait_for_the_schema_and_for_health() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in SERVICES[other], f"{name} waits for ever"
    for name in ("tracker", "scheduler"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_everything_that_lasts_lies_on_a_volume() -> None:
    named = {volume for name in SERVICES for volume in mounts(name)}
    assert named == set(FILE["volumes"])
    assert {mounts(name)["store"] for name in ("tracker", "scheduler", "worker")} == {"/store"}
    made = re.findall(r"install -d .*keepbest ((?:/\w+ ?)+)", DOCKERFILE)[0].split()
    assert {place for name in OURS for place in mounts(name).values()} <= set(made)


def test_there_is_one_scheduler_and_any_number_of_workers() -> None:
    assert SERVICES["scheduler"]["deploy"]["replicas"] == 1
    assert "container_name" not in SERVICES["worker"]
    assert "ports" not in SERVICES["worker"], "two workers could not have the same port"


def test_a_worker_has_time_to_hand_back_its_runs() -> None:
    grace = next(row for row in worker_settings.SETTINGS if row.name == "KEEPBEST_WORKER_GRACE_SECONDS")
    minutes = re.fullmatch(r"(\d+)m", SERVICES["worker"]["stop_grace_period"])
    assert minutes
    assert int(minutes[1]) * 60 > int(grace.default)


@pytest.mark.parametrize("name", OURS)
def test_no_service_is_stronger_than_it_must_be(name: str) -> None:
    service: dict[str, Any] = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.findall(r"(?m)^USER (\w+)$", DOCKERFILE) == ["keepbest"]


def test_the_image_is_built_from_what_is_there() -> None:
    extras = re.findall(r"--extra (\w+)", DOCKERFILE)
    assert set(extras) == {"train", "postgres"} <= set(EXTRAS)
    kept = [row[1:] for row in (ROOT / ".dockerignore").read_text().splitlines() if row.startswith("!")]
    assert [name for name in kept if not (ROOT / name).exists()] == []
    assert {"pyproject.toml", "constraints.txt", "hatch_build.py", "README.md", "LICENSE"} <= set(kept)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a${X}b", "a1b"), ("${X:-2}", "1"), ("${Y:-2}", "2"), ("${X:?no}", "1"), ("${Y}", ""), ("$5", "$5")],
)
def test_variables_are_filled_in_as_compose_does(text: str, expected: str) -> None:
    assert interpolate(text, {"X": "1"}) == expected
