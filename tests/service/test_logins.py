"""Tests of logins with a password."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service

from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed

SESSION = "/auth/v1/session"
PASSWORD = "pass wörd"
USERS = (*DEFAULT_USERS, UserSeed(user_name="Eve", password=PASSWORD, email="Eve@x.org"))


@pytest.fixture
def service(tmp_path, recording):
    """A service of the test, with the user eve, who has a password."""
    with start_service(tmp_path, recording, users=USERS) as rest_service:
        yield rest_service


def log_in(service, email="eve", password=PASSWORD, caller=None):
    return (caller or Author(service, None)).post(SESSION, {"email": email, "password": password})


@pytest.mark.parametrize("email", ["Eve", "eve", "eve@x.org", "EVE@X.ORG"])
def test_login_returns_a_token_for_all_purposes(service, email):
    response = log_in(service, email)
    assert response.status_code == 201
    session = response.json()
    assert session["acceptsTermsOfUse"] is True
    eve = Author(service, "Eve", session["sessionToken"])
    assert ok(eve.get(f"{REPO}/userProfile"))["userName"] == "Eve"
    assert ok(eve.get("/auth/v1/secretKey"))["secretKey"]
    assert eve.new_project()["id"]
    profile = service.session.get(
        f"{service.base_url}{REPO}/userProfile",
        headers={"sessionToken": session["sessionToken"]},
        timeout=30,
    )
    assert ok(profile)["userName"] == "Eve"


@pytest.mark.parametrize(
    ("email", "password"),
    [("eve", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD), ("public", PASSWORD)],
)
def test_wrong_password_and_unknown_user_return_the_same_error(service, email, password):
    response = log_in(service, email, password)
    body = assert_error(response, 401, "username/password combination is incorrect")
    assert password not in str(body)


@pytest.mark.parametrize(
    "body", [{}, {"email": "eve"}, {"password": "x"}, {"email": "", "password": ""}]
)
def test_login_requires_both_fields(service, body):
    assert_error(Author(service, None).post(SESSION, body), 400, "is required")


def test_login_ignores_the_credentials_of_the_request(service):
    assert log_in(service, caller=Author(service, None, "an.invalid.token")).ok


def test_session_token_expires_after_a_day(service):
    token = log_in(service).json()["sessionToken"]
    eve = Author(service, "Eve", token)
    service.clock.advance(24 * 60 * 60 - 1)
    ok(eve.get(f"{REPO}/userProfile"))
    service.clock.advance(1)
    assert_error(eve.get(f"{REPO}/userProfile"), 401, "Invalid access token")
    ok(log_in(service))


def test_session_token_can_be_revoked(service):
    eve, other = (Author(service, "Eve", log_in(service).json()["sessionToken"]) for _ in "ab")
    assert eve.delete("/auth/v1/sessionAccessToken").ok
    assert_error(eve.get(f"{REPO}/userProfile"), 401)
    assert ok(other.get("/auth/v1/personalAccessToken"))["results"][0]["name"] == "local service"


def test_password_is_the_one_in_the_settings_and_is_not_stored(tmp_path):
    changed = (*DEFAULT_USERS, UserSeed(user_name="Eve", password="changed"))
    removed = (*DEFAULT_USERS, UserSeed(user_name="Eve"))
    for users, accepted in ((USERS, PASSWORD), (changed, "changed"), (removed, None)):
        with start_service(tmp_path, users=users) as service:
            for password in (PASSWORD, "changed"):
                assert log_in(service, password=password).ok is (password == accepted)
    for path in tmp_path.iterdir():
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()
