"""Tests of personal access tokens."""

import base64
import json

import pytest
from support.entity_api import REPO, Author, unique_name
from support.file_api import assert_error, ok, start_service

TOKENS = "/auth/v1/personalAccessToken"
DAY = 24 * 60 * 60


def find_record(user, name):
    return next(each for each in list_tokens(user) if each["name"] == name)


def list_tokens(user):
    records, token = [], None
    while True:
        query = "" if token is None else f"?nextPageToken={token}"
        page = ok(user.get(TOKENS + query))
        records += page["results"]
        token = page.get("nextPageToken")
        if token is None:
            return records


def decode_claims(token):
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


@pytest.fixture
def rest_service(tmp_path, recording):
    with start_service(tmp_path, recording) as opened:
        yield opened


def test_token_is_jwt_with_claims(ann, rules):
    token = ann.create_token(scope=["view", "download"])
    token_claims = decode_claims(token)
    seconds = int(rules.clock.now.timestamp())
    assert (token_claims["iat"], token_claims["nbf"]) == (seconds, seconds)
    assert token_claims["sub"] == "3300001"
    assert token_claims["token_type"] == "PERSONAL_ACCESS_TOKEN"
    assert token_claims["access"] == {"scope": ["view", "download"], "oidc_claims": {}}
    assert token_claims["iss"]
    assert token_claims["aud"]
    assert token_claims["jti"]


def test_default_scopes_are_all_except_authorize(ann, author):
    token = ann.create_token(scope=[])
    scopes = decode_claims(token)["access"]["scope"]
    assert "authorize" not in scopes
    assert {"view", "modify", "download"} <= set(scopes)
    assert_error(author("alice", token).post(TOKENS, {}), 403, "authorize")


def test_anonymous_caller_cannot_create_token(anonymous):
    assert_error(anonymous.post(TOKENS, {}), 401)


def test_token_names_are_unique_per_user(ann, ben):
    name = unique_name("token")
    ann.create_token(name=name)
    assert_error(ann.post(TOKENS, {"name": name}), 400, "name")
    ben.create_token(name=name)
    assert_error(ann.post(TOKENS, {"scope": ["everything"]}), 400, "everything")


def test_token_record_does_not_contain_token(ann):
    name = unique_name("token")
    token = ann.create_token(name=name, scope=["view"])
    token_claims = find_record(ann, name)
    assert token not in json.dumps(token_claims)
    assert ok(ann.get(f"{TOKENS}/{token_claims['id']}")) == token_claims
    assert {key: token_claims[key] for key in ("name", "userId", "scopes", "state")} == {
        "name": name,
        "userId": "3300001",
        "scopes": ["view"],
        "state": "ACTIVE",
    }


def test_tokens_of_other_users_are_not_found(ann, ben):
    name = unique_name("token")
    ann.create_token(name=name)
    path = f"{TOKENS}/{find_record(ann, name)['id']}"
    assert_error(ben.get(path), 404)
    assert_error(ben.delete(path), 404)
    assert name not in [each["name"] for each in list_tokens(ben)]


def test_revoked_token_is_rejected(ann, author):
    name = unique_name("token")
    holder = author("alice", ann.create_token(name=name))
    assert holder.get(f"{REPO}/userProfile").ok
    response = ann.delete(f"{TOKENS}/{find_record(ann, name)['id']}")
    assert (response.status_code, response.content) == (200, b"")
    assert_error(holder.get(f"{REPO}/userProfile"), 401)


def test_seeded_token_cannot_be_revoked(ann):
    assert_error(ann.delete("/auth/v1/sessionAccessToken"), 403)
    assert ann.get(f"{REPO}/userProfile").ok


def test_token_list_is_paginated(ann):
    for _ in range(51):
        ann.create_token()
    found = [int(each["id"]) for each in list_tokens(ann)]
    assert found == sorted(set(found), reverse=True)
    assert_error(ann.get(f"{TOKENS}?nextPageToken=x"), 400, "x")


def test_token_over_limit_deletes_least_recently_used(rest_service):
    ann = Author(rest_service, "alice")
    first, second = ann.create_token(name="first"), ann.create_token(name="second")
    rest_service.clock.advance(2 * 60 * 60)
    assert Author(rest_service, "alice", first).get(f"{REPO}/userProfile").ok
    for number in range(99):
        ann.create_token(name=f"token {number}")
    assert Author(rest_service, "alice", first).get(f"{REPO}/userProfile").ok
    assert_error(Author(rest_service, "alice", second).get(f"{REPO}/userProfile"), 401)
    assert ann.get(f"{REPO}/userProfile").ok


def test_token_expires_after_180_days_without_use(rest_service):
    ann = Author(rest_service, "alice")
    idle, busy = ann.create_token(name="idle"), ann.create_token(name="busy")
    for _ in range(2):
        rest_service.clock.advance(100 * DAY)
        assert Author(rest_service, "alice", busy).get(f"{REPO}/userProfile").ok
        assert ann.get(f"{REPO}/userProfile").ok
    assert_error(Author(rest_service, "alice", idle).get(f"{REPO}/userProfile"), 401)
    assert find_record(ann, "idle")["state"] == "EXPIRED"
    assert find_record(ann, "busy")["state"] == "ACTIVE"


def test_tokens_are_valid_after_restart(tmp_path):
    with start_service(tmp_path) as rest_service:
        before = rest_service.tokens
        token = Author(rest_service, "bob").create_token()
    with start_service(tmp_path) as rest_service:
        assert rest_service.tokens == before
        assert (
            ok(Author(rest_service, "bob", token).get(f"{REPO}/userProfile"))["userName"] == "bob"
        )


def test_tokens_of_configured_users_have_all_scopes(rules):
    for token in rules.tokens.values():
        assert {"view", "modify", "download", "authorize"} <= set(
            decode_claims(token)["access"]["scope"]
        )


@pytest.mark.parametrize("depth", [99, 300, 900, 5000, 50_000])
def test_deeply_nested_claims_are_rejected(ann, depth):
    nested = '{"a":' * depth + "1" + "}" * depth
    body = f'{{"name": "{unique_name()}", "userInfoClaims": {{"id_token": {nested}}}}}'
    answer = post_text(ann, "/auth/v1/personalAccessToken", body)
    assert_error(answer, 400, "deeply nested")
    assert ann.get("/auth/v1/personalAccessToken").ok


@pytest.mark.parametrize("opening", ['{"a":', "["])
@pytest.mark.parametrize("path", ["/repo/v1/entity", "/repo/v1/activity", "/repo/v1/column"])
def test_deeply_nested_bodies_are_rejected(ann, path, opening):
    nested = opening * 700 + "1" + {"[": "]"}.get(opening, "}") * 700
    assert_error(post_text(ann, path, f'{{"name": {nested}}}'), 400, "deeply nested")


def post_text(user, path, body):
    headers = {**user.headers, "Content-Type": "application/json"}
    return user.session.post(user.base_url + path, data=body.encode(), headers=headers, timeout=30)
