"""Tests of activities and their links to entity versions."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import USED_ENTITY, USED_URL

ACTIVITY = f"{REPO}/activity"


def used_entity(target, version=None, *, executed=False):
    reference = {"targetId": target, "targetVersionNumber": version}
    return {"concreteType": USED_ENTITY, "wasExecuted": executed, "reference": reference}


def used_url(url, name=None, *, executed=False):
    return {"concreteType": USED_URL, "wasExecuted": executed, "url": url, "name": name}


def create_activity(user, **body):
    return ok(user.post(ACTIVITY, body))


def test_create_activity_returns_all_fields(ann):
    activity = create_activity(
        ann, name="align", description="reads to genome", id="987654321", etag="x", createdBy="1"
    )
    assert ok(ann.get(f"{ACTIVITY}/{activity['id']}")) == activity
    assert activity["id"] != "987654321"
    assert len(activity["etag"]) == 36
    assert {key: activity[key] for key in ("name", "description", "createdBy", "used")} == {
        "name": "align",
        "description": "reads to genome",
        "createdBy": "3300001",
        "used": [],
    }


def test_used_keeps_order_and_drops_duplicates(ann):
    file = ann.new_file(ann.new_project()["id"])["id"]
    code = used_url("https://example.org/run.py", "run.py", executed=True)
    plain = used_url("https://example.org/run.py")
    activity = create_activity(
        ann, used=[code, used_entity(file, 1), plain, code, used_entity(file)]
    )
    assert activity["used"] == [
        code,
        used_entity(file, 1),
        {key: value for key, value in plain.items() if value is not None},
    ]


def test_reference_without_version_gets_current_version(ann, ben):
    file = ann.new_file(ann.new_project()["id"])["id"]
    ann.change(file, "?newVersion=true", versionLabel=None)
    short = file.removeprefix("syn")
    activity = create_activity(
        ben, used=[used_entity(short), used_entity(file, 1)]
    )  # needs no READ
    assert activity["used"] == [used_entity(file, 2), used_entity(file, 1)]


@pytest.mark.parametrize(
    ("used", "status", "words"),
    [
        ([used_entity("syn1")], 404, "Resource: 'syn1' does not exist"),
        ([used_url("no url")], 400, "malformed"),
        ([used_url("http://[")], 400, "malformed"),
        ([used_url(None)], 400, "url is required"),
        ([{"url": "https://example.org"}], 400, "concreteType is required"),
        ([{"concreteType": "Used"}], 400, "Unknown concreteType: 'Used'"),
        ([{"concreteType": USED_ENTITY}], 400, "targetId is required"),
        ([used_entity("syn1.2")], 400, "syn1.2 is not a valid Synapse ID."),
        ([used_entity("syn1", "x")], 400, "targetVersionNumber"),
        (["syn1"], 400, "used"),
        ("syn1", 400, "used"),
    ],
)
def test_invalid_used_item_is_rejected(ann, used, status, words):
    assert_error(ann.post(ACTIVITY, {"used": used}), status, words)


def test_reference_with_version_does_not_need_to_exist(ann):
    assert create_activity(ann, used=[used_entity("syn1", 3)])["used"] == [used_entity("syn1", 3)]


def test_anonymous_caller_cannot_create_activity(anonymous):
    assert_error(anonymous.post(ACTIVITY, {"name": "x"}), 403)


def test_update_replaces_fields_and_checks_etag(ann):
    activity = create_activity(
        ann, name="one", description="d", used=[used_url("https://example.org/a")]
    )
    body = {"id": activity["id"], "etag": activity["etag"], "name": "two"}
    changed = ok(ann.put(f"{ACTIVITY}/999999", body))  # the id in the body decides
    assert (changed["id"], changed["name"], changed["used"]) == (activity["id"], "two", [])
    assert "description" not in changed
    assert changed["etag"] != activity["etag"]
    assert_error(
        ann.put(f"{ACTIVITY}/{activity['id']}", body), 412, f"Object: {activity['id']} was updated"
    )
    assert ok(ann.get(f"{ACTIVITY}/{activity['id']}")) == changed


def test_only_creator_and_administrators_can_change_activity(ann, ben, anonymous, admin):
    activity = create_activity(ann, name="one")
    path = f"{ACTIVITY}/{activity['id']}"
    reason = "lacks change access to the requested object."
    for user in (ben, anonymous):
        assert_error(user.put(path, activity), 403, f"{user.id} {reason}")
        assert_error(user.delete(path), 403, reason)
    assert ok(admin.put(path, {**activity, "name": "two"}))["name"] == "two"


def test_readers_of_generated_entity_can_read_activity(ann, ben, anonymous):
    project = ann.new_project()["id"]
    activity = create_activity(ann, name="one")
    path = f"{ACTIVITY}/{activity['id']}"
    assert_error(ben.get(path), 403, f"{ben.id} lacks read access to the requested object.")
    ok(ann.put(f"{REPO}/entity/{project}/generatedBy?generatedBy={activity['id']}"))
    assert_error(ben.get(path), 403)
    ann.share(project, {ben.id: ["READ"]})
    assert ok(ben.get(path)) == activity
    assert_error(anonymous.get(path), 403)
    assert_error(ben.get(f"{ACTIVITY}/999999"), 404, "999999")


def test_link_sets_activity_of_current_version_and_changes_etag(ann):
    file = ann.new_file(ann.new_project()["id"])
    path = f"{REPO}/entity/{file['id']}"
    activity = create_activity(ann, name="one")
    assert_error(
        ann.get(f"{path}/generatedBy"),
        404,
        f"Activity for: '{file['id']}', version: '1' does not exist",
    )
    assert ok(ann.put(f"{path}/generatedBy?generatedBy={activity['id']}")) == activity
    linked = ann.entity(file["id"])
    assert linked["etag"] != file["etag"]
    assert ok(ann.get(f"{path}/generatedBy")) == activity
    assert ok(ann.get(f"{path}/version/1/generatedBy")) == activity
    assert ann.delete(f"{path}/generatedBy").status_code == 204
    assert ann.entity(file["id"])["etag"] != linked["etag"]
    assert_error(ann.get(f"{path}/generatedBy"), 404)
    assert_error(ann.get(f"{path}/version/3/generatedBy"), 404, "version 3")


def test_link_requires_update_and_access_to_activity(ann, ben):
    project = ann.new_project()["id"]
    ann.share(project, {ben.id: ["READ", "UPDATE"]})
    hidden, own = create_activity(ann)["id"], create_activity(ben)["id"]
    path = f"{REPO}/entity/{project}/generatedBy"
    assert_error(ben.put(f"{path}?generatedBy={hidden}"), 403, "lacks read access")
    ok(ben.put(f"{path}?generatedBy={own}"))
    assert_error(ben.put(f"{path}?generatedBy=999999"), 404, "999999")
    assert_error(ben.put(path), 400, "generatedBy")


def test_delete_activity_removes_links(ann):
    project = ann.new_project()["id"]
    entities = [ann.new_file(project)["id"] for _ in range(2)]
    activity = create_activity(ann)["id"]
    for entity in entities:
        ok(ann.put(f"{REPO}/entity/{entity}/generatedBy?generatedBy={activity}"))
    assert ann.delete(f"{ACTIVITY}/{activity}").status_code == 204
    for entity in entities:
        assert_error(ann.get(f"{REPO}/entity/{entity}/generatedBy"), 404, "does not exist")
    assert ann.delete(f"{ACTIVITY}/{activity}").status_code == 204
    assert_error(ann.get(f"{ACTIVITY}/{activity}"), 404)


def test_list_generated_returns_readable_entities(ann, ben):
    visible, hidden = ann.new_project()["id"], ann.new_project()["id"]
    ann.share(visible, {ben.id: ["READ"]})
    file = ann.new_file(visible)["id"]
    activity = create_activity(ann)["id"]
    for entity in (file, hidden):
        ok(ann.put(f"{REPO}/entity/{entity}/generatedBy?generatedBy={activity}"))
    ann.change(file, f"?newVersion=true&generatedBy={activity}", versionLabel=None)
    path = f"{ACTIVITY}/{activity}/generated"
    versions = [{"targetId": file, "targetVersionNumber": number} for number in (1, 2)]
    assert ok(ben.get(path))["results"] == versions
    assert len(ok(ann.get(path))["results"]) == 3
    assert ok(ann.get(f"{path}?limit=1&offset=1"))["totalNumberOfResults"] == 3
    assert ann.delete(f"{REPO}/entity/{visible}").status_code == 204
    assert [each["targetId"] for each in ok(ann.get(path))["results"]] == [hidden]
