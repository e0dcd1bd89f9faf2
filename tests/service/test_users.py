"""Tests of user profiles and certification."""

import sqlite3
from contextlib import closing

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service

from synapse_workflows.constants import FOLDER
from synapse_workflows.local.settings import UserSeed
from synapse_workflows.local.storage.data_dir import DATABASE
from synapse_workflows.testing import in_process

PRIVATE = {"etag", "email", "emails", "openIds", "twoFactorAuthEnabled"}


@pytest.mark.parametrize("path", ["/userProfile", "/userProfile/"])
def test_get_own_profile_has_private_fields(ann, path):
    profile = ok(ann.get(REPO + path))
    assert profile.keys() >= PRIVATE
    assert (profile["userName"], profile["ownerId"]) == ("alice", "3300001")
    assert profile["emails"] == ["alice@synapse.local"]
    assert "displayName" not in profile


def test_profile_of_anonymous_caller(anonymous):
    profile = ok(anonymous.get(f"{REPO}/userProfile"))
    assert (profile["ownerId"], profile["userName"]) == ("273950", "anonymous")


def test_private_fields_are_only_for_the_user_and_administrators(ann, ben, admin, anonymous):
    path = f"{REPO}/userProfile/3300001"
    assert ok(ann.get(path)).keys() >= PRIVATE
    assert ok(admin.get(path)).keys() >= PRIVATE
    for user in (ben, anonymous):
        profile = ok(user.get(path))
        assert not profile.keys() & PRIVATE
        assert (profile["userName"], profile["firstName"]) == ("alice", "Alice")


def test_unknown_user_is_not_found(ann):
    assert_error(ann.get(f"{REPO}/userProfile/1234567"), 404, "1234567")
    assert_error(ann.get(f"{REPO}/userProfile/273948"), 404)
    assert_error(ann.get(f"{REPO}/userProfile/alice"), 400, "alice")


def test_list_profiles(ben):
    found = ok(ben.post(f"{REPO}/userProfile", {"list": ["3300001", 3300002]}))["list"]
    assert [each["userName"] for each in found] == ["alice", "bob"]
    assert not any(each.keys() & PRIVATE for each in found)


def test_update_profile_checks_etag(author):
    carol = author("carol")
    before = ok(carol.get(f"{REPO}/userProfile"))
    changed = ok(carol.put(f"{REPO}/userProfile", {**before, "company": "Sage", "lastName": None}))
    assert changed["company"] == "Sage"
    assert "lastName" not in changed
    assert changed["etag"] != before["etag"]
    assert_error(carol.put(f"{REPO}/userProfile", before), 412, "3300003")
    assert ok(carol.get(f"{REPO}/userProfile")) == changed
    restored = {**before, "etag": changed["etag"]}
    assert ok(carol.put(f"{REPO}/userProfile", restored))["lastName"] == before["lastName"]


def test_update_profile_requires_own_profile_and_unique_name(author, ann, admin):
    carol = author("carol")
    profile = ok(carol.get(f"{REPO}/userProfile"))
    assert_error(ann.put(f"{REPO}/userProfile", profile), 403)
    assert_error(
        carol.put(f"{REPO}/userProfile", {**profile, "userName": "A.L.I.C.E"}), 409, "taken"
    )
    assert_error(carol.put(f"{REPO}/userProfile", {**profile, "userName": "..."}), 400)
    assert ok(admin.put(f"{REPO}/userProfile", profile))["ownerId"] == "3300003"


def test_passing_record_of_certified_user(ann, anonymous):
    record = ok(anonymous.get(f"{REPO}/user/3300001/certifiedUserPassingRecord"))
    assert (record["passed"], record["certified"], record["userId"]) == (True, True, "3300001")
    path = f"{REPO}/user/3300004/certifiedUserPassingRecord"
    assert_error(ann.get(path), 404, "No quiz results for quiz 1 and user 3300004")


def test_bundle_has_parts_of_mask(ann, ben):
    path = f"{REPO}/user/3300001/bundle"
    whole = ok(ben.get(f"{path}?mask=127"))
    assert whole.keys() == {
        "userId", "userProfile", "isCertified", "isVerified", "isACTMember", "isARReviewer",
    }  # fmt: skip
    assert not whole["userProfile"].keys() & PRIVATE
    assert ok(ben.get(f"{path}?mask=8")) == {"userId": "3300001", "isCertified": True}
    assert ok(ben.get(f"{REPO}/user/3300004/bundle?mask=8"))["isCertified"] is False
    assert ok(ann.get(f"{REPO}/user/bundle?mask=1"))["userProfile"].keys() >= PRIVATE
    assert_error(ben.get(path), 400, "mask")
    assert_error(ben.get(f"{REPO}/user/99/bundle?mask=1"), 404)


