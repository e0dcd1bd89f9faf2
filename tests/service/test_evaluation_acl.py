"""Who may do what to an evaluation: its access control list, and permissions told in advance."""

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
    return organiser.evaluation()["id"]


def acl_of(person, queue):
    return ok(person.get(f"{EVALUATION}/{queue}/acl"))


def put(person, acl, *more, kept=True):
    """Put an ACL with further entries: (principal, rights)."""
    entries = [{"principalId": who, "accessType": what} for who, what in more]
    present = acl["resourceAccess"] if kept else []
    return person.put(f"{EVALUATION}/acl", {**acl, "resourceAccess": present + entries})


def test_its_maker_holds_all_rights_and_nobody_else_any(ann, ben, organiser):
    made = organiser.evaluation()
    acl = acl_of(ann, made["id"])
    (entry,) = acl["resourceAccess"]
    assert entry["principalId"] == ann.id
    assert set(entry["accessType"]) == OWNER_RIGHTS
    assert acl["id"] == made["id"]
    assert acl["creationDate"] == made["createdOn"]
    assert_error(ben.get(f"{EVALUATION}/{made['id']}/acl"), 403, "You lack READ access")
    assert_error(ann.get(f"{EVALUATION}/9699999/acl"), 404)


def test_what_is_put_replaces_what_was(ann, ben, queue):
    before = acl_of(ann, queue)
    after = ok(put(ann, before, (ben.id, ["SUBMIT", "READ"])))
    assert after["etag"] != before["etag"]
    assert after["creationDate"] == before["creationDate"]
    assert acl_of(ben, queue) == after
    assert after["resourceAccess"][1] == {
        "principalId": ben.id,
        "accessType": ["READ", "SUBMIT"],
    }
    ok(ann.put(f"{EVALUATION}/acl", {**after, "resourceAccess": before["resourceAccess"]}))
    assert_error(ben.get(f"{EVALUATION}/{queue}"), 403)


def test_it_takes_the_current_etag(ann, queue):
    acl = acl_of(ann, queue)
    ok(put(ann, acl))
    assert_error(put(ann, acl), 412, f"Object: {queue} was updated")
    assert_error(put(ann, {**acl, "etag": None}), 412)


def test_it_takes_the_right_to_change_permissions(ann, ben, anonymous, organiser, queue):
    organiser.share(queue, {ben.id: ["READ", "UPDATE"]})
    acl = acl_of(ben, queue)
    assert_error(
        put(ben, acl), 403, "You lack CHANGE_PERMISSIONS access to the requested evaluation"
    )
    assert_error(put(anonymous, acl), 403, "Anonymous users have only READ access permission.")
    assert_error(put(ann, {**acl, "id": "9699999"}), 404)
    assert_error(put(ann, {**acl, "id": None}), 400, "id is required")
    assert_error(put(ann, {**acl, "id": "syn"}), 400)


@pytest.mark.parametrize("group", [AUTHENTICATED, PUBLIC])
def test_groups_of_all_may_only_read(ann, dan, queue, group):
    assert_error(put(ann, acl_of(ann, queue), (group, ["READ", "SUBMIT"])), 400, "Only READ")
    ok(put(ann, acl_of(ann, queue), (group, ["READ"])))
    assert ok(dan.get(f"{EVALUATION}/{queue}"))["id"] == queue


def test_the_anonymous_caller_reads_what_is_public_and_no_more(ann, anonymous, organiser, queue):
    assert_error(anonymous.get(f"{EVALUATION}/{queue}"), 403)
    organiser.share(queue, {PUBLIC: ["READ"]})
    assert ok(anonymous.get(f"{EVALUATION}/{queue}"))["id"] == queue
    assert acl_of(anonymous, queue)["id"] == queue
    assert_error(put(ann, acl_of(ann, queue), (ANONYMOUS, ["READ"])), 400, "anonymous")
    body = ok(anonymous.get(f"{EVALUATION}/{queue}"))
    told = "Anonymous users have only READ access permission."
    assert_error(anonymous.put(f"{EVALUATION}/{queue}", body), 403, told)
    assert_error(anonymous.delete(f"{EVALUATION}/{queue}"), 403, told)


