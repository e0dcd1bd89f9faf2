"""Login, profiles and plain requests against the service, in-process and over a socket."""

import asyncio
import base64
import json
import logging
import pickle
from pathlib import Path
from uuid import uuid4

import httpx2
import jwt
import keyring
import pytest
from keyrings.alt.file import PlaintextKeyring
from support.tracebacks import format_traceback

from synapse_workflows import File, Project, Synapse, login
from synapse_workflows.cli import format_usage
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNoCredentialsError,
    SynapseNotFoundError,
    SynapseUnauthorizedError,
)
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed
from synapse_workflows.testing import in_process, over_socket


@pytest.fixture
def anonymous(client_of) -> Synapse:
    return client_of(None)


def test_token_identifies_the_user(service, anonymous):
    anonymous.login(authToken=service.token("alice"))
    assert anonymous.username == "alice"
    profile = anonymous.getUserProfile()
    assert (profile.ownerId, profile.userName) == (service.owner_id("alice"), "alice")


def test_login_with_the_environment_variable(service, anonymous, monkeypatch):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    anonymous.login()
    assert anonymous.username == "bob"


def test_login_with_the_configuration_file(service, tmp_path):
    path = tmp_path / "synapse.ini"
    path.write_text(service.synapse_config("carol"))
    with Synapse(configPath=str(path), requests_session=service.session, silent=True) as syn:
        assert syn.repoEndpoint == service.endpoints["repoEndpoint"]
        syn.login()
        assert syn.username == "carol"


def test_argument_has_precedence(service, anonymous, monkeypatch):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    anonymous.login(authToken=service.token("alice"))
    assert anonymous.username == "alice"


def test_login_without_credentials_raises(anonymous):
    with pytest.raises(SynapseNoCredentialsError, match="Looked in"):
        anonymous.login()
    assert anonymous.credentials is None


def test_login_with_name_or_email_of_the_token_owner(service, anonymous):
    anonymous.login("ALICE", authToken=service.token("alice"))
    mail = anonymous.getUserProfile()["emails"][0]
    anonymous.login(mail, authToken=service.token("alice"))
    assert anonymous.username == "alice"


def test_login_with_a_token_of_another_user_raises(service, anonymous):
    with pytest.raises(SynapseAuthenticationError, match="belongs to alice, not to bob"):
        anonymous.login("bob", authToken=service.token("alice"))
    assert anonymous.credentials is None


def test_modified_token_is_rejected(service, anonymous):
    head, body, signature = service.token("alice").split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    with pytest.raises(SynapseUnauthorizedError, match="GET /userProfile") as caught:
        anonymous.login(authToken=forged)
    assert forged not in str(caught.value)
    assert "Create a new personal access token" in str(caught.value)


def test_token_with_a_foreign_signature_is_rejected(anonymous):
    claims = {"sub": "1", "access": {"scope": ["view"]}, "token_type": "PERSONAL_ACCESS_TOKEN"}
    with pytest.raises(SynapseUnauthorizedError):
        anonymous.login(authToken=jwt.encode(claims, "a secret of anonymous, long enough to sign"))


def test_token_without_modify_scope_cannot_write(service, syn, anonymous):
    token = syn.restPOST(
        "/personalAccessToken",
        '{"name": "reader of test_login", "scope": ["view"]}',
        endpoint=syn.authEndpoint,
    )["token"]
    anonymous.login(authToken=token)
    with pytest.raises(SynapseForbiddenError, match="scope") as caught:
        anonymous.restPOST("/entity", '{"concreteType": "org.sagebionetworks.repo.model.Project"}')
    assert "download and modify" in str(caught.value)


def test_anonymous_request_raises_authentication_error(anonymous, syn):
    body = {"concreteType": "org.sagebionetworks.repo.model.Project", "name": f"P {id(syn)}"}
    project = syn.call("POST", "/entity", json=body).json
    with pytest.raises(SynapseAuthenticationError, match="You are not logged in"):
        anonymous.restGET(f"/entity/{project['id']}")
    syn.restDELETE(f"/entity/{project['id']}")


PASSWORD = 'hush "pässwörd"'
API_KEY = base64.b64encode(b"the hush key of eve").decode()
EVE = UserSeed(user_name="eve", password=PASSWORD, api_key=API_KEY, email="eve@example.org")
NEW = UserSeed(user_name="new", password=PASSWORD, accepts_terms_of_use=False)