def test_picture_belongs_to_the_user_and_is_readable_by_all(author, ben):
    carol = author("carol")
    profile = ok(carol.get(f"{REPO}/userProfile"))
    key = "profilePicureFileHandleId"
    foreign, handle = ben.handle(), carol.handle()
    assert_error(carol.put(f"{REPO}/userProfile", {**profile, key: foreign}), 403, foreign)
    assert_error(carol.put(f"{REPO}/userProfile", {**profile, key: "99"}), 404, "99")
    assert_error(carol.put(f"{REPO}/userProfile", {**profile, key: "me.png"}), 400, key)
    changed = ok(carol.put(f"{REPO}/userProfile", {**profile, key: handle}))
    assert changed[key] == handle
    association = (handle, str(carol.id), "UserProfileAttachment")
    found = ok(ben.batch(association))["requestedFiles"][0]
    assert found["fileHandle"]["id"] == handle
    assert_error(carol.delete(f"/file/v1/fileHandle/{handle}"), 409, "in use")
    ok(carol.put(f"{REPO}/userProfile", {**changed, key: None}))
    found = ok(ben.batch(association))["requestedFiles"][0]
    assert found["failureCode"] == "UNAUTHORIZED"
    assert carol.delete(f"/file/v1/fileHandle/{handle}").ok


def test_public_and_private_properties_are_kept_and_read_only_ones_are_not(author, ben):
    carol = author("carol")
    before = ok(carol.get(f"{REPO}/userProfile"))
    public = {
        key: f"my {key}"
        for key in (
            "firstName", "lastName", "summary", "position", "location", "industry", "company",
            "url", "teamName",
        )
    }  # fmt: skip
    private = {"rStudioUrl": "http://r", "notificationSettings": {"sendEmailNotifications": False}}
    ignored = {"email": "x@y.org", "emails": [], "displayName": "Caz", "createdOn": None}
    changed = ok(carol.put(f"{REPO}/userProfile", {**before, **public, **private, **ignored}))
    kept = {key: before[key] for key in ("email", "emails", "createdOn", "ownerId", "userName")}
    assert {**changed, **public, **private, **kept} == changed
    assert "displayName" not in changed
    seen = ok(ben.get(f"{REPO}/userProfile/{carol.id}"))
    assert seen == {**public, **{key: kept[key] for key in ("ownerId", "userName", "createdOn")}}
    ok(carol.put(f"{REPO}/userProfile", {**before, "etag": changed["etag"]}))


def edit_membership(data_dir, statement, *values):
    with closing(sqlite3.connect(data_dir / DATABASE)) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_members_of_the_act_read_private_fields(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        path = f"{REPO}/userProfile/{ann.id}"
        assert not ok(ben.get(path)).keys() & PRIVATE
        edit_membership(tmp_path, "INSERT INTO membership VALUES (464532, ?)", ben.id)
        assert ok(ben.get(path)).keys() >= PRIVATE
        assert ok(ben.get(f"{REPO}/user/{ben.id}/bundle?mask=32"))["isACTMember"] is True
        assert ok(ben.get(f"{REPO}/user/{ben.id}/team"))["results"] == []  # no team


def test_revoked_certification(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ann = Author(service, "alice")
        path = f"{REPO}/user/{ann.id}/certifiedUserPassingRecord"
        before = ok(ann.get(path))
        assert (before["passed"], before["certified"], before["revoked"]) == (True, True, False)
        edit_membership(tmp_path, "DELETE FROM membership WHERE group_id = 3")
        assert ok(ann.get(path)) == {**before, "certified": False, "revoked": True}
        assert ok(ann.get(f"{REPO}/user/bundle?mask=8"))["isCertified"] is False
        project = ann.new_project()["id"]
        error = assert_error(ann.try_make(FOLDER, project), 403, "certified")
        assert error["errorCode"] == "USER_CERTIFICATION_REQUIRED"


def test_orcid_is_part_of_the_bundle_and_survives_an_update_of_the_profile(tmp_path):
    orcid = "https://orcid.org/0000-0002-1825-0097"
    users = (UserSeed(user_name="admin", admin=True), UserSeed(user_name="eve", orcid=orcid))
    with in_process(tmp_path, users=users) as service, service.client("eve") as eve:
        path = f"/user/{service.owner_id('eve')}/bundle"
        profile = eve.call("GET", "/userProfile").object
        assert "ORCID" not in profile
        eve.call("PUT", "/userProfile", json={**profile, "firstName": "Eve", "ORCID": "x"})
        assert eve.call("GET", path, params={"mask": 2}).object["ORCID"] == orcid
        assert "ORCID" not in eve.call("GET", path, params={"mask": 1}).object