def test_the_old_right_to_participate_is_kept_and_means_nothing(ben, organiser, queue):
    organiser.share(queue, {ben.id: ["READ", "PARTICIPATE"]})
    told = ok(ben.get(f"{EVALUATION}/{queue}/permissions"))
    assert told["canParticipate"]
    assert not told["canSubmit"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"principalId": 999, "accessType": ["READ"]}, "999"),
        ({"accessType": ["READ"]}, "null"),
        ({"principalId": 3300002, "accessType": []}, "No access types"),
        ({"principalId": 3300002, "accessType": ["LOOK"]}, "LOOK"),
    ],
)
def test_what_an_entry_may_not_say(ann, queue, entry, words):
    acl = acl_of(ann, queue)
    body = {**acl, "resourceAccess": [*acl["resourceAccess"], entry]}
    assert_error(ann.put(f"{EVALUATION}/acl", body), 400, words)
    assert acl_of(ann, queue) == acl


def test_only_its_maker_may_give_up_the_right_to_change_permissions(ann, ben, organiser, queue):
    organiser.share(queue, {ben.id: ["READ", "CHANGE_PERMISSIONS"]})
    acl = acl_of(ben, queue)
    told = "Caller is trying to revoke their own ACL editing permissions."
    assert_error(put(ben, acl, (ben.id, ["READ"]), kept=False), 400, told)
    ok(put(ann, acl, (ann.id, ["READ"]), kept=False))
    assert_error(put(ann, acl_of(ann, queue)), 403, "CHANGE_PERMISSIONS")


EACH = {
    "canView": "READ",
    "canEdit": "UPDATE",
    "canDelete": "DELETE",
    "canChangePermissions": "CHANGE_PERMISSIONS",
    "canSubmit": "SUBMIT",
    "canViewPrivateSubmissionStatusAnnotations": "READ_PRIVATE_SUBMISSION",
    "canEditSubmissionStatuses": "UPDATE_SUBMISSION",
    "canDeleteSubmissions": "DELETE_SUBMISSION",
}


@pytest.mark.parametrize(("flag", "right"), EACH.items())
def test_each_permission_follows_from_one_right(ben, organiser, queue, flag, right):
    organiser.share(queue, {ben.id: [right]})
    told = ok(ben.get(f"{EVALUATION}/{queue}/permissions"))
    assert told.pop("ownerPrincipalId") == organiser.author.id
    assert [name for name, held in told.items() if held] == [flag]


def test_permissions_are_told_to_everybody(ann, admin, anonymous, organiser, queue):
    path = f"{EVALUATION}/{queue}/permissions"
    mine = ok(ann.get(path))
    assert {name for name, held in mine.items() if held is False} == {
        "canPublicRead",
        "canParticipate",
    }
    assert not any(v for k, v in ok(anonymous.get(path)).items() if k != "ownerPrincipalId")
    organiser.share(queue, {PUBLIC: ["READ"]})
    assert ok(anonymous.get(path))["canPublicRead"]
    assert ok(anonymous.get(path))["canView"]
    assert all(v for k, v in ok(admin.get(path)).items() if k.startswith("can"))
    assert_error(ann.get(f"{EVALUATION}/9699999/permissions"), 404)


def test_updating_and_deleting_take_their_rights(ben, organiser, rival, queue):
    organiser.share(queue, {ben.id: ["READ"]})
    body = rival.get(queue)
    assert_error(rival.save(body), 403, "You lack UPDATE access to the requested evaluation.")
    assert_error(ben.delete(f"{EVALUATION}/{queue}"), 403, "You lack DELETE access")
    organiser.share(queue, {ben.id: ["READ", "UPDATE", "DELETE"]})
    ok(rival.save(body))
    assert ben.delete(f"{EVALUATION}/{queue}").status_code == 204


def test_an_uncertified_user_submits_and_holds_what_is_given(dan, organiser):
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {dan.id: ["READ", "SUBMIT", "UPDATE"]})
    body = ok(dan.get(f"{EVALUATION}/{queue}"))
    assert ok(dan.put(f"{EVALUATION}/{queue}", body))["id"] == queue
    project = dan.new_project()
    submission = {"evaluationId": queue, "entityId": project["id"], "versionNumber": 1}
    made = ok(dan.post(f"{EVALUATION}/submission?etag={project['etag']}", submission))
    assert made["userId"] == str(dan.id)
