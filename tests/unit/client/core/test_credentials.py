"""Search for tokens: order of the sources, and errors."""

import base64
import json
import sys

import keyring
import pytest
from keyring.backends import fail

from synapse_workflows.client.core import keyring_store
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConfigError,
    SynapseNoCredentialsError,
    SynapseUnauthorizedError,
)
from synapse_workflows.client.synapse import Synapse

REPO = "https://repo.example.org/repo/v1"
PLACES = ("argument", "variable", "file", "keyring", "aws")


def jwt(**claims) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.c2ln"


@pytest.fixture
def requests_sent(http):
    """Tokens of the sent requests; the token ``from-the-file`` belongs to the user ``file``."""
    seen = []

    def profile(request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        seen.append(token)
        if token == "token-revoked":
            return 401, {"Content-Type": "application/json"}, '{"reason": "Invalid access token"}'
        name = token.rpartition("-")[2]
        body = {"ownerId": "7", "userName": name, "emails": [f"{name}@Example.org"]}
        return 200, {"Content-Type": "application/json"}, json.dumps(body)

    http.add_callback("GET", f"{REPO}/userProfile", callback=profile)
    http.add_callback("GET", f"{REPO}/userProfile/", callback=profile)
    return seen


class FakeBoto3:
    """The part of boto3 that `login` uses."""

    def client(self, service):
        assert service == "ssm"
        return self

    def get_parameter(self, Name, WithDecryption):  # noqa: N803
        assert (Name, WithDecryption) == ("/synapse/token", True)
        return {"Parameter": {"Value": "token-aws\n"}}


@pytest.fixture
def put_tokens(home, monkeypatch, memory_keyring):
    """Function that puts tokens, named after their source, into sources."""

    def put(*places: str) -> dict[str, str]:
        if "variable" in places:
            monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "token-variable")
        if "file" in places:
            (home / ".synapseConfig").write_text("[authentication]\nauthtoken = token-file\n")
        if "keyring" in places:
            keyring_store.store_token("keyring", "token-keyring")
        if "aws" in places:
            monkeypatch.setenv("SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME", "/synapse/token")
            monkeypatch.setitem(sys.modules, "boto3", FakeBoto3())
        return {"authToken": "token-argument"} if "argument" in places else {}

    return put


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_first_source_with_a_token_is_used(first, put_tokens, make, requests_sent):
    arguments = put_tokens(*PLACES[first:])
    syn = make()
    syn.login(**arguments, silent=True)
    assert syn.username == PLACES[first]
    assert requests_sent == [f"token-{PLACES[first]}"]


@pytest.mark.parametrize("place", PLACES)
def test_each_source_is_used(place, put_tokens, make, requests_sent):
    arguments = put_tokens(place)
    syn = make()
    syn.login(**arguments)
    assert syn.username == place
    assert requests_sent == [f"token-{place}"] * 2


def test_source_without_token_is_skipped(put_tokens, home, monkeypatch, make, requests_sent):
    put_tokens("keyring")
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "")
    (home / ".synapseConfig").write_text("[authentication]\nauthtoken =\n")
    syn = make()
    syn.login()
    assert syn.username == "keyring"


def test_forced_skips_the_keyring(put_tokens, make, requests_sent):
    put_tokens("keyring", "aws")
    syn = make()
    syn.login(forced=True)
    assert syn.username == "aws"


def test_error_without_token_lists_all_sources(put_tokens, make, home):
    put_tokens()
    with pytest.raises(SynapseNoCredentialsError) as caught:
        make().login()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("No credentials provided.")
    assert lines[1:6] == [
        "  1. arguments: no authToken",
        "  2. environment: SYNAPSE_AUTH_TOKEN is not set",
        f"  3. {home}/.synapseConfig: the file does not exist",
        "  4. keyring: no user is recorded in ~/.synapseSession",
        "  5. AWS parameter store: SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME is not set",
    ]
    assert "personal access token" in lines[6]


def test_error_without_token_describes_what_is_missing(put_tokens, make, home):
    put_tokens()
    (home / ".synapseConfig").write_text("[authentication]\nusername = bob\n")
    with pytest.raises(SynapseNoCredentialsError) as caught:
        make().login()
    message = str(caught.value)
    assert f"3. {home}/.synapseConfig: no authtoken in section [authentication]" in message
    assert "4. keyring: no token for bob" in message


