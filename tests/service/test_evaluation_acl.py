"""Access control lists and permissions of evaluations."""

import pytest
from support.evaluation_api import EVALUATION
from support.file_api import assert_error, ok

AUTHENTICATED, PUBLIC, ANONYMOUS = 273948, 273949, 273950
OWNER_RIGHTS = {
    "CREATE", "READ", "SUBMIT", "READ_PRIVATE_SUBMISSION", "UPDATE_SUBMISSION",
    "CHANGE_PERMISSIONS", "UPDATE", "DELETE", "DELETE_SUBMISSION",
}  # fmt: skip


@pytest.fixture
def queue(organiser):
    return organiser.create_evaluation()["id"]


def get_acl(user, queue):
    return ok(user.get(f"{EVALUATION}/{queue}/acl"))


def put_acl(user, acl, *additional, keep=True):
    """Update an ACL with additional entries of (principal ID, rights)."""
    entries = [{"principalId": key, "accessType": value} for key, value in additional]
    present = acl["resourceAccess"] if keep else []
    return user.put(f"{EVALUATION}/acl", {**acl, "resourceAccess": present + entries})


def test_new_acl_grants_all_rights_to_the_creator_only(ann, ben, organiser):
    created = organiser.create_evaluation()
    acl = get_acl(ann, created["id"])
    (entry,) = acl["resourceAccess"]
    assert entry["principalId"] == ann.id
    assert set(entry["accessType"]) == OWNER_RIGHTS
    assert acl["id"] == created["id"]
    assert acl["creationDate"] == created["createdOn"]
    assert_error(ben.get(f"{EVALUATION}/{created['id']}/acl"), 403, "You lack READ access")
    assert_error(ann.get(f"{EVALUATION}/9699999/acl"), 404)


def test_update_replaces_all_entries(ann, ben, queue):
    before = get_acl(ann, queue)
    after = ok(put_acl(ann, before, (ben.id, ["SUBMIT", "READ"])))
    assert after["etag"] != before["etag"]
    assert after["creationDate"] == before["creationDate"]
    assert get_acl(ben, queue) == after
    assert after["resourceAccess"][1] == {
        "principalId": ben.id,
        "accessType": ["READ", "SUBMIT"],
    }
    ok(ann.put(f"{EVALUATION}/acl", {**after, "resourceAccess": before["resourceAccess"]}))
    assert_error(ben.get(f"{EVALUATION}/{queue}"), 403)


def test_update_with_stale_etag_returns_412(ann, queue):
    acl = get_acl(ann, queue)
    ok(put_acl(ann, acl))
    assert_error(put_acl(ann, acl), 412, f"Object: {queue} was updated")
    assert_error(put_acl(ann, {**acl, "etag": None}), 412)


def test_update_requires_change_permissions(ann, ben, anonymous, organiser, queue):
    organiser.share(queue, {ben.id: ["READ", "UPDATE"]})
    acl = get_acl(ben, queue)
    assert_error(
        put_acl(ben, acl), 403, "You lack CHANGE_PERMISSIONS access to the requested evaluation"
    )
    assert_error(put_acl(anonymous, acl), 403, "Anonymous users have only READ access permission.")
    assert_error(put_acl(ann, {**acl, "id": "9699999"}), 404)
    assert_error(put_acl(ann, {**acl, "id": None}), 400, "id is required")
    assert_error(put_acl(ann, {**acl, "id": "syn"}), 400)


@pytest.mark.parametrize("group", [AUTHENTICATED, PUBLIC])
def test_public_groups_can_only_have_read(ann, dan, queue, group):
    assert_error(put_acl(ann, get_acl(ann, queue), (group, ["READ", "SUBMIT"])), 400, "Only READ")
    ok(put_acl(ann, get_acl(ann, queue), (group, ["READ"])))
    assert ok(dan.get(f"{EVALUATION}/{queue}"))["id"] == queue


def test_anonymous_caller_can_only_read_public_evaluations(ann, anonymous, organiser, queue):
    assert_error(anonymous.get(f"{EVALUATION}/{queue}"), 403)
    organiser.share(queue, {PUBLIC: ["READ"]})
    assert ok(anonymous.get(f"{EVALUATION}/{queue}"))["id"] == queue
    assert get_acl(anonymous, queue)["id"] == queue
    assert_error(put_acl(ann, get_acl(ann, queue), (ANONYMOUS, ["READ"])), 400, "anonymous")
    body = ok(anonymous.get(f"{EVALUATION}/{queue}"))
    message = "Anonymous users have only READ access permission."
    assert_error(anonymous.put(f"{EVALUATION}/{queue}", body), 403, message)
    assert_error(anonymous.delete(f"{EVALUATION}/{queue}"), 403, message)


