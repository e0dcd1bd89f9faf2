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
def nobody(client_of) -> Synapse:
    return client_of(None)


def test_a_token_says_who_is_asking(service, nobody):
    nobody.login(authToken=service.token("alice"))
    assert nobody.username == "alice"
    profile = nobody.getUserProfile()
    assert (profile.ownerId, profile.userName) == (service.owner_id("alice"), "alice")


def test_the_variable(service, nobody, monkeypatch):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    nobody.login()
    assert nobody.username == "bob"


def test_the_configuration_file(service, tmp_path):
    path = tmp_path / "synapse.ini"
    path.write_text(service.synapse_config("carol"))
    with Synapse(configPath=str(path), requests_session=service.session, silent=True) as syn:
        assert syn.repoEndpoint == service.endpoints["repoEndpoint"]
        syn.login()
        assert syn.username == "carol"


def test_the_argument_comes_first(service, nobody, monkeypatch):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    nobody.login(authToken=service.token("alice"))
    assert nobody.username == "alice"


def test_no_credentials(nobody):
    with pytest.raises(SynapseNoCredentialsError, match="Looked in"):
        nobody.login()
    assert nobody.credentials is None


def test_a_name_or_mail_that_belongs_to_the_token(service, nobody):
    nobody.login("ALICE", authToken=service.token("alice"))
    mail = nobody.getUserProfile()["emails"][0]
    nobody.login(mail, authToken=service.token("alice"))
    assert nobody.username == "alice"


def test_a_token_of_somebody_else(service, nobody):
    with pytest.raises(SynapseAuthenticationError, match="belongs to alice, not to bob"):
        nobody.login("bob", authToken=service.token("alice"))
    assert nobody.credentials is None


def test_a_token_that_was_tampered_with(service, nobody):
    head, body, signature = service.token("alice").split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    with pytest.raises(SynapseUnauthorizedError, match="GET /userProfile") as caught:
        nobody.login(authToken=forged)
    assert forged not in str(caught.value)
    assert "Create a new personal access token" in str(caught.value)


def test_a_token_signed_by_a_stranger(nobody):
    claims = {"sub": "1", "access": {"scope": ["view"]}, "token_type": "PERSONAL_ACCESS_TOKEN"}
    with pytest.raises(SynapseUnauthorizedError):
        nobody.login(authToken=jwt.encode(claims, "a secret of nobody, long enough to sign"))


def test_a_token_without_the_scope_to_write(service, syn, nobody):
    token = syn.restPOST(
        "/personalAccessToken",
        '{"name": "reader of test_login", "scope": ["view"]}',
        endpoint=syn.authEndpoint,
    )["token"]
    nobody.login(authToken=token)
    with pytest.raises(SynapseForbiddenError, match="scope") as caught:
        nobody.restPOST("/entity", '{"concreteType": "org.sagebionetworks.repo.model.Project"}')
    assert "download and modify" in str(caught.value)


def test_nobody_is_told_to_log_in(nobody, syn):
    body = {"concreteType": "org.sagebionetworks.repo.model.Project", "name": f"P {id(syn)}"}
    project = syn.call("POST", "/entity", json=body).json
    with pytest.raises(SynapseAuthenticationError, match="You are not logged in"):
        nobody.restGET(f"/entity/{project['id']}")
    syn.restDELETE(f"/entity/{project['id']}")


def test_logging_out(syn):
    syn.logout()
    assert syn.username is None
    assert syn.getUserProfile()["userName"] == "anonymous"


def test_two_clients_in_one_process(service, client_of):
    alice, bob = client_of("alice"), client_of("bob")
    names = [syn.getUserProfile()["userName"] for syn in (alice, bob, alice, bob)]
    assert names == ["alice", "bob", "alice", "bob"]


def test_profiles_of_others(service, syn):
    for who in (service.owner_id("bob"), int(service.owner_id("bob")), "bob", "BOB"):
        profile = syn.getUserProfile(who)
        assert (profile.userName, profile.ownerId) == ("bob", service.owner_id("bob"))
        assert "emails" not in profile
    with pytest.raises(ValueError, match="Can't find user"):
        syn.getUserProfile("nobody of that name")
    with pytest.raises(SynapseNotFoundError):
        syn.getUserProfile(999999999)


def test_who_is_certified(syn):
    assert syn.is_certified("alice") is True
    assert syn.is_certified("dave") is False


def test_endpoints_are_asked_whether_they_moved(service, syn):
    syn.setEndpoints(**service.endpoints)
    assert syn.repoEndpoint == service.endpoints["repoEndpoint"]


def test_errors_of_the_service_are_told(syn):
    with pytest.raises(SynapseNotFoundError, match="404 GET /entity/syn999999999: ") as caught:
        syn.restGET("/entity/syn999999999")
    assert caught.value.response.json()["concreteType"].endswith(".ErrorResponse")
    with pytest.raises(SynapseBadRequestError):
        syn.restGET("/entity/not-an-id")
    with pytest.raises(SynapseNotFoundError):
        syn.restGET("/no/such/route")


def test_the_same_flow_in_an_event_loop(socket_service, socket_client):
    call = flows.with_offset(Call("GET", "/userGroupHeaders", params={"prefix": "ali"}), limit=1)

    async def go():
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await AsyncSession.of(socket_client, client).run(flows.collect_items(call))

    expected = socket_client.run(flows.collect_items(call))
    assert [hit["userName"] for hit in expected] == ["alice"]
    assert asyncio.run(go()) == expected
