"""Personal access tokens: what they hold, when they are good, and how they are handled."""

import base64
import json

import pytest
from support.entity_api import REPO, Author, unique_name
from support.file_api import assert_error, ok, start_service

from synapse_workflows.constants import PROJECT
from synapse_workflows.local.settings import UserSeed

TOKENS = "/auth/v1/personalAccessToken"
DAY = 24 * 60 * 60


def new(person, **body):
    body.setdefault("name", unique_name("token"))
    return ok(person.post(TOKENS, body))["token"]


def record(person, name):
    return next(each for each in listing(person) if each["name"] == name)


def listing(person):
    found, token = [], None
    while True:
        query = "" if token is None else f"?nextPageToken={token}"
        page = ok(person.get(TOKENS + query))
        found += page["results"]
        token = page.get("nextPageToken")
        if token is None:
            return found


def claims(token):
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


@pytest.fixture
def rest_service(tmp_path, recording):
    with start_service(tmp_path, recording) as opened:
        yield opened


def test_a_token_is_a_jwt_whose_claims_clients_read(ann, rules):
    token = new(ann, scope=["view", "download"])
    told = claims(token)
    seconds = int(rules.clock.now.timestamp())
    assert (told["iat"], told["nbf"]) == (seconds, seconds)
    assert told["sub"] == "3300001"
    assert told["token_type"] == "PERSONAL_ACCESS_TOKEN"
    assert told["access"] == {"scope": ["view", "download"], "oidc_claims": {}}
    assert told["iss"]
    assert told["aud"]
    assert told["jti"]


def test_the_tokens_of_the_users_hold_everything(rules):
    for token in rules.tokens.values():
        assert {"view", "modify", "download", "authorize"} <= set(claims(token)["access"]["scope"])


def test_without_a_scope_all_but_authorize_are_given(ann, author):
    token = new(ann, scope=[])
    scopes = claims(token)["access"]["scope"]
    assert "authorize" not in scopes
    assert {"view", "modify", "download"} <= set(scopes)
    assert_error(author("alice", token).post(TOKENS, {}), 403, "authorize")


def test_a_scope_that_is_missing_is_named(ann, author):
    reader = author("alice", new(ann, scope=["view"]))
    project = ann.new_project()["id"]
    assert reader.entity(project)["id"] == project
    body = assert_error(reader.try_make(PROJECT), 403, "modify")
    assert body["concreteType"].endswith("OAuthErrorResponse")
    assert body["error"] == "insufficient_scope"
    assert body["error_description"] == body["reason"]
    assert_error(reader.get(f"{REPO}/entity/{project}/file"), 403, "download")
    blind = author("alice", new(ann, scope=["download"]))
    assert_error(blind.get(f"{REPO}/userProfile"), 403, "view")


@pytest.mark.parametrize("header", ["Bearer x", "Bearer x.y.z", "Bearer ", "Basic YTpi", "x"])
def test_bad_credentials_are_refused_everywhere(rules, header):
    for path in (f"{REPO}/userProfile", f"{REPO}/entity/syn4489", TOKENS):
        answer = rules.session.get(
            rules.base_url + path, headers={"Authorization": header}, timeout=30
        )
        assert_error(answer, 401, "Invalid access token")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Synapse Repository Services"'


def test_a_forged_signature_is_refused(ann, author):
    token = new(ann)
    forged = token[:-6] + ("aaaaaa" if not token.endswith("aaaaaa") else "bbbbbb")
    assert_error(author("alice", forged).get(f"{REPO}/userProfile"), 401)


def test_the_legacy_session_header_takes_the_same_tokens(rules):
    answer = rules.session.get(
        f"{rules.base_url}{REPO}/userProfile",
        headers={"sessionToken": rules.tokens["bob"]},
        timeout=30,
    )
    assert ok(answer)["userName"] == "bob"


def test_an_anonymous_caller_gets_no_token(anonymous):
    assert_error(anonymous.post(TOKENS, {}), 401)


def test_names_are_unique_per_user(ann, ben):
    name = unique_name("token")
    new(ann, name=name)
    assert_error(ann.post(TOKENS, {"name": name}), 400, "name")
    new(ben, name=name)
    assert_error(ann.post(TOKENS, {"scope": ["everything"]}), 400, "everything")


def test_a_record_tells_of_a_token_and_never_shows_it(ann):
    name = unique_name("token")
    token = new(ann, name=name, scope=["view"])
    told = record(ann, name)
    assert token not in json.dumps(told)
    assert ok(ann.get(f"{TOKENS}/{told['id']}")) == told
    assert {key: told[key] for key in ("name", "userId", "scopes", "state")} == {
        "name": name,
        "userId": "3300001",
        "scopes": ["view"],
        "state": "ACTIVE",
    }