def test_participate_does_not_grant_submit(ben, organiser, queue):
    organiser.share(queue, {ben.id: ["READ", "PARTICIPATE"]})
    permissions = ok(ben.get(f"{EVALUATION}/{queue}/permissions"))
    assert permissions["canParticipate"]
    assert not permissions["canSubmit"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"principalId": 999, "accessType": ["READ"]}, "999"),
        ({"accessType": ["READ"]}, "null"),
        ({"principalId": 3300002, "accessType": []}, "No access types"),
        ({"principalId": 3300002, "accessType": ["LOOK"]}, "LOOK"),
    ],
)
def test_invalid_entry_returns_400(ann, queue, entry, reason):
    acl = get_acl(ann, queue)
    body = {**acl, "resourceAccess": [*acl["resourceAccess"], entry]}
    assert_error(ann.put(f"{EVALUATION}/acl", body), 400, reason)
    assert get_acl(ann, queue) == acl


def test_only_the_owner_can_revoke_their_change_permissions(ann, ben, organiser, queue):
    organiser.share(queue, {ben.id: ["READ", "CHANGE_PERMISSIONS"]})
    acl = get_acl(ben, queue)
    message = "Caller is trying to revoke their own ACL editing permissions."
    assert_error(put_acl(ben, acl, (ben.id, ["READ"]), keep=False), 400, message)
    ok(put_acl(ann, acl, (ann.id, ["READ"]), keep=False))
    assert_error(put_acl(ann, get_acl(ann, queue)), 403, "CHANGE_PERMISSIONS")


RIGHTS_BY_PERMISSION = {
    "canView": "READ",
    "canEdit": "UPDATE",
    "canDelete": "DELETE",
    "canChangePermissions": "CHANGE_PERMISSIONS",
    "canSubmit": "SUBMIT",
    "canViewPrivateSubmissionStatusAnnotations": "READ_PRIVATE_SUBMISSION",
    "canEditSubmissionStatuses": "UPDATE_SUBMISSION",
    "canDeleteSubmissions": "DELETE_SUBMISSION",
}


@pytest.mark.parametrize(("flag", "right"), RIGHTS_BY_PERMISSION.items())
def test_each_permission_requires_one_right(ben, organiser, queue, flag, right):
    organiser.share(queue, {ben.id: [right]})
    permissions = ok(ben.get(f"{EVALUATION}/{queue}/permissions"))
    assert permissions.pop("ownerPrincipalId") == organiser.author.id
    assert [name for name, value in permissions.items() if value] == [flag]


def test_permissions_are_readable_by_all_callers(ann, admin, anonymous, organiser, queue):
    path = f"{EVALUATION}/{queue}/permissions"
    permissions = ok(ann.get(path))
    assert {name for name, value in permissions.items() if value is False} == {
        "canPublicRead",
        "canParticipate",
    }
    assert not any(v for k, v in ok(anonymous.get(path)).items() if k != "ownerPrincipalId")
    organiser.share(queue, {PUBLIC: ["READ"]})
    assert ok(anonymous.get(path))["canPublicRead"]
    assert ok(anonymous.get(path))["canView"]
    assert all(v for k, v in ok(admin.get(path)).items() if k.startswith("can"))
    assert_error(ann.get(f"{EVALUATION}/9699999/permissions"), 404)


def test_update_and_delete_require_their_rights(ben, organiser, rival, queue):
    organiser.share(queue, {ben.id: ["READ"]})
    body = rival.get(queue)
    assert_error(rival.save(body), 403, "You lack UPDATE access to the requested evaluation.")
    assert_error(ben.delete(f"{EVALUATION}/{queue}"), 403, "You lack DELETE access")
    organiser.share(queue, {ben.id: ["READ", "UPDATE", "DELETE"]})
    ok(rival.save(body))
    assert ben.delete(f"{EVALUATION}/{queue}").status_code == 204


def test_uncertified_user_can_have_rights_and_submit(dan, organiser):
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {dan.id: ["READ", "SUBMIT", "UPDATE"]})
    body = ok(dan.get(f"{EVALUATION}/{queue}"))
    assert ok(dan.put(f"{EVALUATION}/{queue}", body))["id"] == queue
    project = dan.new_project()
    submission = {"evaluationId": queue, "entityId": project["id"], "versionNumber": 1}
    created = ok(dan.post(f"{EVALUATION}/submission?etag={project['etag']}", submission))
    assert created["userId"] == str(dan.id)
