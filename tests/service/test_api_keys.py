"""Tests of API keys and of requests that are signed with them."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service

from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed

SECRET_KEY = "/auth/v1/secretKey"
PROFILE = f"{REPO}/userProfile"
CONFIGURED = base64.b64encode(b"a key that the settings have").decode()


@pytest.fixture
def keyed(tmp_path, recording):
    """A service of the test, with the user eve, who has an API key in the settings."""
    users = (*DEFAULT_USERS, UserSeed(user_name="eve", api_key=CONFIGURED, email="Eve@x.org"))
    with start_service(tmp_path, recording, users=users) as rest_service:
        yield rest_service


def signature_headers(service, user, secret_key, path, *, skew=0):
    """Return the headers of a signed request, computed as the contract describes."""
    moment = service.clock.now + timedelta(minutes=skew)
    timestamp = f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    text = f"{user}{path}{timestamp}".encode()
    digest = hmac.new(base64.b64decode(secret_key), text, hashlib.sha1).digest()
    return {
        "userId": user,
        "signatureTimestamp": timestamp,
        "signature": base64.b64encode(digest).decode(),
    }


def send(service, path, headers, method="GET", **more):
    url = service.base_url + path
    return service.session.request(method, url, headers=headers, timeout=30, **more)


def test_the_first_request_creates_the_key_and_later_ones_return_it(keyed):
    bob = Author(keyed, "bob")
    key = ok(bob.get(SECRET_KEY))["secretKey"]
    assert len(base64.b64decode(key, validate=True)) == 64
    assert ok(bob.get(SECRET_KEY))["secretKey"] == key
    assert ok(Author(keyed, "carol").get(SECRET_KEY))["secretKey"] != key


@pytest.mark.parametrize("user", ["eve", "EVE", "eve@x.org"])
def test_signed_requests_act_as_the_user(keyed, user):
    headers = signature_headers(keyed, user, CONFIGURED, PROFILE)
    assert ok(send(keyed, PROFILE, headers))["userName"] == "eve"
    assert ok(send(keyed, f"{PROFILE}?a=b%20c", headers))["userName"] == "eve"


def test_signed_requests_have_all_scopes(keyed):
    headers = signature_headers(keyed, "eve", CONFIGURED, f"{REPO}/entity")
    body = {"concreteType": "org.sagebionetworks.repo.model.Project", "name": "signed"}
    project = ok(send(keyed, f"{REPO}/entity", headers, "POST", json=body))
    path = f"{REPO}/entity/{project['id']}"
    headers = signature_headers(keyed, "eve", CONFIGURED, path)
    assert send(keyed, path, headers, "DELETE").ok
    headers = signature_headers(keyed, "eve", CONFIGURED, SECRET_KEY)
    assert ok(send(keyed, SECRET_KEY, headers))["secretKey"] == CONFIGURED


def test_the_path_is_signed_as_it_is_sent(keyed):
    path = f"{REPO}/evaluation/name/two%20words"
    assert_error(send(keyed, path, signature_headers(keyed, "eve", CONFIGURED, path)), 404)
    decoded = path.replace("%20", " ")
    headers = signature_headers(keyed, "eve", CONFIGURED, decoded)
    assert_error(send(keyed, path, headers), 401, "Invalid digital signature")


@pytest.mark.parametrize("user", ["eve", "bob", "nobody", ""])
def test_invalid_signature_is_rejected(keyed, user):
    wrong = base64.b64encode(b"another key").decode()
    headers = signature_headers(keyed, user, wrong, PROFILE)
    response = send(keyed, PROFILE, headers)
    assert_error(response, 401, "Invalid digital signature")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    del headers["signature"]
    if user:
        assert_error(send(keyed, PROFILE, headers), 401, "Invalid digital signature")


def test_signature_of_another_path_or_user_is_rejected(keyed):
    headers = signature_headers(keyed, "eve", CONFIGURED, PROFILE)
    assert_error(send(keyed, f"{PROFILE}/1", headers), 401, "Invalid digital signature")
    assert_error(send(keyed, PROFILE, headers | {"userId": "bob"}), 401, "digital signature")


@pytest.mark.parametrize(
    ("skew", "accepted"), [(-30, True), (30, True), (-32, False), (32, False)]
)
def test_the_timestamp_may_differ_by_31_minutes(keyed, skew, accepted):
    response = send(
        keyed, PROFILE, signature_headers(keyed, "eve", CONFIGURED, PROFILE, skew=skew)
    )
    if accepted:
        ok(response)
    else:
        assert_error(response, 401, "is out of date")


@pytest.mark.parametrize("timestamp", ["", "yesterday", "2026-13-45T00:00:00.000Z"])
def test_invalid_timestamp_is_rejected(keyed, timestamp):
    headers = signature_headers(keyed, "eve", CONFIGURED, PROFILE)
    headers["signatureTimestamp"] = timestamp
    assert_error(send(keyed, PROFILE, headers), 401, f"Timestamp in request, {timestamp}")


def test_invalidated_key_is_rejected_also_after_a_restart(tmp_path):
    users = (*DEFAULT_USERS, UserSeed(user_name="eve", api_key=CONFIGURED))
    for invalidates in (True, False):
        with start_service(tmp_path, users=users) as service:
            if invalidates:
                assert Author(service, "eve").delete(SECRET_KEY).status_code == 204
            headers = signature_headers(service, "eve", CONFIGURED, PROFILE)
            assert_error(send(service, PROFILE, headers), 401)
            new = ok(Author(service, "eve").get(SECRET_KEY))["secretKey"]
            assert new != CONFIGURED
            assert ok(send(service, PROFILE, signature_headers(service, "eve", new, PROFILE)))
    changed = base64.b64encode(b"a new key in the settings").decode()
    users = (*DEFAULT_USERS, UserSeed(user_name="eve", api_key=changed))
    with start_service(tmp_path, users=users) as service:
        headers = signature_headers(service, "eve", changed, PROFILE)
        assert ok(send(service, PROFILE, headers))["userName"] == "eve"


def test_invalidating_without_a_key_changes_nothing(keyed):
    assert Author(keyed, "bob").delete(SECRET_KEY).status_code == 204


def test_key_requires_a_user_with_the_scopes(keyed):
    assert_error(Author(keyed, None).get(SECRET_KEY), 401)
    token = Author(keyed, "bob").post("/auth/v1/personalAccessToken", {"name": "all"}).json()
    limited = Author(keyed, "bob", token["token"])
    assert_error(limited.get(SECRET_KEY), 403, "authorize")
    assert_error(limited.delete(SECRET_KEY), 403, "authorize")
