"""Search for credentials: order of the sources, profiles, keyring, and errors."""

import base64
import json
import sys

import keyring
import pytest
from keyring.backends import fail
from keyring.errors import KeyringLocked

from synapse_workflows.client.core import keyring_store
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConfigError,
    SynapseNoCredentialsError,
    SynapseUnauthorizedError,
)
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.constants import PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS

REPO = "https://repo.example.org/repo/v1"
PLACES = ("argument", "variable", "file", "keyring", "aws")


def jwt(**claims) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.c2ln"


def store_token(username: str, token: str) -> None:
    keyring_store.store_secret(keyring_store.TOKEN_SERVICE, username, token)


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
            store_token("keyring", "token-keyring")
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


def test_user_name_in_the_file_is_compared_without_case(put_tokens, make, home, requests_sent):
    put_tokens()
    (home / ".synapseConfig").write_text(
        "[authentication]\nusername = bob\nauthtoken = token-bob\n"
    )
    syn = make()
    syn.login("BOB")
    assert syn.username == "bob"


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
    store_token("alice", "token-alice")
    store_token("bob", "token-bob")
    syn = make()
    syn.login("alice", silent=True)
    assert syn.username == "alice"


def test_machine_without_keyring_has_no_token(put_tokens, make, home):
    put_tokens()
    keyring.set_keyring(fail.Keyring())
    (home / ".synapseSession").write_text('{"<mostRecent>": "alice"}')
    expected = r"keyring: no token for alice \(this machine has no keyring\)"
    with pytest.raises(SynapseNoCredentialsError, match=expected):
        make().login()


def test_keyring_of_the_given_user_is_used_in_spite_of_another_user_in_the_file(
    memory_keyring, make, home, requests_sent
):
    (home / ".synapseConfig").write_text("[authentication]\nusername = alice\n")
    store_token("bob", "token-bob")
    for email in ("bob", "BOB", " bob "):  # Synapse ignores the case of user names
        syn = make()
        syn.login(email)
        assert syn.username == "bob"


def test_locked_keyring_is_reported(memory_keyring, make, monkeypatch):
    def locked(*_):
        raise KeyringLocked("hush")

    store_token("bob", "token-bob")
    monkeypatch.setattr(memory_keyring, "get_password", locked)
    expected = r"keyring: no token for bob \(the keyring is locked\)"
    with pytest.raises(SynapseNoCredentialsError, match=expected) as caught:
        make().login()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["email", "password", "apiKey", "sessionToken", "authToken", "profile"]
)
@pytest.mark.parametrize("value", [b"hush", 5, ["hush"]])
def test_arguments_that_are_not_text_are_rejected(make, http, name, value):
    with pytest.raises(TypeError, match=f"Invalid argument {name} of login") as caught:
        make().login(**{name: value})
    assert "hush" not in str(caught.value)
    assert len(http.calls) == 0


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
        ({"email": "a", "password": "hush"}, "a password"),
        ({"email": "a", "password": "hush", "authToken": "t"}, "a password"),
        ({"email": "a", "apiKey": "aHVzaA=="}, "an API key"),
        ({"sessionToken": "hush-session"}, "a session token"),
        ({"sessionToken": "hush-session", "authToken": "t"}, "a session token"),
    ],
)
@pytest.mark.filterwarnings("ignore:sessionToken is deprecated:DeprecationWarning")
def test_the_live_service_gets_no_retired_credentials(make, http, arguments, what):
    for live in (PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS):
        with pytest.raises(SynapseAuthenticationError, match=f"with {what}") as caught:
            make(repo=live["repoEndpoint"]).login(**arguments)
        assert "personal access token" in str(caught.value)
        assert "hush" not in str(caught.value)
    assert len(http.calls) == 0


@pytest.mark.parametrize(
    ("key", "secret", "what"),
    [("password", "hush1234", "a password"), ("apikey", "aHVzaDEyMzQ=", "an API key")],
)
def test_retired_credentials_in_the_file_name_the_file(make, home, put_tokens, key, secret, what):
    put_tokens("keyring")
    (home / ".synapseConfig").write_text(f"[authentication]\nusername = bob\n{key} = {secret}\n")
    with pytest.raises(SynapseAuthenticationError, match=f"with {what}") as caught:
        make(repo=PRODUCTION_ENDPOINTS["repoEndpoint"]).login()
    assert str(home / ".synapseConfig") in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"password": "hush"}, {"apiKey": "aHVzaA=="}])