@pytest.fixture(scope="session")
def socket_service_of_eve(tmp_path_factory, recording):
    with over_socket(
        tmp_path_factory.mktemp("eve"), wrap=recording, users=(*DEFAULT_USERS, EVE, NEW)
    ) as service:
        yield service


@pytest.fixture(scope="session")
def in_process_service_of_eve(tmp_path_factory, recording):
    with in_process(
        tmp_path_factory.mktemp("eve"), wrap=recording, users=(*DEFAULT_USERS, EVE, NEW)
    ) as service:
        yield service


@pytest.fixture(params=["in_process", "socket"])
def service_of_eve(request):
    """A service with the user eve, who has a password and an API key, and the user new."""
    return request.getfixturevalue(f"{request.param}_service_of_eve")


@pytest.fixture
def anyone(service_of_eve):
    """A client of that service that is not logged in."""
    with service_of_eve.client(None, silent=False) as syn:
        yield syn


def log_in_with(service, syn, way):
    """Log in as eve with one of the combinations of arguments."""
    match way:
        case "password":
            syn.login("eve", PASSWORD)
        case "password of an e-mail address":
            syn.login("EVE@example.org", password=PASSWORD, authToken="is not used")
        case "API key":
            syn.login("eve", apiKey=API_KEY)
        case "API key of an e-mail address":
            syn.login("eve@example.org", apiKey=API_KEY)
        case "token":
            syn.login("eve", apiKey="is not used", authToken=service.token("eve"))
        case "session token":
            session = syn.restPOST(
                "/session",
                json.dumps({"email": "eve", "password": PASSWORD}),
                endpoint=syn.authEndpoint,
            )
            with pytest.warns(DeprecationWarning, match="sessionToken"):
                syn.login(sessionToken=session["sessionToken"])


def test_asked_for_secrets_are_in_the_service_file_only(service_of_eve):
    users = {user["userName"]: user for user in service_of_eve.service_info["users"]}
    assert (users["eve"]["password"], users["eve"]["apiKey"]) == (PASSWORD, API_KEY)
    assert not {"password", "apiKey"} & set(users["bob"])
    usage = format_usage(dict(service_of_eve.service_info), Path(".synapse"))
    assert not [secret for secret in (PASSWORD, API_KEY) if secret in usage]


