"""Tests of user profiles and certification."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok

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
