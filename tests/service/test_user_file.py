"""Files of users: who is in, and what is wrong with the others."""

import json

import pytest

from synapse_workflows.local.settings import DEFAULT_USERS
from synapse_workflows.local.user_file import (
    UserFileError,
    load_users,
    read_user_file,
    save_user_file,
)


def written(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_without_a_file_there_are_the_usual_users(tmp_path):
    assert load_users(tmp_path, None) == DEFAULT_USERS


def test_a_file_is_kept_for_the_starts_that_follow(tmp_path):
    mine = written(tmp_path, [{"userName": "eve", "token": "t"}])
    save_user_file(tmp_path, mine)
    assert load_users(tmp_path, None) == read_user_file(mine)
    other = tmp_path / "other.json"
    other.write_text('[{"userName": "mallory"}]')
    assert load_users(tmp_path, other) == read_user_file(other)


def test_an_administrator_is_added_where_there_is_none(tmp_path):
    names = [user.user_name for user in read_user_file(written(tmp_path, [{"userName": "eve"}]))]
    assert names == ["admin", "eve"]


def test_a_user_named_admin_is_the_administrator(tmp_path):
    first, second = read_user_file(written(tmp_path, [{"userName": "eve"}, {"userName": "Admin"}]))
    assert (first.user_name, first.admin, second.user_name) == ("Admin", True, "eve")


def test_all_keys(tmp_path):
    entry = {
        "userName": "eve", "token": "t", "certified": False, "admin": True,
        "firstName": "Eve", "lastName": "E", "email": "e@example.org", "ownerId": "12",
    }  # fmt: skip
    (user,) = read_user_file(written(tmp_path, [entry]))
    assert (user.user_name, user.token, user.certified, user.admin) == ("eve", "t", False, True)
    assert (user.first_name, user.last_name, user.email) == ("Eve", "E", "e@example.org")
    assert user.owner_id == 12
    assert "token" not in repr(user)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ({}, "JSON list of users"),
        ([], "JSON list of users"),
        (["eve"], "user 1: must be an object"),
        ([{"userName": "eve"}, {}], "user 2: userName is missing"),
        ([{"userName": " "}], "userName is missing"),
        ([{"userName": 5}], "userName must be of type str"),
        ([{"userName": "eve", "certified": "yes"}], "certified must be of type bool"),
        ([{"userName": "eve", "ownerId": True}], "ownerId must be of type int"),
        ([{"userName": "eve", "pasword": "x"}], "unknown key 'pasword'"),
        ([{"userName": "eve"}, {"userName": "E.V.E"}], "two users have the same user_name"),
        ([{"userName": "a", "token": "t"}, {"userName": "b", "token": "t"}], "same token"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, words):
    with pytest.raises(UserFileError, match=words):
        read_user_file(written(tmp_path, content))


def test_a_token_is_not_told_in_an_error(tmp_path):
    twice = [{"userName": "a", "token": "secret-one"}, {"userName": "b", "token": "secret-one"}]
    with pytest.raises(UserFileError) as caught:
        read_user_file(written(tmp_path, twice))
    assert "secret-one" not in str(caught.value)
