"""Credentials: validation, headers, and secrets that are never shown."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
import time_machine

from synapse_workflows.client.core.credentials import ApiKey, Password, SessionToken, Token
from synapse_workflows.client.errors import SynapseAuthenticationError

SECRET_KEY = base64.b64encode(b"the key of alice").decode()
NOON = datetime(2026, 3, 4, 12, 0, 0, 987_000, tzinfo=UTC)


def jwt(**claims) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.c2ln"


@pytest.mark.parametrize("scopes", [[], ["modify", "download"]])
def test_token_without_view_scope_is_rejected_before_any_request(make, http, scopes):
    with pytest.raises(SynapseAuthenticationError, match="A view scoped token is required"):
        make().login(authToken=jwt(access={"scope": scopes}))
    assert len(http.calls) == 0


@pytest.mark.parametrize(
    "token",
    [
        jwt(access={"scope": ["view"]}),
        jwt(sub="1"),
        jwt(access=None),
        "opaque-token",
        "a.b.c",
        "a.%%%.c",
        "a.W10.c",
        f"a.{base64.urlsafe_b64encode(bytes([255])).decode()}.c",
    ],
)
def test_tokens_without_scopes_are_accepted(token):
    assert Token(token).secret == token


@pytest.mark.parametrize(
    "token", ["", "   ", "two words", "line\nline", "t\u00f6ken", "a\x00b", '"hush"']
)
def test_malformed_token_is_rejected_without_quoting_it(token):
    with pytest.raises(SynapseAuthenticationError, match="not allowed in a token") as caught:
        Token(token)
    assert not token.strip() or token not in str(caught.value)


def test_malformed_api_key_is_rejected_with_the_right_article():
    with pytest.raises(SynapseAuthenticationError, match="not allowed in an API key"):
        ApiKey("two words", "alice")


def test_token_is_stripped():
    assert Token("  token-alice\n").headers("https://x/y") == {
        "Authorization": "Bearer token-alice"
    }


@pytest.mark.parametrize("url", ["https://h.org/repo/v1/a%20b?c=d", "https://h.org/repo/v1/a%20b"])
def test_api_key_signs_user_path_and_time(url):
    with time_machine.travel(NOON, tick=False):
        headers = ApiKey(f" {SECRET_KEY}\n", "alice").headers(url)
    text = b"alice/repo/v1/a%20b2026-03-04T12:00:00.000Z"
    expected = hmac.new(b"the key of alice", text, hashlib.sha1).digest()
    assert headers == {
        "userId": "alice",
        "signatureTimestamp": "2026-03-04T12:00:00.000Z",
        "signature": base64.b64encode(expected).decode(),
    }


@pytest.mark.parametrize("key", ["", "hush not base64", "hush*base64", "'hush'", "abc"])
def test_malformed_api_key_is_rejected_without_quoting_it(key):
    with pytest.raises(SynapseAuthenticationError, match="Copy the complete") as caught:
        ApiKey(key, "alice")
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("username", [None, "", "  ", "two\nlines", "Zoë", "日本"])
def test_api_key_needs_a_user_name(username):
    with pytest.raises(SynapseAuthenticationError, match="needs the name of its user"):
        ApiKey(SECRET_KEY, username)


def test_session_token_and_password_headers():
    assert SessionToken("opaque").headers("https://x/y") == {"sessionToken": "opaque"}
    assert Password("pässword 1", "alice").headers("https://x/y") == {}


@pytest.mark.parametrize(
    "credentials",
    [
        Token(SECRET_KEY),
        ApiKey(SECRET_KEY, "alice"),
        SessionToken(SECRET_KEY),
        Password(SECRET_KEY, "alice", alternative=Token(SECRET_KEY)),
    ],
)
def test_secret_is_not_shown(credentials):
    body = {"password": credentials.secret}
    shown = f"{credentials!r} {credentials} {body} {[credentials.secret]}"
    assert SECRET_KEY not in shown
    assert json.loads(json.dumps(body)) == {"password": SECRET_KEY}