WAYS = (
    "password", "password of an e-mail address", "API key", "API key of an e-mail address",
    "token", "session token",
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_log_in(service_of_eve, anyone, way, tmp_path):
    log_in_with(service_of_eve, anyone, way)
    assert anyone.username == "eve"
    assert anyone.getUserProfile()["userName"] == "eve"
    uses_api_key = not way.endswith("token")
    assert anyone.credentials.noun == ("API key" if uses_api_key else "token")
    if uses_api_key:
        assert anyone.credentials.secret == API_KEY
    project = anyone.store(Project(f"by {way} {uuid4()}"))
    path = tmp_path / "x.txt"
    path.write_text("signed")
    file = anyone.store(File(str(path), name="a name with spaces", parent=project))
    assert anyone.findEntityId("a name with spaces", project) == file.id
    assert [one["id"] for one in anyone.getChildren(project)] == [file.id]
    assert Path(anyone.get(file.id, downloadLocation=str(tmp_path / "copy")).path).exists()
    anyone.delete(project)


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_shown(service_of_eve, anyone, way, caplog, capfd):
    """Logs at DEBUG, console, reprs, pickles, and tracebacks that show local variables."""
    caplog.set_level(logging.DEBUG)
    log_in_with(service_of_eve, anyone, way)
    anyone.debug = True
    secrets = {"hush", PASSWORD, API_KEY, service_of_eve.token("eve"), anyone.credentials.secret}
    shown = [repr(anyone), repr(anyone.credentials), repr(vars(anyone))]
    with pytest.raises(SynapseNotFoundError) as caught:
        anyone.restGET("/entity/syn999999999")
    shown += [str(caught.value), format_traceback(caught.value, __file__)]
    shown += [caplog.text, *capfd.readouterr()]
    assert not [text for secret in secrets for text in shown if secret in text]
    method = None if service_of_eve.session else anyone.get  # that session cannot be pickled
    pickled = pickle.dumps([method, caught.value])
    assert not any(secret.encode() in pickled for secret in secrets)


@pytest.mark.parametrize(
    "arguments",
    [
        {"email": "eve", "password": "hush hush"},
        {"email": "nobody", "password": "hush hush"},
        {"email": "eve", "apiKey": "aHVzaCBodXNo"},
        {"email": "bob", "apiKey": API_KEY},
        {"password": "hush hush"},
        {"authToken": "hush.hush.hush"},
        {"sessionToken": "hush hush"},
        {"sessionToken": "hush-hush"},
    ],
)
@pytest.mark.filterwarnings("ignore:sessionToken is deprecated:DeprecationWarning")
def test_rejected_credentials_are_not_shown(anyone, arguments, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    anyone.debug = True
    with pytest.raises(SynapseAuthenticationError) as caught:
        anyone.login(**arguments)
    assert anyone.credentials is None
    shown = "".join([format_traceback(caught.value, __file__), caplog.text, *capfd.readouterr()])
    assert not any(text in shown for text in ("hush", "aHVzaCBodXNo", API_KEY))
    assert b"hush" not in pickle.dumps(caught.value)


def test_module_login_hides_its_arguments(service_of_eve, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".synapseConfig").write_text(service_of_eve.synapse_config("eve"))
    if service_of_eve.session is None:
        with login("eve", PASSWORD, silent=True) as syn:
            assert syn.username == "eve"
        with pytest.raises(SynapseAuthenticationError) as caught:
            login("eve", "hush hush", None, silent=True)
        assert "hush" not in format_traceback(caught.value, __file__)
        with pytest.raises(SynapseAuthenticationError, match="Profile 'dave'"):
            login(profile="dave")


def test_credentials_in_the_configuration_file(service_of_eve, tmp_path):
    """A password precedes a token, which precedes an API key; a profile selects another user."""
    path = tmp_path / "synapse.ini"
    endpoints = service_of_eve.synapse_config("bob").partition("[authentication]")[0]
    token = service_of_eve.token("eve")
    for lines, noun in (
        (f"username = eve\npassword = {PASSWORD}\nauthtoken = not-used\n", "API key"),
        (f"username = eve\nauthtoken = {token}\napikey = is not used\n", "token"),
        (f"username = eve\napikey = {API_KEY}\n", "API key"),
        (f"password = is not used\nauthtoken = {token}\n", "token"),
    ):
        bob = f"[profile bob]\nauthtoken = {service_of_eve.token('bob')}\n"
        path.write_text(f"{endpoints}[authentication]\n{lines}{bob}")
        with Synapse(
            configPath=str(path), requests_session=service_of_eve.session, silent=True
        ) as syn:
            syn.login()
            assert (syn.username, syn.credentials.noun) == ("eve", noun)
            syn.login(profile="bob")
            assert syn.username == "bob"


def test_key_of_a_password_login_is_remembered_and_forgotten(
    service_of_eve, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before = keyring.get_keyring()
    keyring.set_keyring(PlaintextKeyring())
    try:
        with service_of_eve.client(None) as syn:
            syn.login("eve", PASSWORD, rememberMe=True)
            assert "plain text" in caplog.text
            syn.logout()
            syn.login()
            assert (syn.username, syn.credentials.secret) == ("eve", API_KEY)
            syn.logout(forgetMe=True)
            with pytest.raises(SynapseNoCredentialsError, match="keyring: no token for eve"):
                syn.login()
    finally:
        keyring.set_keyring(before)
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert stored
    assert not any(PASSWORD.encode() in path.read_bytes() for path in stored)


@pytest.mark.filterwarnings("ignore:API keys are deprecated:DeprecationWarning")
def test_invalidated_api_key_is_rejected(tmp_path, recording):
    with in_process(tmp_path, wrap=recording, users=(*DEFAULT_USERS, EVE)) as service:
        by_key, by_token = service.client(None), service.client("eve")
        by_key.login("eve", apiKey=API_KEY)
        by_token.invalidateAPIKey()
        with pytest.raises(SynapseUnauthorizedError, match="not the current API key") as caught:
            by_key.getUserProfile(refresh=True)
        assert "personal access token" in str(caught.value)
        assert by_token.getUserProfile(refresh=True)["userName"] == "eve"
        by_key.login("eve", PASSWORD)
        assert by_key.credentials.secret != API_KEY
        by_key.invalidateAPIKey()
        by_key.invalidateAPIKey()  # the key of this client is invalid: nothing happens
        service.client(None).invalidateAPIKey()


@pytest.mark.parametrize("arguments", [{"password": PASSWORD}, {"authToken": None}])
def test_open_terms_of_use_name_the_way_out(service_of_eve, anyone, arguments):
    if "authToken" in arguments:
        arguments = {"authToken": service_of_eve.token("new")}
    with pytest.raises(SynapseForbiddenError, match=r"^403 .*Terms of use") as caught:
        anyone.login("new", **arguments)
    assert "https://www.synapse.org" in str(caught.value)
    assert anyone.credentials is None


def test_session_token_returns_a_profile(service_of_eve, anyone):
    body = json.dumps({"email": "eve", "password": PASSWORD})
    session = anyone.restPOST("/session", body, endpoint=anyone.authEndpoint)
    with pytest.warns(DeprecationWarning, match="sessionToken"):
        profile = anyone.getUserProfile(sessionToken=session["sessionToken"])
    assert profile["userName"] == "eve"
    headers = {"sessionToken": session["sessionToken"]}
    assert anyone.restGET("/userProfile", headers=headers)["userName"] == "eve"
    assert anyone.username is None


def test_logout_removes_the_credentials(syn):
    syn.logout()
    assert syn.username is None
    assert syn.getUserProfile()["userName"] == "anonymous"


def test_clients_in_one_process_have_separate_identities(service, client_of):
    alice, bob = client_of("alice"), client_of("bob")
    names = [syn.getUserProfile()["userName"] for syn in (alice, bob, alice, bob)]
    assert names == ["alice", "bob", "alice", "bob"]


def test_profiles_of_other_users(service, syn):
    for who in (service.owner_id("bob"), int(service.owner_id("bob")), "bob", "BOB"):
        profile = syn.getUserProfile(who)
        assert (profile.userName, profile.ownerId) == ("bob", service.owner_id("bob"))
        assert "emails" not in profile
    with pytest.raises(ValueError, match="Can't find user"):
        syn.getUserProfile("no such name")
    with pytest.raises(SynapseNotFoundError):
        syn.getUserProfile(999999999)


def test_is_certified(syn):
    assert syn.is_certified("alice") is True
    assert syn.is_certified("dave") is False


def test_set_endpoints_checks_the_endpoints(service, syn):
    syn.setEndpoints(**service.endpoints)
    assert syn.repoEndpoint == service.endpoints["repoEndpoint"]


def test_errors_of_the_service_are_raised(syn):
    with pytest.raises(SynapseNotFoundError, match="404 GET /entity/syn999999999: ") as caught:
        syn.restGET("/entity/syn999999999")
    assert caught.value.response.json()["concreteType"].endswith(".ErrorResponse")
    with pytest.raises(SynapseBadRequestError):
        syn.restGET("/entity/not-an-id")
    with pytest.raises(SynapseNotFoundError):
        syn.restGET("/no/such/route")


def test_async_session_signs_with_an_api_key(socket_service_of_eve):
    call = Call("GET", "/evaluation/name/a name with spaces")

    async def go():
        with socket_service_of_eve.client(None) as syn:
            syn.login("eve", apiKey=API_KEY, silent=True)
            async with httpx2.AsyncClient(trust_env=False) as client:
                session = AsyncSession.of(syn, client)
                profile = await session.call(Call("GET", "/userProfile", params={"a": "b c"}))
                with pytest.raises(SynapseNotFoundError):  # not a 401: the encoded path is signed
                    await session.call(call)
        return profile.json["userName"]

    assert asyncio.run(go()) == "eve"


def test_async_session_runs_the_same_flow(socket_service, socket_client):
    call = flows.with_offset(Call("GET", "/userGroupHeaders", params={"prefix": "ali"}), limit=1)

    async def go():
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await AsyncSession.of(socket_client, client).run(flows.collect_items(call))

    expected = socket_client.run(flows.collect_items(call))
    assert [hit["userName"] for hit in expected] == ["alice"]
    assert asyncio.run(go()) == expected


def test_config_file_is_parsed(client_of, tmp_path):
    path = tmp_path / "config"
    path.write_text("[transfer]\nmax_threads = 3\n")
    syn = client_of("alice", configPath=str(path))
    assert syn.getConfigFile(str(path)).get("transfer", "max_threads") == "3"
    assert syn.max_threads == 3
    assert syn.getConfigFile(str(tmp_path / "none")).sections() == []
