"""Tests of the terms of use."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service

from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed

TERMS = "/auth/v1/termsOfUse2"
USERS = (*DEFAULT_USERS, UserSeed(user_name="eve", password="pw", accepts_terms_of_use=False))


@pytest.fixture
def service(tmp_path, recording):
    """A service of the test, with the user eve, who has not agreed to the terms of use."""
    with start_service(tmp_path, recording, users=USERS) as rest_service:
        yield rest_service


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{REPO}/userProfile"),
        ("GET", f"{REPO}/entity/syn4489"),
        ("POST", f"{REPO}/entity"),
        ("GET", "/file/v1/fileHandle/1"),
        ("GET", "/auth/v1/secretKey"),
        ("DELETE", "/auth/v1/secretKey"),
    ],
)
def test_user_who_has_not_agreed_is_rejected(service, method, path):
    eve = Author(service, "eve")
    body = {} if method == "POST" else None
    assert_error(eve.request(method, path, body), 403, "Terms of use have not been signed.")


def test_login_and_token_paths_stay_open(service):
    eve = Author(service, "eve")
    ok(eve.get("/auth/v1/personalAccessToken"))
    ok(eve.get(f"{TERMS}/info"))
    session = ok(eve.post("/auth/v1/session", {"email": "eve", "password": "pw"}))
    assert session["acceptsTermsOfUse"] is False
    assert_error(Author(service, "eve", session["sessionToken"]).get(f"{REPO}/userProfile"), 403)


def test_agreement_opens_the_service_and_survives_a_restart(tmp_path):
    with start_service(tmp_path, users=USERS) as service:
        eve, token = Author(service, "eve"), service.tokens["eve"]
        status = ok(eve.get(f"{TERMS}/status"))
        assert status == {
            "userId": status["userId"],
            "userCurrentTermsOfServiceState": "MUST_AGREE_NOW",
        }
        version = ok(eve.get(f"{TERMS}/info"))["latestTermsOfServiceVersion"]
        body = {"accessToken": token, "termsOfServiceVersion": version}
        assert Author(service, None).post(TERMS, body).status_code == 204
        ok(eve.get(f"{REPO}/userProfile"))
        status = ok(eve.get(f"{TERMS}/status"))
        assert status["userCurrentTermsOfServiceState"] == "UP_TO_DATE"
        assert status["lastAgreementVersion"] == version
        assert status["lastAgreementDate"] == "2026-03-04T05:06:07.890Z"
    with start_service(tmp_path, users=USERS) as service:
        ok(Author(service, "eve").get(f"{REPO}/userProfile"))


def test_other_users_have_agreed_and_anonymous_is_exempt(service):
    status = ok(Author(service, "bob").get(f"{TERMS}/status"))
    assert status["userCurrentTermsOfServiceState"] == "UP_TO_DATE"
    ok(Author(service, None).get(f"{REPO}/userProfile"))
    assert_error(Author(service, None).get(f"{TERMS}/status"), 401)


def test_agreement_needs_a_valid_token_and_version(service):
    eve = Author(service, "eve")
    assert_error(eve.post(TERMS, {}), 400, "accessToken is required")
    assert_error(eve.post(TERMS, {"accessToken": "x.y.z"}), 401)
    body = {"accessToken": service.tokens["eve"], "termsOfServiceVersion": "newest"}
    assert_error(eve.post(TERMS, body), 400, "semantic version")
    assert_error(eve.get(f"{REPO}/userProfile"), 403)
    assert eve.post(TERMS, {"accessToken": service.tokens["eve"]}).status_code == 204
    assert ok(eve.get(f"{TERMS}/status"))["lastAgreementVersion"] == "0.0.0"
