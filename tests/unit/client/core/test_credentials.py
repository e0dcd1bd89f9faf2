"""Tokens are looked for in one order, and what is found is used or refused, never passed over."""

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
def asked(http):
    """Profiles: the token ``from-the-file`` belongs to the user ``file``; the list of tokens."""
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
    """What `login` uses of boto3."""

    def client(self, service):
        assert service == "ssm"
        return self

    def get_parameter(self, Name, WithDecryption):  # noqa: N803
        assert (Name, WithDecryption) == ("/synapse/token", True)
        return {"Parameter": {"Value": "token-aws\n"}}


@pytest.fixture
def lay(home, monkeypatch, memory_keyring):
    """Put a token named after its place into some of the places."""

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
def test_the_first_place_that_holds_a_token_wins(first, lay, make, asked):
    arguments = lay(*PLACES[first:])
    syn = make()
    syn.login(**arguments, silent=True)
    assert syn.username == PLACES[first]
    assert asked == [f"token-{PLACES[first]}"]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_alone(place, lay, make, asked):
    arguments = lay(place)
    syn = make()
    syn.login(**arguments)
    assert syn.username == place
    assert asked == [f"token-{place}"] * 2


def test_a_place_without_a_token_is_passed(lay, home, monkeypatch, make, asked):
    lay("keyring")
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "")
    (home / ".synapseConfig").write_text("[authentication]\nauthtoken =\n")
    syn = make()
    syn.login()
    assert syn.username == "keyring"


def test_forced_looks_into_everything_but_the_keyring(lay, make, asked):
    lay("keyring", "aws")
    syn = make()
    syn.login(forced=True)
    assert syn.username == "aws"


def test_nothing_anywhere_names_every_place_in_order(lay, make, home):
    lay()
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


def test_what_was_missing_is_said(lay, make, home):
    lay()
    (home / ".synapseConfig").write_text("[authentication]\nusername = bob\n")
    with pytest.raises(SynapseNoCredentialsError) as caught:
        make().login()
    said = str(caught.value)
    assert f"3. {home}/.synapseConfig: no authtoken in section [authentication]" in said
    assert "4. keyring: no token for bob" in said


def test_the_file_of_somebody_else_is_passed_over_and_said(lay, make, home):
    lay()
    (home / ".synapseConfig").write_text(
        "[authentication]\nusername = bob\nauthtoken = token-bob\n"
    )
    with pytest.raises(SynapseNoCredentialsError, match="the login is for bob, not for alice"):
        make().login("alice")


def test_whom_the_file_names_is_not_replaced_by_who_was_here_last(lay, make, home):
    lay("keyring")
    (home / ".synapseConfig").write_text("[authentication]\nusername = bob\n")
    with pytest.raises(SynapseNoCredentialsError, match="keyring: no token for bob"):
        make().login()


def test_the_keyring_is_asked_for_the_name_that_was_given(memory_keyring, make, asked):
    keyring_store.store_token("alice", "token-alice")
    keyring_store.store_token("bob", "token-bob")
    syn = make()
    syn.login("alice", silent=True)
    assert syn.username == "alice"


def test_a_machine_without_keyring_has_nothing_there(lay, make, home):
    lay()
    keyring.set_keyring(fail.Keyring())
    (home / ".synapseSession").write_text('{"<mostRecent>": "alice"}')
    with pytest.raises(SynapseNoCredentialsError, match="keyring: no token for alice"):
        make().login()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"<mostRecent>": 3}', "\x00"])
def test_a_session_file_that_makes_no_sense_is_nothing(content, lay, make, home):
    lay()
    (home / ".synapseSession").write_text(content)
    with pytest.raises(SynapseNoCredentialsError, match="no user is recorded"):
        make().login()


def test_a_token_that_is_refused_is_not_replaced_by_another(lay, make, asked):
    lay("file", "keyring")
    with pytest.raises(SynapseUnauthorizedError, match="Invalid access token") as caught:
        make().login(authToken="token-revoked")
    assert caught.value.__notes__ == ["The token comes from the argument authToken."]
    assert isinstance(caught.value, SynapseAuthenticationError)
    assert asked == ["token-revoked"]


def test_a_failed_login_leaves_nobody_logged_in(make, asked):
    syn = make("token-alice-before")
    with pytest.raises(SynapseUnauthorizedError):
        syn.login(authToken="token-revoked")
    assert syn.credentials is None


def test_aws_without_boto3(lay, make, monkeypatch):
    lay("aws")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SynapseConfigError, match=r"synapse-workflows\[s3\]"):
        make().login()


def test_a_parameter_that_cannot_be_read(lay, make, monkeypatch):
    from botocore.exceptions import NoRegionError

    class Broken(FakeBoto3):
        def get_parameter(self, **_):
            raise NoRegionError

    lay("aws")
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
def test_retired_arguments_point_to_personal_access_tokens(make, http, arguments, what):
    with pytest.raises(SynapseAuthenticationError, match=f"with {what}") as caught:
        make().login(**arguments)
    assert "personal access token" in str(caught.value)
    assert len(http.calls) == 0


