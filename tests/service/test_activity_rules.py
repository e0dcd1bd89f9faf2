"""Activities: what they hold, who sees and changes them, and what they generated."""

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


def new(person, **body):
    return ok(person.post(ACTIVITY, body))


def test_an_activity_is_given_back_as_it_was_made(ann):
    made = new(
        ann, name="align", description="reads to genome", id="987654321", etag="x", createdBy="1"
    )
    assert ok(ann.get(f"{ACTIVITY}/{made['id']}")) == made
    assert made["id"] != "987654321"
    assert len(made["etag"]) == 36
    assert {key: made[key] for key in ("name", "description", "createdBy", "used")} == {
        "name": "align",
        "description": "reads to genome",
        "createdBy": "3300001",
        "used": [],
    }


def test_used_keeps_its_order_and_drops_exact_duplicates(ann):
    file = ann.new_file(ann.new_project()["id"])["id"]
    code = used_url("https://example.org/run.py", "run.py", executed=True)
    plain = used_url("https://example.org/run.py")
    made = new(ann, used=[code, used_entity(file, 1), plain, code, used_entity(file)])
    assert made["used"] == [
        code,
        used_entity(file, 1),
        {key: value for key, value in plain.items() if value is not None},
    ]


def test_a_target_without_a_version_gets_the_current_one(ann, ben):
    file = ann.new_file(ann.new_project()["id"])["id"]
    ann.change(file, "?newVersion=true", versionLabel=None)
    short = file.removeprefix("syn")
    made = new(ben, used=[used_entity(short), used_entity(file, 1)])  # needs no READ
    assert made["used"] == [used_entity(file, 2), used_entity(file, 1)]


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
def test_what_cannot_be_used(ann, used, status, words):
    assert_error(ann.post(ACTIVITY, {"used": used}), status, words)


def test_a_target_with_a_version_need_not_exist(ann):
    assert new(ann, used=[used_entity("syn1", 3)])["used"] == [used_entity("syn1", 3)]


def test_an_anonymous_caller_makes_none(anonymous):
    assert_error(anonymous.post(ACTIVITY, {"name": "x"}), 403)


def test_an_update_replaces_everything_under_the_etag(ann):
    made = new(ann, name="one", description="d", used=[used_url("https://example.org/a")])
    body = {"id": made["id"], "etag": made["etag"], "name": "two"}
    changed = ok(ann.put(f"{ACTIVITY}/999999", body))  # the id in the body decides
    assert (changed["id"], changed["name"], changed["used"]) == (made["id"], "two", [])
    assert "description" not in changed
    assert changed["etag"] != made["etag"]
    assert_error(
        ann.put(f"{ACTIVITY}/{made['id']}", body), 412, f"Object: {made['id']} was updated"
    )
    assert ok(ann.get(f"{ACTIVITY}/{made['id']}")) == changed


def test_only_the_creator_and_administrators_change_one(ann, ben, anonymous, admin):
    made = new(ann, name="one")
    path = f"{ACTIVITY}/{made['id']}"
    reason = "lacks change access to the requested object."
    for person in (ben, anonymous):
        assert_error(person.put(path, made), 403, f"{person.id} {reason}")
        assert_error(person.delete(path), 403, reason)
    assert ok(admin.put(path, {**made, "name": "two"}))["name"] == "two"


def test_readers_of_what_it_generated_see_it(ann, ben, anonymous):
    project = ann.new_project()["id"]
    made = new(ann, name="one")
    path = f"{ACTIVITY}/{made['id']}"
    assert_error(ben.get(path), 403, f"{ben.id} lacks read access to the requested object.")
    ok(ann.put(f"{REPO}/entity/{project}/generatedBy?generatedBy={made['id']}"))
    assert_error(ben.get(path), 403)
    ann.share(project, {ben.id: ["READ"]})
    assert ok(ben.get(path)) == made
    assert_error(anonymous.get(path), 403)
    assert_error(ben.get(f"{ACTIVITY}/999999"), 404, "999999")


def test_a_link_belongs_to_the_current_version_and_renews_the_etag(ann):
    file = ann.new_file(ann.new_project()["id"])
    path = f"{REPO}/entity/{file['id']}"
    made = new(ann, name="one")
    assert_error(
        ann.get(f"{path}/generatedBy"),
        404,
        f"Activity for: '{file['id']}', version: '1' does not exist",
    )
    assert ok(ann.put(f"{path}/generatedBy?generatedBy={made['id']}")) == made
    linked = ann.entity(file["id"])
    assert linked["etag"] != file["etag"]
    assert ok(ann.get(f"{path}/generatedBy")) == made
    assert ok(ann.get(f"{path}/version/1/generatedBy")) == made
    assert ann.delete(f"{path}/generatedBy").status_code == 204
    assert ann.entity(file["id"])["etag"] != linked["etag"]
    assert_error(ann.get(f"{path}/generatedBy"), 404)
    assert_error(ann.get(f"{path}/version/3/generatedBy"), 404, "version 3")


def test_a_link_needs_update_here_and_access_there(ann, ben):
    project = ann.new_project()["id"]
    ann.share(project, {ben.id: ["READ", "UPDATE"]})
    hidden, own = new(ann)["id"], new(ben)["id"]
    path = f"{REPO}/entity/{project}/generatedBy"
    assert_error(ben.put(f"{path}?generatedBy={hidden}"), 403, "lacks read access")
    ok(ben.put(f"{path}?generatedBy={own}"))
    assert_error(ben.put(f"{path}?generatedBy=999999"), 404, "999999")
    assert_error(ben.put(path), 400, "generatedBy")


def test_deleting_it_clears_all_links(ann):
    project = ann.new_project()["id"]
    entities = [ann.new_file(project)["id"] for _ in range(2)]
    made = new(ann)["id"]
    for entity in entities:
        ok(ann.put(f"{REPO}/entity/{entity}/generatedBy?generatedBy={made}"))
    assert ann.delete(f"{ACTIVITY}/{made}").status_code == 204
    for entity in entities:
        assert_error(ann.get(f"{REPO}/entity/{entity}/generatedBy"), 404, "does not exist")
    assert ann.delete(f"{ACTIVITY}/{made}").status_code == 204
    assert_error(ann.get(f"{ACTIVITY}/{made}"), 404)


def test_what_it_generated_is_listed_for_those_who_may_read_it(ann, ben):
    shown, hidden = ann.new_project()["id"], ann.new_project()["id"]
    ann.share(shown, {ben.id: ["READ"]})
    file = ann.new_file(shown)["id"]
    made = new(ann)["id"]
    for entity in (file, hidden):
        ok(ann.put(f"{REPO}/entity/{entity}/generatedBy?generatedBy={made}"))
    ann.change(file, f"?newVersion=true&generatedBy={made}", versionLabel=None)
    path = f"{ACTIVITY}/{made}/generated"
    versions = [{"targetId": file, "targetVersionNumber": number} for number in (1, 2)]
    assert ok(ben.get(path))["results"] == versions
    assert len(ok(ann.get(path))["results"]) == 3
    assert ok(ann.get(f"{path}?limit=1&offset=1"))["totalNumberOfResults"] == 3
    assert ann.delete(f"{REPO}/entity/{shown}").status_code == 204
    assert [each["targetId"] for each in ok(ann.get(path))["results"]] == [hidden]
