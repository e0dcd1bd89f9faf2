"""Passwords, API keys and session tokens against services that do or do not support them."""

import base64
import json
import logging

import pytest
from support.tracebacks import format_traceback

from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseForbiddenError,
    SynapseLockedError,
    SynapseServerError,
    SynapseUnauthorizedError,
)
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

REPO = "https://repo.example.org/repo/v1"
AUTH = "https://repo.example.org/auth/v1"
PASSWORD = 'hush "pässwörd"'
SECRET_KEY = base64.b64encode(b"hush key").decode()
ROUTE_REASON = (
    "POST /auth/v1/session was not found. Please reference API documentation at "
    "https://rest-docs.synapse.org/rest/"
)


def paths(http) -> list[str]:
    return [f"{call.request.method} {call.request.path_url}" for call in http.calls]


@pytest.fixture
def service(http):
    """Function that sets the responses of a service that supports all credentials."""

    def set_up(*, user="alice", number="7", **session):
        session = {"sessionToken": "hush-session", "acceptsTermsOfUse": True} | session
        http.post(f"{AUTH}/session", json=session, status=201)
        http.get(f"{AUTH}/secretKey", json={"secretKey": SECRET_KEY})
        for path in ("userProfile", "userProfile/"):
            http.get(
                f"{REPO}/{path}", json={"ownerId": number, "userName": user, "emails": ["a@x"]}
            )

    return set_up


def test_password_is_exchanged_for_an_api_key(service, http, make):
    service()
    syn = make()
    syn.login("a@x", PASSWORD, silent=True)
    assert (syn.username, syn.credentials.secret) == ("alice", SECRET_KEY)
    assert paths(http) == [
        "POST /auth/v1/session",
        "GET /repo/v1/userProfile",
        "GET /auth/v1/secretKey",
        "GET /repo/v1/userProfile",
    ]
    login, profile, secret, verification = (call.request for call in http.calls)
    assert json.loads(login.body) == {"email": "a@x", "password": PASSWORD}
    assert not {"authorization", "sessiontoken", "signature"} & set(map(str.lower, login.headers))
    assert profile.headers["sessionToken"] == secret.headers["sessionToken"] == "hush-session"
    assert verification.headers["userId"] == "alice"
    assert "sessionToken" not in verification.headers


def test_session_token_is_exchanged_for_an_api_key(service, http, make):
    service()
    syn = make()
    with pytest.warns(DeprecationWarning, match="sessionToken"):
        syn.login("ignored", "ignored", sessionToken="hush-session", authToken="ignored")
    assert syn.credentials.noun == "API key"
    assert paths(http)[:2] == ["GET /repo/v1/userProfile", "GET /auth/v1/secretKey"]


def test_config_file_prefers_the_password_to_the_token(service, http, make, home):
    service()
    (home / ".synapseConfig").write_text(
        f"[default]\nusername=alice\npassword={PASSWORD}\nauthtoken=hush-token\napikey=x\n"
    )
    make().login()
    assert paths(http)[0] == "POST /auth/v1/session"
    assert json.loads(http.calls[0].request.body)["password"] == PASSWORD


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_config_file_falls_back_to_its_token_without_password_support(http, make, home, status):
    http.post(f"{AUTH}/session", status=status, json={"reason": ROUTE_REASON})
    http.get(f"{REPO}/userProfile", json={"ownerId": "7", "userName": "alice"})
    (home / ".synapseConfig").write_text(
        f"[default]\nusername=alice\npassword={PASSWORD}\nauthtoken=hush-token\n"
    )
    syn = make()
    syn.login(silent=True)
    assert syn.credentials.secret == "hush-token"


@pytest.mark.parametrize(
    ("status", "response"),
    [
        (404, {"json": {"reason": ROUTE_REASON}}),
        (404, {"json": {"detail": "Not Found"}}),
        (404, {"body": "<html><body>Not Found</body></html>", "content_type": "text/html"}),
        (404, {"body": ""}),
        (405, {"json": {"reason": "Request method 'POST' is not supported"}}),
        (410, {"json": {"reason": "Use a personal access token"}}),
        (501, {"json": {"reason": "not implemented"}}),
    ],
)
def test_service_without_passwords_names_personal_access_tokens(http, make, status, response):
    http.post(f"{AUTH}/session", status=status, **response)
    with pytest.raises(SynapseAuthenticationError, match="with a password any more") as caught:
        make().login("alice", PASSWORD)
    message = str(caught.value)
    assert f"{status} POST /session" in message
    assert "Create a personal access token" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "The provided username/password combination is incorrect"),
        (403, "The password hush is wrong"),
        (404, "The user alice cannot be found"),
    ],
)
def test_wrong_password(http, make, status, reason):
    http.post(f"{AUTH}/session", status=status, json={"reason": reason})
    with pytest.raises(SynapseAuthenticationError) as caught:
        make().login("alice", "The password hush")
    assert str(caught.value).startswith("Invalid username or password.\n")
    assert "personal access token" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("TWO_FA_REQUIRED", "two-factor"), ("PASSWORD_RESET_VIA_EMAIL_REQUIRED", "has to be reset")],
)
def test_reason_of_a_rejected_password_is_explained(http, make, reason, advice):
    http.post(f"{AUTH}/session", status=401, json={"reason": reason})
    with pytest.raises(SynapseAuthenticationError, match=advice):
        make().login("alice", PASSWORD)