def test_config_file_of_another_user_is_skipped(put_tokens, make, home):
    put_tokens()
    (home / ".synapseConfig").write_text(
        "[authentication]\nusername = bob\nauthtoken = token-bob\n"
    )
    with pytest.raises(SynapseNoCredentialsError, match="the login is for bob, not for alice"):
        make().login("alice")


def test_user_of_the_file_has_precedence_over_the_last_user(put_tokens, make, home):
    put_tokens("keyring")
    (home / ".synapseConfig").write_text("[authentication]\nusername = bob\n")
    with pytest.raises(SynapseNoCredentialsError, match="keyring: no token for bob"):
        make().login()


def test_keyring_is_searched_for_the_given_user(memory_keyring, make, requests_sent):
    keyring_store.store_token("alice", "token-alice")
    keyring_store.store_token("bob", "token-bob")
    syn = make()
    syn.login("alice", silent=True)
    assert syn.username == "alice"


def test_machine_without_keyring_has_no_token(put_tokens, make, home):
    put_tokens()
    keyring.set_keyring(fail.Keyring())
    (home / ".synapseSession").write_text('{"<mostRecent>": "alice"}')
    with pytest.raises(SynapseNoCredentialsError, match="keyring: no token for alice"):
        make().login()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"<mostRecent>": 3}', "\x00"])
def test_invalid_session_file_is_ignored(content, put_tokens, make, home):
    put_tokens()
    (home / ".synapseSession").write_text(content)
    with pytest.raises(SynapseNoCredentialsError, match="no user is recorded"):
        make().login()


def test_rejected_token_is_not_replaced_by_another_source(put_tokens, make, requests_sent):
    put_tokens("file", "keyring")
    with pytest.raises(SynapseUnauthorizedError, match="Invalid access token") as caught:
        make().login(authToken="token-revoked")
    assert caught.value.__notes__ == ["The token comes from the argument authToken."]
    assert isinstance(caught.value, SynapseAuthenticationError)
    assert requests_sent == ["token-revoked"]


def test_failed_login_removes_the_credentials(make, requests_sent):
    syn = make("token-alice-before")
    with pytest.raises(SynapseUnauthorizedError):
        syn.login(authToken="token-revoked")
    assert syn.credentials is None


def test_parameter_store_without_boto3_raises(put_tokens, make, monkeypatch):
    put_tokens("aws")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SynapseConfigError, match=r"synapse-workflows\[s3\]"):
        make().login()


def test_unreadable_parameter_raises(put_tokens, make, monkeypatch):
    from botocore.exceptions import NoRegionError

    class Broken(FakeBoto3):
        def get_parameter(self, **_):
            raise NoRegionError

    put_tokens("aws")
    monkeypatch.setitem(sys.modules, "boto3", Broken())
    with pytest.raises(SynapseConfigError, match=r"/synapse/token .*region"):
        make().login()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"email": "a", "password": "p"}, "a password"),
        ({"email": "a", "password": "p", "authToken": "t"}, "a password"),
        ({"email": "a", "apiKey": "k"}, "an API key"),
        ({"sessionToken": "0b1c-session"}, "a session token"),
    ],
)
@pytest.mark.filterwarnings("ignore:sessionToken is deprecated:DeprecationWarning")
def test_unsupported_arguments_raise(make, http, arguments, what):
    with pytest.raises(SynapseAuthenticationError, match=f"with {what}") as caught:
        make().login(**arguments)
    assert "personal access token" in str(caught.value)
    assert len(http.calls) == 0


@pytest.mark.parametrize(("key", "what"), [("password", "a password"), ("apikey", "an API key")])
def test_unsupported_credentials_in_the_file_raise(make, home, put_tokens, key, what):
    put_tokens("keyring")
    (home / ".synapseConfig").write_text(f"[authentication]\nusername = bob\n{key} = hush1234\n")
    with pytest.raises(SynapseAuthenticationError, match=f"with {what}") as caught:
        make().login()
    assert str(home / ".synapseConfig") in str(caught.value)
    assert "hush1234" not in str(caught.value)


