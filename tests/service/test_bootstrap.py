"""Tests of the configured users and their tokens."""

import sqlite3
from contextlib import closing

import pytest
from support.entity_api import REPO, Author
from support.file_api import ok, start_service

from synapse_workflows.local.errors import ServiceError
from synapse_workflows.local.settings import UserSeed
from synapse_workflows.local.storage.data_dir import DATABASE


def test_configured_users_have_configured_tokens(tmp_path):
    users = (
        UserSeed(user_name="root", admin=True, owner_id=1),
        UserSeed(user_name="Zoë Q.", token="open sesame", owner_id=3300001, first_name="Zoë"),
        UserSeed(user_name="next", certified=False),
    )
    with start_service(tmp_path, users=users) as rest_service:
        assert rest_service.tokens["Zoë Q."] == "open sesame"
        profile = ok(Author(rest_service, "Zoë Q.").get(f"{REPO}/userProfile"))
        assert (profile["ownerId"], profile["firstName"]) == ("3300001", "Zoë")
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
def test_conflicting_users_are_rejected_at_start(tmp_path, second):
    first = UserSeed(user_name="a", token="same", owner_id=1)
    with (
        pytest.raises(Exception, match=r"already in use|belongs to"),
        start_service(tmp_path, users=(first, second)),
    ):
        pass


@pytest.mark.parametrize("owner_id", [2**63, 10**30, 0, -5])
def test_owner_id_outside_64_bits_is_rejected(tmp_path, owner_id):
    users = (UserSeed(user_name="big", owner_id=owner_id),)
    with pytest.raises(ServiceError, match="64-bit"), start_service(tmp_path, users=users):
        pass


def rename(user, name):
    profile = ok(user.get(f"{REPO}/userProfile"))
    return ok(user.put(f"{REPO}/userProfile", {**profile, "userName": name}))


@pytest.mark.parametrize("name", ["admin", "alice"])
def test_configured_users_stay_the_same_users_when_they_change_their_name(tmp_path, name):
    with start_service(tmp_path) as service:
        user = Author(service, name)
        token = service.tokens[name]
        profile = rename(user, f"{name} the second")
        ok(Author(service, "bob").post(f"{REPO}/team", {"name": name}))  # takes the free name
    for _ in range(2):
        with start_service(tmp_path) as service:
            assert service.tokens[f"{name} the second"] == token
            assert len(service.tokens) == 5
            assert ok(Author(service, None, token).get(f"{REPO}/userProfile")) == profile


def test_a_data_directory_without_the_table_of_configured_users_gets_it(tmp_path):
    with start_service(tmp_path) as service:
        before = service.tokens
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute("DROP TABLE configured_user")
    with start_service(tmp_path) as service:
        assert service.tokens == before
        rename(Author(service, "carol"), "caz")
    with start_service(tmp_path) as service:
        assert service.tokens["caz"] == before["carol"]