def test_password_and_api_key_need_a_user_name(make, http, arguments):
    with pytest.raises(SynapseAuthenticationError, match="needs the name of the user") as caught:
        make().login(**arguments)
    assert not set(arguments.values()) & set(str(caught.value).split())


def test_token_without_user_name_is_used_in_spite_of_a_password(make, requests_sent):
    syn = make()
    syn.login(password="p", apiKey="k", authToken="token-carol")
    assert syn.username == "carol"
    syn.login("carol", apiKey="k", authToken="token-carol")
    assert syn.username == "carol"


def test_retired_credentials_without_user_name_in_the_file_are_described(make, home, put_tokens):
    put_tokens()
    (home / ".synapseConfig").write_text("[authentication]\npassword = hush1234\n")
    with pytest.raises(SynapseNoCredentialsError, match="an API key without username") as caught:
        make().login()
    assert "hush1234" not in str(caught.value)


PROFILES = """\
[default]
username = alice
authtoken = token-alice
[profile bob]
username = bob
authtoken = token-bob
[profile carol]
username = carol
"""


@pytest.mark.parametrize("profile", ["bob", "default", None])
def test_profile_selects_a_section(make, home, requests_sent, caplog, profile):
    (home / ".synapseConfig").write_text(PROFILES)
    syn = make()
    syn.login(profile=profile)
    if profile == "bob":
        assert syn.username == "bob"
        assert caplog.messages == ["Welcome, bob! You are using the 'bob' profile."]
    else:
        assert syn.username == "alice"
        assert caplog.messages == ["Welcome, alice!"]


def test_profile_variable_selects_a_section_unless_there_is_an_argument(
    make, home, requests_sent, monkeypatch
):
    (home / ".synapseConfig").write_text(PROFILES)
    monkeypatch.setenv("SYNAPSE_PROFILE", "bob")
    syn = make()
    syn.login()
    assert syn.username == "bob"
    syn.login(profile="default")
    assert syn.username == "alice"
    syn.login(authToken="token-dave")
    assert syn.username == "dave"


def test_selected_profile_precedes_the_environment(make, home, put_tokens, requests_sent):
    put_tokens("variable", "aws")
    (home / ".synapseConfig").write_text(PROFILES)
    syn = make()
    syn.login(profile="bob")
    assert syn.username == "bob"
    syn.login()
    assert syn.username == "variable"


def test_profile_without_token_uses_the_keyring_but_no_other_identity(
    make, home, put_tokens, requests_sent
):
    put_tokens("variable", "keyring", "aws")
    (home / ".synapseConfig").write_text(PROFILES)
    with pytest.raises(SynapseNoCredentialsError) as caught:
        make().login(profile="carol")
    message = str(caught.value)
    assert f"2. {home}/.synapseConfig: no authtoken in section [profile carol]" in message
    assert "3. keyring: no token for carol" in message
    assert "4." not in message
    store_token("carol", "token-carol")
    syn = make()
    syn.login(profile="carol")
    assert syn.username == "carol"


@pytest.mark.parametrize("content", [PROFILES, None])
def test_missing_profile_raises(make, home, put_tokens, monkeypatch, content):
    put_tokens("variable")
    if content:
        (home / ".synapseConfig").write_text(content)
    message = "Profile 'dave' does not exist in the configuration file"
    with pytest.raises(SynapseAuthenticationError, match=message) as caught:
        make().login(profile="dave")
    assert "[profile dave]" in str(caught.value)
    assert ("'bob', 'carol', 'default'" if content else "none.") in str(caught.value)
    monkeypatch.setenv("SYNAPSE_PROFILE", "dave")
    with pytest.raises(SynapseAuthenticationError, match=message):
        make().login()


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
    store_token("mallory", "token-keyring")
    syn = make()
    with pytest.raises(SynapseAuthenticationError) as caught:
        syn.login("mallory", **arguments)
    message = str(caught.value).splitlines()
    assert message[0] == (
        "username/email and auth_token both provided but username does not match token profile"
    )
    assert message[1].endswith(f"belongs to {place}, not to mallory.")
    assert syn.credentials is None


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
