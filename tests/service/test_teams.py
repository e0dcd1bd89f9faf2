"""Tests of teams: create, read, update, delete and lists."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from support.entity_api import ALL_RIGHTS, REPO, Author, unique_name
from support.evaluation_api import EVALUATION
from support.file_api import assert_error, ok, start_service
from support.team_api import (
    INVITATION,
    REQUEST,
    TEAM,
    add_member,
    create_team,
    get_status,
    join,
    leave,
    list_members,
)

from synapse_workflows.local.storage.data_dir import DATABASE

UNKNOWN = "Team with id 99 does not exist"


def test_create_returns_all_properties(ann, rules):
    now = rules.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    team = create_team(ann, name="Blue Team", description="Blue.", concreteType="ignored", id=None)
    assert team == {
        "id": team["id"],
        "name": "Blue Team",
        "description": "Blue.",
        "canPublicJoin": False,
        "canRequestMembership": True,
        "etag": team["etag"],
        "createdOn": now,
        "createdBy": str(ann.id),
        "modifiedOn": now,
        "modifiedBy": str(ann.id),
    }
    assert int(team["id"]) > 3_300_000
    assert ok(ann.get(f"{TEAM}/{team['id']}")) == team


def test_everyone_reads_a_team(ann, anonymous):
    team = create_team(ann)
    assert ok(anonymous.get(f"{TEAM}/{team['id']}")) == team
    assert_error(anonymous.get(f"{TEAM}/99"), 404, UNKNOWN)
    assert_error(anonymous.get(f"{TEAM}/2"), 404)  # a built-in group
    assert_error(anonymous.get(f"{TEAM}/{ann.id}"), 404)  # a user
    assert_error(anonymous.get(f"{TEAM}/red"), 400, "red")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name is required"),
        ({"name": ""}, "name is required"),
        ({"name": "  "}, "Invalid name"),
        ({"name": "..."}, "Invalid name '...': it must contain a letter or a digit"),
        ({"name": "red\nteam"}, "no control characters"),
        ({"name": "x" * 257}, "name must be 256 characters or less; it has 257."),
        ({"name": ["x"]}, "name must be text"),
        ({"name": "x", "id": "3300099"}, "id is set by the service"),
        ({"name": "x", "etag": "e"}, "etag is set by the service"),
        ({"name": "x", "createdBy": "1"}, "createdBy is set by the service"),
        ({"name": "x", "createdOn": "2026-01-01T00:00:00Z"}, "createdOn is set by the service"),
        ({"name": "x", "modifiedBy": "1"}, "modifiedBy is set by the service"),
        ({"name": "x", "canPublicJoin": "yes"}, "canPublicJoin must be true or false"),
        ({"name": "x", "icon": "red.png"}, "icon"),
    ],
)
def test_create_rejects_invalid_bodies(ann, body, words):
    assert_error(ann.post(TEAM, body), 400, words)


def test_anonymous_callers_create_no_team(anonymous, dan):
    assert_error(anonymous.post(TEAM, {"name": unique_name()}), 403)
    assert create_team(dan)["createdBy"] == str(dan.id)  # certification is not needed


def test_names_are_unique_among_teams_and_users(ann, ben, author):
    name = unique_name("Red Herrings")
    team = create_team(ann, name=f" {name} ")
    assert team["name"] == name
    for taken in (name, name.upper(), name.replace(" ", "-"), "Alice"):
        assert_error(ben.post(TEAM, {"name": taken}), 409, f"{taken} is already taken")
    carol = author("carol")
    profile = ok(carol.get(f"{REPO}/userProfile"))
    assert_error(carol.put(f"{REPO}/userProfile", {**profile, "userName": name}), 409, "taken")
    other = create_team(ann)
    assert_error(ann.put(TEAM, {**other, "name": name}), 409, "taken")
    assert ok(ann.put(TEAM, {**other, "name": other["name"].upper()}))["id"] == other["id"]


def test_update_replaces_properties_and_checks_etag(ann, ben, rules):
    team = create_team(ann, description="old")
    rules.clock.advance(5)
    body = {"id": team["id"], "etag": team["etag"], "name": unique_name("new")}
    assert_error(ben.put(TEAM, body), 403, "UPDATE")
    changed = ok(ann.put(TEAM, {**body, "createdBy": "1", "canPublicJoin": True}))
    assert changed["createdBy"] == team["createdBy"]
    assert changed["createdOn"] == team["createdOn"] < changed["modifiedOn"]
    assert changed["etag"] != team["etag"]
    assert "description" not in changed
    assert (changed["canPublicJoin"], changed["canRequestMembership"]) == (True, True)
    assert_error(ann.put(TEAM, body), 412, f"Object: {team['id']} was updated")
    assert_error(ann.put(TEAM, {**body, "etag": None}), 412)
    assert_error(ann.put(TEAM, {**body, "id": "99"}), 404, UNKNOWN)
    assert_error(ann.put(TEAM, {**body, "id": None}), 400, "id is required")
    assert ok(ann.get(f"{TEAM}/{team['id']}")) == changed
    closed = ok(ann.put(TEAM, {**changed, "canPublicJoin": False, "canRequestMembership": False}))
    assert (closed["canPublicJoin"], closed["canRequestMembership"]) == (False, False)


def test_icon_belongs_to_the_administrator_and_is_readable_by_all(ann, ben):
    handle, foreign = ann.handle(), ben.handle()
    team = create_team(ann, icon=handle)
    assert team["icon"] == handle
    assert_error(ann.put(TEAM, {**team, "icon": foreign}), 403, foreign)
    assert_error(ann.put(TEAM, {**team, "icon": "99"}), 404, "99")
    for object_id, kind, failure in (
        (team["id"], "TeamAttachment", None),
        (create_team(ann)["id"], "TeamAttachment", "UNAUTHORIZED"),
        (str(ann.id), "UserProfileAttachment", "UNAUTHORIZED"),
    ):
        found = ok(ben.batch((handle, object_id, kind)))["requestedFiles"][0]
        assert found.get("failureCode") == failure
    assert_error(ann.delete(f"/file/v1/fileHandle/{handle}"), 409, "in use")


def test_delete_removes_the_team_everywhere(ann, ben, dan, author):
    team = create_team(ann)
    team_id = int(team["id"])
    add_member(ann, team["id"], ben)
    invitation = {"teamId": team["id"], "inviteeId": str(dan.id)}
    invited = ok(ann.post(INVITATION, invitation))["id"]
    ok(author("carol").post(REQUEST, {"teamId": team["id"]}))
    project = ann.new_project()["id"]
    ann.share(project, {team_id: ALL_RIGHTS})
    path = f"{REPO}/entity/{project}"
    old_acl = ann.acl(project)
    assert ok(ben.get(path))["id"] == project
    assert_error(ben.delete(f"{TEAM}/{team_id}"), 403, "DELETE")
    assert ann.delete(f"{TEAM}/{team_id}").status_code == 204
    for gone in (f"{TEAM}/{team_id}", f"{TEAM}/{team_id}/acl", f"{REPO}/teamMembers/{team_id}"):
        assert_error(ann.get(gone), 404, str(team_id))
    assert_error(ann.delete(f"{TEAM}/{team_id}"), 404)
    assert_error(dan.get(f"{INVITATION}/{invited}"), 404)
    of_dan = f"{REPO}/user/{dan.id}/openInvitation?teamId={team_id}"
    assert ok(dan.get(of_dan))["results"] == []
    assert ok(ben.get(f"{REPO}/userGroupHeaders/batch?ids={team_id}"))["children"] == []
    mine = ok(ben.get(f"{REPO}/user/{ben.id}/team?limit=1000"))["results"]
    assert team["id"] not in [each["id"] for each in mine]
    assert_error(ben.get(path), 403)
    acl = ann.acl(project)
    assert [each["principalId"] for each in acl["resourceAccess"]] == [ann.id]
    assert_error(ann.put(f"{path}/acl", {**old_acl, "resourceAccess": []}), 412)
    assert ok(ann.put(f"{path}/acl", acl))
    again = create_team(ann, name=team["name"])  # the name is free, the ID is not
    assert int(again["id"]) > team_id


def test_list_by_fragment_is_sorted_and_paginated(ann, anonymous):
    word = unique_name("zebra")
    names = [f"{word} {each}" for each in ("c", "A", "b_", "%")]
    ids = {name: create_team(ann, name=name)["id"] for name in names}

    def find(fragment, query=""):
        page = ok(anonymous.get(f"{REPO}/teams?fragment={fragment}{query}"))
        return [each["name"] for each in page["results"]], page["totalNumberOfResults"]

    found = [f"{word} %", f"{word} A", f"{word} b_", f"{word} c"]
    assert find(word.upper()) == (found, 4)
    assert find(word, "&limit=2") == (found[:2], 3)
    assert find(word, "&limit=2&offset=2") == (found[2:], 5)
    assert find(word, "&offset=4") == ([], 4)
    assert find(f"{word} %25") == ([f"{word} %"], 1)
    assert find(word[1:]) == ([], 0)
    assert find(f"{word} _") == ([], 0)
    every = ok(ann.get(f"{REPO}/teams?limit=1000"))["results"]
    assert {each["id"] for each in every} >= set(ids.values())
    assert_error(ann.get(f"{REPO}/teams?limit=-1"), 400, "limit")


def test_list_by_ids(ann):
    one, two = create_team(ann), create_team(ann)
    path = f"{REPO}/teamList"
    assert ok(ann.post(path, {"list": [two["id"], int(one["id"])]}))["list"] == [two, one]
    assert ok(ann.post(path, {"list": []}))["list"] == []
    assert_error(ann.post(path, {"list": [one["id"], "99"]}), 404, UNKNOWN)
    assert_error(ann.post(path, {"list": ["x"]}), 400, "x")


def test_teams_of_a_user_are_paginated(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        teams = [create_team(ann) for _ in range(3)]
        path = f"{REPO}/user/{ann.id}/team"
        assert ok(ben.get(path)) == {"totalNumberOfResults": 3, "results": teams}
        page = {"totalNumberOfResults": 3, "results": teams[:2]}
        assert ok(ben.get(f"{path}?limit=2")) == page
        assert ok(ben.get(f"{path}?limit=2&offset=2"))["results"] == teams[2:]
        assert ok(ben.get(f"{REPO}/user/{ben.id}/team"))["results"] == []
        assert_error(ben.get(f"{REPO}/user/bob/team"), 400, "bob")


def test_acls_that_name_a_team_give_its_members_the_rights(ann, ben):
    team = create_team(ann)["id"]
    project = ann.new_project()["id"]
    ann.share(project, {int(team): ["READ", "DOWNLOAD", "CREATE"]})
    queue = {"name": unique_name("queue"), "contentSource": project}
    evaluation = ok(ann.post(EVALUATION, queue))["id"]
    acl = ok(ann.get(f"{EVALUATION}/{evaluation}/acl"))
    acl["resourceAccess"].append({"principalId": int(team), "accessType": ["READ", "SUBMIT"]})
    ok(ann.put(f"{EVALUATION}/acl", acl))

    def rights():
        on_entity = ok(ben.get(f"{REPO}/entity/{project}/permissions"))
        on_evaluation = ok(ben.get(f"{EVALUATION}/{evaluation}/permissions"))
        available = ok(ben.get(f"{EVALUATION}/available?limit=100"))["results"]
        return (
            on_entity["canView"],
            on_entity["canAddChild"],
            on_entity["canDelete"],
            on_evaluation["canSubmit"],
            evaluation in [each["id"] for each in available],
        )

    assert rights() == (False, False, False, False, False)
    add_member(ann, team, ben)
    assert rights() == (True, True, False, True, True)
    assert ben.new_folder(project)["parentId"] == project
    assert leave(ben, team).status_code == 204
    assert rights() == (False, False, False, False, False)


def run_concurrently(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return sorted(each.result().status_code for each in futures)


def test_concurrent_joins_make_one_member(ann, ben):
    team = create_team(ann, canPublicJoin=True)["id"]
    assert run_concurrently(*[lambda: join(ben, team)] * 3) == [204] * 3
    assert list_members(ann, team) == {"alice": True, "bob": False}


def test_concurrent_creates_with_the_same_name_make_one_team(ann, ben):
    body = {"name": unique_name()}
    calls = [lambda user=user: user.post(TEAM, body) for user in (ann, ben, ann, ben)]
    assert run_concurrently(*calls) == [201, 409, 409, 409]
    found = ok(ann.get(f"{REPO}/teams?fragment={body['name']}"))["results"]
    assert [each["name"] for each in found] == [body["name"]]


def test_one_of_two_administrators_who_leave_at_once_remains(ann, ben):
    team = create_team(ann)["id"]
    add_member(ann, team, ben)
    assert ann.put(f"{TEAM}/{team}/member/{ben.id}/permission?isAdmin=true").ok
    statuses = run_concurrently(lambda: leave(ann, team), lambda: leave(ben, team))
    assert statuses == [204, 400]
    assert list(list_members(ann, team).values()) == [True]


def test_one_of_concurrent_updates_with_the_same_etag_succeeds(ann):
    team = create_team(ann)
    calls = [lambda n=n: ann.put(TEAM, {**team, "description": f"{n}"}) for n in range(3)]
    assert run_concurrently(*calls) == [200, 412, 412]


def test_delete_while_a_user_joins_leaves_no_member(ann, ben):
    team = create_team(ann, canPublicJoin=True)["id"]
    statuses = run_concurrently(
        lambda: ann.delete(f"{TEAM}/{team}"), lambda: join(ben, team), lambda: join(ben, team)
    )
    assert set(statuses) <= {204, 404}
    mine = ok(ben.get(f"{REPO}/user/{ben.id}/team?limit=1000"))["results"]
    assert team not in [each["id"] for each in mine]


def test_a_data_directory_without_the_tables_of_teams_gets_them(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        project = Author(service, "alice").new_project()["id"]
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        for table in ("membership_request", "membership_invitation", "team"):
            connection.execute(f"DROP TABLE {table}")
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        team = create_team(ann)["id"]
        ann.share(project, {int(team): ["READ"]})
        add_member(ann, team, ben)
        assert ben.entity(project)["id"] == project


def test_teams_survive_a_restart(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        team = create_team(ann)
        add_member(ann, team["id"], ben)
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        assert ok(ann.get(f"{TEAM}/{team['id']}")) == team
        assert list_members(ben, team["id"]) == {"alice": True, "bob": False}
        assert get_status(ben, team["id"], ben)["isMember"] is True
