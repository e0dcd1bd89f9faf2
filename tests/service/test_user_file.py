"""Tests of user files: loading, saving and validation."""

import json

import pytest

from synapse_workflows.local.settings import DEFAULT_USERS
from synapse_workflows.local.user_file import (
    UserFileError,
    load_users,
    read_user_file,
    save_user_file,
)


def write_user_file(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_load_users_without_file_returns_default_users(tmp_path):
    assert load_users(tmp_path, None) == DEFAULT_USERS


def test_saved_user_file_is_loaded_unless_another_one_is_given(tmp_path):
    path = write_user_file(tmp_path, [{"userName": "eve", "token": "t"}])
    save_user_file(tmp_path, path)
    assert load_users(tmp_path, None) == read_user_file(path)
    other = tmp_path / "other.json"
    other.write_text('[{"userName": "mallory"}]')
    assert load_users(tmp_path, other) == read_user_file(other)


def test_default_administrator_is_added_to_users_without_administrator(tmp_path):
    names = [
        user.user_name for user in read_user_file(write_user_file(tmp_path, [{"userName": "eve"}]))
    ]
    assert names == ["admin", "eve"]


def test_user_named_admin_becomes_the_administrator(tmp_path):
    first, second = read_user_file(
        write_user_file(tmp_path, [{"userName": "eve"}, {"userName": "Admin"}])
    )
    assert (first.user_name, first.admin, second.user_name) == ("Admin", True, "eve")


def test_read_user_file_returns_all_fields(tmp_path):
    entry = {
        "userName": "eve", "token": "t", "certified": False, "admin": True,
        "firstName": "Eve", "lastName": "E", "email": "e@example.org", "ownerId": "12",
        "password": "open sesame", "apiKey": "c2VjcmV0", "acceptsTermsOfUse": False,
        "orcid": "https://orcid.org/0000-0002-1825-0097",
    }  # fmt: skip
    (user,) = read_user_file(write_user_file(tmp_path, [entry]))
    assert (user.user_name, user.token, user.certified, user.admin) == ("eve", "t", False, True)
    assert (user.first_name, user.last_name, user.email) == ("Eve", "E", "e@example.org")
    assert user.owner_id == 12
    assert user.orcid == "https://orcid.org/0000-0002-1825-0097"
    assert (user.password, user.api_key) == ("open sesame", "c2VjcmV0")
    assert user.accepts_terms_of_use is False
    assert not any(word in repr(user) for word in ("token", "sesame", "c2VjcmV0"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ({}, "JSON list of users"),
        ([], "JSON list of users"),
        (["eve"], "user 1: must be an object"),
        ([{"userName": "eve"}, {}], "user 2: userName is missing"),
        ([{"userName": " "}], "userName is missing"),
        ([{"userName": 5}], "userName must be of type str"),
        ([{"userName": "eve", "certified": "yes"}], "certified must be of type bool"),
        ([{"userName": "eve", "ownerId": True}], "ownerId must be of type int"),
        ([{"userName": "eve", "pasword": "x"}], "unknown key 'pasword'"),
        ([{"userName": "eve", "password": ""}], "password is empty"),
        ([{"userName": "eve", "apiKey": "not base64!"}], "apiKey must be Base64$"),
        ([{"userName": "eve", "apiKey": ""}], "apiKey must be Base64$"),
        ([{"userName": "eve"}, {"userName": "E.V.E"}], "two users have the same user_name"),
        ([{"userName": "a", "token": "t"}, {"userName": "b", "token": "t"}], "same token"),
    ],
)
def test_invalid_file_raises_error(tmp_path, content, message):
    with pytest.raises(UserFileError, match=message):
        read_user_file(write_user_file(tmp_path, content))


def test_error_message_does_not_contain_tokens(tmp_path):
    duplicates = [
        {"userName": "a", "token": "secret-one"},
        {"userName": "b", "token": "secret-one"},
    ]
    with pytest.raises(UserFileError) as caught:
        read_user_file(write_user_file(tmp_path, duplicates))
    assert "secret-one" not in str(caught.value)