@pytest.mark.parametrize(("key", "what"), [("password", "a password"), ("apikey", "an API key")])
def test_retired_credentials_in_the_file_are_told(make, home, lay, key, what):
    lay("keyring")
    (home / ".synapseConfig").write_text(f"[authentication]\nusername = bob\n{key} = hush1234\n")
    with pytest.raises(SynapseAuthenticationError, match=f"with {what}") as caught:
        make().login()
    assert str(home / ".synapseConfig") in str(caught.value)
    assert "hush1234" not in str(caught.value)


def test_a_token_beats_what_is_retired(make, home, asked):
    (home / ".synapseConfig").write_text(
        "[authentication]\nusername = bob\npassword = p\napikey = k\nauthtoken = token-bob\n"
    )
    syn = make()
    syn.login()
    assert syn.username == "bob"
    syn.login("carol", apiKey="k", authToken="token-carol")
    assert syn.username == "carol"


def test_a_token_may_come_as_session_token(make, asked):
    token = jwt(access={"scope": ["view"]})
    syn = make()
    with pytest.warns(DeprecationWarning, match="authToken"):
        syn.login(sessionToken=token)
    assert asked == [token, token]


@pytest.mark.parametrize("email", ["alice", "ALICE", "alice@example.org"])
def test_a_name_that_belongs_to_the_token(make, asked, email):
    syn = make()
    syn.login(email, authToken="token-alice")
    assert syn.username == "alice"


@pytest.mark.parametrize("place", ["argument", "variable", "file", "keyring"])
def test_a_name_that_does_not_is_an_error_and_nobody_is_logged_in(place, lay, make, asked):
    arguments = lay(place)
    keyring_store.store_token("mallory", "token-keyring")
    syn = make()
    with pytest.raises(SynapseAuthenticationError) as caught:
        syn.login("mallory", **arguments)
    said = str(caught.value).splitlines()
    assert said[0] == (
        "username/email and auth_token both provided but username does not match token profile"
    )
    assert said[1].endswith(f"belongs to {place}, not to mallory.")
    assert syn.credentials is None


@pytest.mark.parametrize("scopes", [[], ["modify", "download"]])
def test_a_token_that_may_not_view_is_refused_before_any_call(make, http, scopes):
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
def test_tokens_that_say_nothing_against_it_are_let_through(token):
    assert Token(token).secret == token


@pytest.mark.parametrize("token", ["", "   ", "two words", "line\nline", "t\u00f6ken", "a\x00b"])
def test_what_cannot_be_a_token_is_refused_without_quoting_it(token):
    with pytest.raises(SynapseAuthenticationError, match="not allowed in a token") as caught:
        Token(token)
    assert not token.strip() or token not in str(caught.value)


def test_blanks_around_a_token_are_no_part_of_it():
    assert Token("  token-alice\n").authorization == "Bearer token-alice"


def test_remembering_and_being_forgotten(memory_keyring, make, asked, home):
    memory_keyring.set_password(keyring_store.SERVICE, "alice", "token-old-alice")
    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    assert memory_keyring.held == {("SYNAPSE.ORG_CLIENT_AUTH_TOKEN", "alice"): "token-alice"}
    session = home / ".synapseSession"
    assert json.loads(session.read_text()) == {"<mostRecent>": "alice"}
    again = make()
    again.login()
    assert again.username == "alice"
    again.logout()
    assert again.credentials is None
    assert memory_keyring.held
    syn.logout(forgetMe=True)
    assert memory_keyring.held == {}
    assert session.exists()


def test_without_remember_me_nothing_is_kept(memory_keyring, make, asked, home):
    make().login(authToken="token-alice")
    assert memory_keyring.held == {}
    assert not (home / ".synapseSession").exists()


def test_remembering_without_keyring_warns_and_stays_logged_in(
    memory_keyring, make, asked, caplog
):
    keyring.set_keyring(fail.Keyring())
    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    assert syn.username == "alice"
    assert "Could not store the token" in caplog.text


def test_logging_out_of_nobody_is_no_error(syn):
    syn.logout()
    syn.logout(forgetMe=True)
    assert syn.username is None


def test_welcome(make, asked, caplog):
    make().login(authToken="token-alice")
    assert [record.getMessage() for record in caplog.records] == ["Welcome, alice!"]
    caplog.clear()
    make().login(authToken="token-alice", silent=True)
    make(silent=True).login(authToken="token-alice")
    assert caplog.records == []


def test_login_of_the_module_is_a_client_that_is_logged_in(home, asked, http):
    from synapse_workflows import login

    (home / ".synapseConfig").write_text(
        f"[endpoints]\nrepoEndpoint={REPO}\nauthEndpoint={REPO}\nfileHandleEndpoint={REPO}\n"
        f"portalEndpoint={REPO}\n"
    )
    http.get(REPO, status=404)
    with login(authToken="token-alice", silent=True) as syn:
        assert isinstance(syn, Synapse)
        assert syn.username == "alice"