def test_token_has_precedence_over_unsupported_credentials(make, home, requests_sent):
    (home / ".synapseConfig").write_text(
        "[authentication]\nusername = bob\npassword = p\napikey = k\nauthtoken = token-bob\n"
    )
    syn = make()
    syn.login()
    assert syn.username == "bob"
    syn.login("carol", apiKey="k", authToken="token-carol")
    assert syn.username == "carol"


def test_session_token_argument_accepts_a_token(make, requests_sent):
    token = jwt(access={"scope": ["view"]})
    syn = make()
    with pytest.warns(DeprecationWarning, match="authToken"):
        syn.login(sessionToken=token)
    assert requests_sent == [token, token]


@pytest.mark.parametrize("email", ["alice", "ALICE", "alice@example.org"])
def test_login_accepts_names_of_the_token_owner(make, requests_sent, email):
    syn = make()
    syn.login(email, authToken="token-alice")
    assert syn.username == "alice"


@pytest.mark.parametrize("place", ["argument", "variable", "file", "keyring"])
def test_login_with_the_token_of_another_user_raises(place, put_tokens, make, requests_sent):
    arguments = put_tokens(place)
    keyring_store.store_token("mallory", "token-keyring")
    syn = make()
    with pytest.raises(SynapseAuthenticationError) as caught:
        syn.login("mallory", **arguments)
    message = str(caught.value).splitlines()
    assert message[0] == (
        "username/email and auth_token both provided but username does not match token profile"
    )
    assert message[1].endswith(f"belongs to {place}, not to mallory.")
    assert syn.credentials is None


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


@pytest.mark.parametrize("token", ["", "   ", "two words", "line\nline", "t\u00f6ken", "a\x00b"])
def test_malformed_token_is_rejected_without_quoting_it(token):
    with pytest.raises(SynapseAuthenticationError, match="not allowed in a token") as caught:
        Token(token)
    assert not token.strip() or token not in str(caught.value)


def test_token_is_stripped():
    assert Token("  token-alice\n").authorization == "Bearer token-alice"


def test_remember_me_and_forget_me(memory_keyring, make, requests_sent, home):
    memory_keyring.set_password(keyring_store.SERVICE, "alice", "token-old-alice")
    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    assert memory_keyring.passwords == {("SYNAPSE.ORG_CLIENT_AUTH_TOKEN", "alice"): "token-alice"}
    session = home / ".synapseSession"
    assert json.loads(session.read_text()) == {"<mostRecent>": "alice"}
    again = make()
    again.login()
    assert again.username == "alice"
    again.logout()
    assert again.credentials is None
    assert memory_keyring.passwords
    syn.logout(forgetMe=True)
    assert memory_keyring.passwords == {}
    assert session.exists()


def test_login_without_remember_me_stores_nothing(memory_keyring, make, requests_sent, home):
    make().login(authToken="token-alice")
    assert memory_keyring.passwords == {}
    assert not (home / ".synapseSession").exists()


def test_remember_me_without_keyring_logs_a_warning(memory_keyring, make, requests_sent, caplog):
    keyring.set_keyring(fail.Keyring())
    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    assert syn.username == "alice"
    assert "Could not store the token" in caplog.text


def test_logout_without_login(syn):
    syn.logout()
    syn.logout(forgetMe=True)
    assert syn.username is None


def test_login_logs_a_welcome_message(make, requests_sent, caplog):
    make().login(authToken="token-alice")
    assert [record.getMessage() for record in caplog.records] == ["Welcome, alice!"]
    caplog.clear()
    make().login(authToken="token-alice", silent=True)
    make(silent=True).login(authToken="token-alice")
    assert caplog.records == []


def test_module_login_returns_a_logged_in_client(home, requests_sent, http):
    from synapse_workflows import login

    (home / ".synapseConfig").write_text(
        f"[endpoints]\nrepoEndpoint={REPO}\nauthEndpoint={REPO}\nfileHandleEndpoint={REPO}\n"
        f"portalEndpoint={REPO}\n"
    )
    http.get(REPO, status=404)
    with login(authToken="token-alice", silent=True) as syn:
        assert isinstance(syn, Synapse)
        assert syn.username == "alice"