def test_one_sees_and_revokes_only_ones_own(ann, ben):
    name = unique_name("token")
    new(ann, name=name)
    path = f"{TOKENS}/{record(ann, name)['id']}"
    assert_error(ben.get(path), 404)
    assert_error(ben.delete(path), 404)
    assert name not in [each["name"] for each in listing(ben)]


def test_a_revoked_token_is_worthless(ann, author):
    name = unique_name("token")
    holder = author("alice", new(ann, name=name))
    assert holder.get(f"{REPO}/userProfile").ok
    answer = ann.delete(f"{TOKENS}/{record(ann, name)['id']}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert_error(holder.get(f"{REPO}/userProfile"), 401)


def test_the_token_of_the_user_list_stays(ann):
    assert_error(ann.delete("/auth/v1/sessionAccessToken"), 403)
    assert ann.get(f"{REPO}/userProfile").ok


def test_the_list_comes_in_pages(ann):
    for _ in range(51):
        new(ann)
    found = [int(each["id"]) for each in listing(ann)]
    assert found == sorted(set(found), reverse=True)
    assert_error(ann.get(f"{TOKENS}?nextPageToken=x"), 400, "x")


def test_beyond_100_tokens_the_least_recently_used_goes(rest_service):
    ann = Author(rest_service, "alice")
    first, second = new(ann, name="first"), new(ann, name="second")
    rest_service.clock.advance(2 * 60 * 60)
    assert Author(rest_service, "alice", first).get(f"{REPO}/userProfile").ok
    for number in range(99):
        new(ann, name=f"token {number}")
    assert Author(rest_service, "alice", first).get(f"{REPO}/userProfile").ok
    assert_error(Author(rest_service, "alice", second).get(f"{REPO}/userProfile"), 401)
    assert ann.get(f"{REPO}/userProfile").ok


def test_a_token_expires_after_180_days_of_idleness(rest_service):
    ann = Author(rest_service, "alice")
    idle, busy = new(ann, name="idle"), new(ann, name="busy")
    for _ in range(2):
        rest_service.clock.advance(100 * DAY)
        assert Author(rest_service, "alice", busy).get(f"{REPO}/userProfile").ok
        assert ann.get(f"{REPO}/userProfile").ok
    assert_error(Author(rest_service, "alice", idle).get(f"{REPO}/userProfile"), 401)
    assert record(ann, "idle")["state"] == "EXPIRED"
    assert record(ann, "busy")["state"] == "ACTIVE"


def test_tokens_outlive_a_restart(tmp_path):
    with start_service(tmp_path) as rest_service:
        before = rest_service.tokens
        made = new(Author(rest_service, "bob"))
    with start_service(tmp_path) as rest_service:
        assert rest_service.tokens == before
        assert (
            ok(Author(rest_service, "bob", made).get(f"{REPO}/userProfile"))["userName"] == "bob"
        )


def test_users_of_ones_own_with_tokens_of_ones_own(tmp_path):
    users = (
        UserSeed(user_name="root", admin=True, owner_id=1),
        UserSeed(user_name="Zoë Q.", token="open sesame", owner_id=3300001, first_name="Zoë"),
        UserSeed(user_name="next", certified=False),
    )
    with start_service(tmp_path, users=users) as rest_service:
        assert rest_service.tokens["Zoë Q."] == "open sesame"
        mine = ok(Author(rest_service, "Zoë Q.").get(f"{REPO}/userProfile"))
        assert (mine["ownerId"], mine["firstName"]) == ("3300001", "Zoë")
        assert (
            int(ok(Author(rest_service, "next").get(f"{REPO}/userProfile"))["ownerId"]) > 3300001
        )
    with start_service(tmp_path, users=users[:2]) as rest_service:
        assert Author(rest_service, "Zoë Q.").get(f"{REPO}/userProfile").ok


@pytest.mark.parametrize(
    "second",
    [
        UserSeed(user_name="b", owner_id=1),
        UserSeed(user_name="b", token="same"),
        UserSeed(user_name="public"),
    ],
)
def test_users_that_contradict_each_other_stop_the_start(tmp_path, second):
    first = UserSeed(user_name="a", token="same", owner_id=1)
    with (
        pytest.raises(Exception, match=r"already in use|belongs to"),
        start_service(tmp_path, users=(first, second)),
    ):
        pass


def test_api_keys_are_gone_and_the_reason_says_what_replaces_them(ann):
    assert_error(ann.get("/auth/v1/secretKey"), 410, "personal access token")
