"""Tests of the lookup of users and teams by ID, by name and by prefix."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.team_api import create_team


@pytest.fixture(scope="module")
def service(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("headers"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="module")
def ben(service):
    return Author(service, "bob")


@pytest.fixture(scope="module")
def anonymous(service):
    return Author(service, None)


def headers(user, query):
    return ok(user.get(f"{REPO}/userGroupHeaders{query}"))


@pytest.mark.parametrize("prefix", ["al", "ALICE", "arch", "Alice"])
def test_prefix_search_matches_any_name(ben, prefix):
    found = headers(ben, f"?prefix={prefix}")
    assert found["prefixFilter"] == prefix
    assert found["children"] == [
        {
            "ownerId": "3300001",
            "userName": "alice",
            "firstName": "Alice",
            "lastName": "Archer",
            "isIndividual": True,
        }
    ]


def test_prefix_search_escapes_wildcards_and_excludes_builtin_groups(ben):
    for prefix in ("%25", "_", "lice", "AUTHENTICATED", "anonymous"):
        assert headers(ben, f"?prefix={prefix}")["children"] == []


def test_prefix_search_is_paginated(ben):
    headers_all = headers(ben, "?limit=100")["children"]
    assert [each["userName"] for each in headers_all] == ["admin", "alice", "bob", "carol", "dave"]
    assert headers(ben, "?limit=2")["totalNumberOfResults"] == 3
    assert headers(ben, "?limit=2&offset=4")["children"] == headers_all[4:]
    assert headers(ben, "?limit=2&offset=5")["children"] == []
    assert headers(ben, "?typeFilter=TEAMS_ONLY")["children"] == []
    assert len(headers(ben, "?typeFilter=USERS_ONLY")["children"]) == 5
    assert_error(ben.get(f"{REPO}/userGroupHeaders?typeFilter=X"), 400, "X")
    assert_error(ben.get(f"{REPO}/userGroupHeaders?limit=-1"), 400, "limit")


def test_headers_by_id_omit_unknown_principals(ben, anonymous):
    found = headers(anonymous, "/batch?ids=3300001,99,273949,273948")["children"]
    assert [(each["ownerId"], each["isIndividual"]) for each in found] == [
        ("3300001", True), ("273949", False), ("273948", False),
    ]  # fmt: skip
    assert_error(ben.get(f"{REPO}/userGroupHeaders/batch?ids=1,x"), 400, "x")
    assert_error(ben.get(f"{REPO}/userGroupHeaders/batch"), 400, "ids")


def test_headers_by_alias(ben):
    path = f"{REPO}/userGroupHeaders/aliases"
    found = ok(ben.post(path, {"list": ["alice", "ali", "bob"]}))["list"]
    assert [each["userName"] for each in found] == ["alice", "bob"]
    assert_error(ben.post(path, {"list": []}), 400, "100")
    assert_error(ben.post(path, {"list": ["x"] * 101}), 400, "100")


def test_teams_are_listed_with_users(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ben = Author(service, "bob")
        team = create_team(ben, name="Bobcats & Co.")["id"]
        umlaut = create_team(ben, name="Österreich")["id"]
        header = {"ownerId": team, "userName": "Bobcats & Co.", "isIndividual": False}
        assert [each["userName"] for each in headers(ben, "?prefix=bob")["children"]] == [
            "bob", "Bobcats & Co.",
        ]  # fmt: skip
        assert headers(ben, "?prefix=BOB&typeFilter=TEAMS_ONLY")["children"] == [header]
        found = headers(ben, "?prefix=bob&typeFilter=USERS_ONLY")["children"]
        assert [each["userName"] for each in found] == ["bob"]
        assert headers(ben, f"/batch?ids={team}")["children"] == [header]
        path = f"{REPO}/userGroupHeaders/aliases"
        assert ok(ben.post(path, {"list": ["Bobcats & Co."]}))["list"] == [header]
        for prefix in ("ös", "ÖSTER"):  # case of non-ASCII letters is ignored as well
            found = headers(ben, f"?prefix={prefix}")["children"]
            assert [each["ownerId"] for each in found] == [umlaut]
