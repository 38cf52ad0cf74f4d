"""Users and tokens, on both databases."""

from __future__ import annotations

from keepbest.contract.access import UserRequest
from keepbest.status import Role
from tests.support.api import Api


def test_roles_cannot_be_raised(api: Api) -> None:
    assert api.fail("POST", "/tokens", {"name": "up", "role": "admin"}, role=Role.MEMBER)[0] == 422
    api.token(Role.ADMIN)
    assert api.fail("POST", "/tokens", {"name": "up", "user": "a admin"}, role=Role.MEMBER)[0] == 403
    weak = api.post("/tokens", {"name": "weak", "role": "viewer"}, role=Role.ADMIN)["secret"]
    bearer = {"Authorization": f"Bearer {weak}"}
    assert api.fail("POST", "/tokens", {"name": "up", "role": "admin"}, role=None, headers=bearer)[0] == 422


def test_the_last_admin_stays(api: Api) -> None:
    assert api.fail("PATCH", "/users/a admin", {"role": "viewer"}, role=Role.ADMIN)[0] == 409
    assert api.fail("DELETE", "/users/a admin", role=Role.ADMIN)[0] == 409
    api.post("/users", UserRequest(name="second", role=Role.ADMIN).model_dump(mode="json"), role=Role.ADMIN)
    assert api.call("PATCH", "/users/a admin", {"role": "viewer"}, role=Role.ADMIN).status_code == 200
    assert api.get("/me", role=Role.ADMIN)["role"] == "viewer"


def test_secrets_are_kept_as_digests_and_changes_are_audited(api: Api) -> None:
    made = api.post("/tokens", {"name": "ci"}, role=Role.ADMIN)
    listed = api.get("/tokens", role=Role.ADMIN)["tokens"]
    assert {token["secret"] for token in listed} == {None}
    entries = api.get("/audit", role=Role.ADMIN)["entries"]
    assert [(entry["action"], entry["target"]) for entry in entries] == [("token.create", made["id"])]
    assert made["secret"] not in str(entries)
    assert api.get("/audit?limit=1", role=Role.ADMIN)["cursor"] is not None


def test_hostile_names_are_refused(api: Api) -> None:
    for name in ("", " x", "<script>", "a\nb", "x" * 101, "\u202eevil", "a;b"):
        assert api.fail("POST", "/users", {"name": name}, role=Role.ADMIN)[0] == 422
    assert api.fail("PATCH", "/users/nobody%27%20OR%201=1", {"role": "admin"}, role=Role.ADMIN)[0] == 404
