"""Credentials are sent to Synapse only, and clients do not share them."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.errors import SynapseHTTPError

REPO = "https://repo.example.org/repo/v1"
ELSEWHERE = "https://elsewhere.example.net/x"


def sent(http) -> list[str | None]:
    return [call.request.headers.get("Authorization") for call in http.calls]


def test_token_is_sent_to_all_endpoints(syn, http):
    syn.authEndpoint = "https://auth.example.org/auth/v1"
    http.get(f"{REPO}/x", json=1)
    http.get("https://auth.example.org/auth/v1/x", json=1)
    syn.restGET("/x")
    syn.call("GET", "/x", endpoint="auth")
    syn.restGET(f"{REPO}/x")
    assert sent(http) == ["Bearer secret-token-of-alice"] * 3


def test_token_is_not_sent_to_another_host(syn, http):
    http.get(ELSEWHERE, body="fine")
    assert syn.restGET(ELSEWHERE) == "fine"
    assert sent(http) == [None]


@pytest.mark.parametrize(
    "url", ["http://repo.example.org/repo/v1/x", "https://repo.example.org:8443/repo/v1/x"]
)
def test_token_is_not_sent_to_another_scheme_or_port(syn, http, url):
    http.get(url, json=1)
    syn.restGET(url)
    assert sent(http) == [None]


def test_token_is_sent_to_an_endpoint_given_in_the_call(syn, http):
    http.get("https://staging.example.org/repo/v1/x", json=1)
    syn.restGET("/x", endpoint="https://staging.example.org/repo/v1")
    assert sent(http) == ["Bearer secret-token-of-alice"]


def test_auth_none_sends_no_token(syn, http):
    http.get(f"{REPO}/x", json=1)
    syn.restGET("/x", auth=None)
    assert sent(http) == [None]


def test_auth_token_is_used_for_one_call(syn, http):
    http.get(f"{REPO}/x", json=1)
    syn.call("GET", "/x", auth=Token("another-token-here"))
    syn.call("GET", "/x")
    assert sent(http) == ["Bearer another-token-here", "Bearer secret-token-of-alice"]


def test_token_is_added_to_custom_headers(syn, http):
    http.get(f"{REPO}/x", json=1)
    syn.restGET("/x", headers={"Accept": "text/csv"})
    headers = http.calls[0].request.headers
    assert headers["Accept"] == "text/csv"
    assert headers["Authorization"] == "Bearer secret-token-of-alice"
    assert "content-type" not in headers


def test_default_headers(syn, http):
    http.post(f"{REPO}/x", json=1)
    syn.restPOST("/x", "{}")
    headers = http.calls[0].request.headers
    assert headers["content-type"] == headers["Accept"] == "application/json; charset=UTF-8"
    assert headers["User-Agent"].startswith("synapse-workflows/")
    assert "python-requests/" in headers["User-Agent"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_host_sends_no_token(syn, http, status):
    http.get(f"{REPO}/file", status=status, headers={"Location": ELSEWHERE})
    http.get(ELSEWHERE, body="bytes")
    headers = {"sessionToken": "t", "Cookie": "c=1", "Range": "bytes=0-4"}
    assert syn.restGET("/file", headers=headers) == "bytes"
    headers = http.calls[1].request.headers
    assert headers["Range"] == "bytes=0-4"
    assert not {"Authorization", "sessionToken", "Cookie"} & set(headers)


@pytest.mark.parametrize(
    "change", [("https://", "http://"), (".org/", ".org:8443/"), (".org/", ".org.example.net/")]
)
def test_redirect_to_another_origin_sends_no_private_header(syn, http, change):
    target = f"{REPO}/there".replace(*change)
    http.get(f"{REPO}/file", status=302, headers={"Location": target})
    http.get(target, body="bytes")
    syn._requests.headers["sessionToken"] = "of the session"
    assert syn.restGET("/file", headers={"Cookie": "c=1", "Signature": "s"}) == "bytes"
    first, second = (set(map(str.lower, call.request.headers)) for call in http.calls)
    private = {"authorization", "sessiontoken", "cookie", "signature"}
    assert private & first == private
    assert not private & second


def test_redirect_within_synapse_sends_the_token(syn, http):
    http.get(f"{REPO}/a", status=302, headers={"Location": "/repo/v1/b"})
    http.get(f"{REPO}/b", json=2)
    assert syn.restGET("/a") == 2
    assert sent(http) == ["Bearer secret-token-of-alice"] * 2


def test_redirect_back_from_another_host_sends_the_token_only_to_synapse(syn, http):
    http.get(f"{REPO}/a", status=302, headers={"Location": ELSEWHERE})
    http.get(ELSEWHERE, status=302, headers={"Location": f"{REPO}/b"})
    http.get(f"{REPO}/b", json=2)
    assert syn.restGET("/a") == 2
    assert sent(http)[1] is None


def test_auth_token_is_not_sent_to_another_host(syn, http):
    http.get(ELSEWHERE, status=302, headers={"Location": "https://third.example.net/"})
    http.get("https://third.example.net/", body="x")
    syn.call("GET", ELSEWHERE, auth=Token("another-token-here"))
    assert sent(http) == ["Bearer another-token-here", None]


def test_post_is_not_redirected(syn, http):
    http.post(f"{REPO}/x", status=307, headers={"Location": ELSEWHERE})
    with pytest.raises(SynapseHTTPError, match="307 POST /x"):
        syn.restPOST("/x", "{}")


def test_redirect_loop_ends(syn, http):
    around = http.get(f"{REPO}/x", status=302, headers={"Location": f"{REPO}/x"})
    with pytest.raises(SynapseHTTPError, match="302 GET /x"):
        syn.restGET("/x")
    assert around.call_count < 10


def test_netrc_is_not_used(make, http, home):
    netrc = home / ".netrc"
    netrc.write_text("default login mallory password pw\n")
    netrc.chmod(0o600)
    http.get(f"{REPO}/a", status=302, headers={"Location": ELSEWHERE})
    http.get(ELSEWHERE, body="x")
    make().restGET("/a")
    make("token-of-alice-000").restGET("/a")
    assert sent(http) == [None, None, "Bearer token-of-alice-000", None]


def test_authorization_of_the_requests_session_is_not_used(make, http):
    session = requests.Session()
    session.headers["Authorization"] = "Bearer of-another-user"
    http.get(f"{REPO}/x", json=1)
    make(requests_session=session).restGET("/x")
    make("token-of-alice-000", requests_session=session).restGET("/x")
    assert sent(http) == [None, "Bearer token-of-alice-000"]


def test_concurrent_clients_use_their_own_token(make, http):
    def answer(request):
        who = request.headers["Authorization"].rpartition("-")[2]
        return (
            200,
            {"Content-Type": "application/json"},
            f'{{"userName": "{who}", "ownerId": "1"}}',
        )

    http.add_callback("GET", f"{REPO}/userProfile/", callback=answer)
    clients = {name: make(f"token-of-{name}") for name in ("alice", "bob")}

    def is_logged_in(name: str) -> bool:
        return clients[name].getUserProfile(refresh=True)["userName"] == name

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_logged_in, ["alice", "bob"] * 20))
    assert clients["alice"].getUserProfile()["userName"] == "alice"
    assert clients["bob"].getUserProfile()["userName"] == "bob"


def test_pickled_methods_have_the_settings_but_no_token(make, http):
    syn = make("token-of-alice-000", silent=True, cache_limit=5)
    syn.subscribe(print)
    pickled = pickle.dumps(syn.restGET)
    assert b"token-of-alice" not in pickled
    rest = pickle.loads(pickled)  # noqa: S301
    http.get(f"{REPO}/x", json=7)
    assert rest("/x") == 7
    assert sent(http) == [None]
    copy = rest.__self__
    copy.close()
    assert (copy.silent, copy.retry, copy.username) == (True, syn.retry, None)
    assert copy.cache.cache_root_dir == syn.cache.cache_root_dir
