"""Login, profiles and plain requests against the service, in-process and over a socket."""

import asyncio

import httpx2
import jwt
import pytest

from synapse_workflows import Synapse
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


def test_async_session_runs_the_same_flow(socket_service, socket_client):
    call = flows.with_offset(Call("GET", "/userGroupHeaders", params={"prefix": "ali"}), limit=1)

    async def go():
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await AsyncSession.of(socket_client, client).run(flows.collect_items(call))

    expected = socket_client.run(flows.collect_items(call))
    assert [hit["userName"] for hit in expected] == ["alice"]
    assert asyncio.run(go()) == expected