@pytest.mark.parametrize(
    ("status", "error"), [(423, SynapseLockedError), (500, SynapseServerError)]
)
def test_other_errors_of_the_login_are_raised(http, make, status, error):
    http.post(f"{AUTH}/session", status=status, json={"reason": "wait"})
    with pytest.raises(error):
        make(debug=True, silent=True).login("alice", PASSWORD)
    assert len(http.calls) == 1


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_service_without_api_keys_names_personal_access_tokens(service, http, make, status):
    service()
    http.replace("GET", f"{AUTH}/secretKey", status=status, json={"reason": "gone"})
    with pytest.raises(SynapseAuthenticationError, match=f"{status} GET /secretKey") as caught:
        make().login("alice", PASSWORD)
    assert "Create a personal access token" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"email": "alice", "apiKey": SECRET_KEY},
        {"email": "alice", "password": PASSWORD},
        {"sessionToken": "hush-session"},
    ],
)
@pytest.mark.filterwarnings("ignore:sessionToken is deprecated:DeprecationWarning")
def test_service_that_ignores_the_credentials_is_no_success(service, make, arguments):
    """A service without signatures and session tokens serves the anonymous user."""
    service(user="anonymous", number="273950")
    syn = make()
    with pytest.raises(SynapseAuthenticationError, match="ignores it") as caught:
        syn.login(**arguments)
    assert "Create a personal access token" in str(caught.value)
    assert syn.credentials is None


def test_rejected_signature_is_explained(http, make):
    http.get(f"{REPO}/userProfile", status=401, json={"reason": "Invalid digital signature"})
    with pytest.raises(SynapseUnauthorizedError, match="personal access token") as caught:
        make().login("alice", apiKey=SECRET_KEY)
    assert caught.value.__notes__ == ["The API key comes from the argument apiKey."]
    reason = "Timestamp in request, 2026-01-01T00:00:00.000Z, is out of date"
    http.replace("GET", f"{REPO}/userProfile", status=401, json={"reason": reason})
    with pytest.raises(SynapseUnauthorizedError, match="Set the clock of this machine"):
        make().login("alice", apiKey=SECRET_KEY)


def test_api_key_of_another_user_is_rejected(service, make):
    service(user="bob")
    with pytest.raises(SynapseAuthenticationError, match="belongs to bob, not to alice"):
        make().login("alice", apiKey=SECRET_KEY)


def test_terms_of_use_are_named(http, make):
    reason = {"reason": "Terms of use have not been signed."}
    http.get(f"{REPO}/userProfile", status=403, json=reason)
    with pytest.raises(SynapseForbiddenError, match="agree to them") as caught:
        make().login(authToken="hush-token")
    assert "https://www.synapse.org" in str(caught.value)


@pytest.mark.parametrize("status", [204, 404, 405, 410, 501])
def test_invalidate_api_key(syn, http, status):
    http.get(f"{REPO}/userProfile", json={"ownerId": "7", "userName": "alice"})
    http.delete(f"{AUTH}/secretKey", status=status)
    with pytest.warns(DeprecationWarning, match="personal access tokens"):
        assert syn.invalidateAPIKey() is None
    assert paths(http)[-1] == "DELETE /auth/v1/secretKey"


def test_invalidate_api_key_raises_other_errors(syn, http):
    http.get(f"{REPO}/userProfile", json={"ownerId": "7", "userName": "alice"})
    http.delete(f"{AUTH}/secretKey", status=403, json={"reason": "lacks scope(s): authorize"})
    with (
        pytest.warns(DeprecationWarning, match="API keys"),
        pytest.raises(SynapseForbiddenError, match="authorize"),
    ):
        syn.invalidateAPIKey()


def test_invalidate_api_key_of_the_live_service_has_no_effect(make, http):
    syn = make("hush-token", repo=PRODUCTION_ENDPOINTS["repoEndpoint"])
    live = PRODUCTION_ENDPOINTS["repoEndpoint"]
    http.get(f"{live}/userProfile", json={"ownerId": "7", "userName": "alice"})
    http.delete(
        f"{live.replace('repo/', 'auth/')}/secretKey", status=403, json={"reason": "scope(s)"}
    )
    with pytest.warns(DeprecationWarning, match="API keys"):
        assert syn.invalidateAPIKey() is None


@pytest.mark.parametrize("owner", [None, 401, "273950"])
@pytest.mark.filterwarnings("ignore:API keys are deprecated:DeprecationWarning")
def test_invalidate_api_key_without_user_does_nothing(make, http, owner):
    syn = make() if owner is None else make("hush-token")
    if owner == 401:
        http.get(f"{REPO}/userProfile", status=401)
    else:
        http.get(f"{REPO}/userProfile", json={"ownerId": owner, "userName": "anonymous"})
    syn.invalidateAPIKey()
    assert not any(path.startswith("DELETE") for path in paths(http))


def test_debug_errors_and_logs_contain_no_secret(service, http, make, caplog):
    service()
    http.replace("GET", f"{AUTH}/secretKey", status=403, json={"reason": "no hush-session"})
    with pytest.raises(SynapseForbiddenError) as caught:
        make(debug=True).login("alice", PASSWORD)
    http.replace("POST", f"{AUTH}/session", status=400, json={"reason": f"not {PASSWORD}"})
    with pytest.raises(ValueError, match="400 POST /session") as second:
        make(debug=True).login("alice", PASSWORD)
    for error in (caught.value, second.value):
        assert "hush" not in f"{error} {error!r} {error.reason} {error.__dict__}"
        assert "hush" not in format_traceback(error, __file__)
        request = error.response.request
        assert "hush" not in f"{request.headers} {request.body}"
    assert "hush" not in caplog.text


def test_log_of_retries_contains_no_secret(http, make, caplog):
    caplog.set_level(logging.DEBUG)
    http.post(f"{AUTH}/session", status=503, json={"reason": f"later, {PASSWORD}"})
    with pytest.raises(SynapseServerError):
        make(debug=True).login("alice", PASSWORD)
    assert "retrying in" in caplog.text
    assert "hush" not in caplog.text
