"""Logins with a service that does not support them any more, or that responds incorrectly."""

import base64
import http.client

import pytest

from synapse_workflows.client.errors import SynapseAuthenticationError, SynapseResponseError

REPO = "https://repo.example.org/repo/v1"
AUTH = "https://repo.example.org/auth/v1"
API_KEY = base64.b64encode(b"the hush key of eve").decode()
PROFILE = {"ownerId": "7", "userName": "eve"}
ANONYMOUS = {"ownerId": "273950", "userName": "anonymous"}


@pytest.fixture
def service(http):
    """Function that sets the responses of a service: status and JSON body of each endpoint."""

    def respond(session=(201, {"sessionToken": "hush-session"}), key=(404, {}), profile=PROFILE):
        http.add("POST", f"{AUTH}/session", status=session[0], json=session[1])
        http.add("GET", f"{AUTH}/secretKey", status=key[0], json=key[1])
        http.add("GET", f"{REPO}/userProfile", json=profile)

    return respond


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_service_without_api_keys_names_the_password(make, service, status):
    service(key=(status, {}))
    with pytest.raises(SynapseAuthenticationError, match="login with a password") as caught:
        make().login("eve", "hush-password")
    assert f"{status} GET /secretKey" in str(caught.value)
    assert "personal access token" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_service_without_api_keys_gets_the_token_of_the_file(make, service, home):
    service()
    (home / ".synapseConfig").write_text(
        "[authentication]\nusername = eve\npassword = hush-password\nauthtoken = token-eve\n"
    )
    syn = make()
    syn.login(silent=True)
    assert syn.credentials.noun == "token"


@pytest.mark.parametrize("value", [None, 5, "", ["hush"]])
@pytest.mark.parametrize("name", ["sessionToken", "secretKey", "userName"])
def test_invalid_property_of_a_response_is_no_secret(make, service, name, value):
    body = {name: value}
    session = body if name == "sessionToken" else {"sessionToken": "hush-session"}
    key = body if name == "secretKey" else {"secretKey": API_KEY}
    service((201, session), (200, key), PROFILE | body if name == "userName" else PROFILE)
    with pytest.raises(SynapseResponseError, match=f"invalid '{name}'") as caught:
        make().login("eve", "hush-password")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"authToken": "hush-token"}, "ignores the token from the argument authToken"),
        ({"email": "anonymous", "apiKey": API_KEY}, "login with an API key"),
    ],
)
def test_service_that_ignores_credentials_is_reported(make, service, arguments, expected):
    service(profile=ANONYMOUS)
    syn = make()
    with pytest.raises(SynapseAuthenticationError, match=expected):
        syn.login(**arguments)
    assert syn.credentials is None


def test_debugging_of_http_client_prints_no_token(make, faulty_server, monkeypatch, capfd):
    body = b'{"ownerId": "7", "userName": "eve"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    address, received = faulty_server(lambda it: it.sendall(head % len(body) + body))
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    make(repo=address).login(authToken="hush-token", silent=True)
    assert b"hush-token" in received[0]
    assert "hush" not in "".join(capfd.readouterr())
