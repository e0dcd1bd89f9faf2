"""Evaluations: making, finding, changing, deleting and listing them."""

import uuid
from urllib.parse import quote

import pytest
from support.entity_api import REPO, unique_name
from support.evaluation_api import EVALUATION, SUBMISSION, timestamp
from support.file_api import assert_error, ok


@pytest.fixture(scope="module")
def project(ann):
    return ann.new_project()["id"]


def test_the_service_sets_what_is_its_own(rules, organiser, project):
    name = unique_name("queue")
    made = organiser.evaluation(
        project,
        name=f"  {name} ",
        description="d",
        submissionReceiptMessage="thanks",
        submissionInstructionsMessage="a CSV please",
        id="1",
        etag="mine",
        ownerId="1",
        createdOn="2001-01-01T00:00:00.000Z",
        status="OPEN",
    )
    assert int(made.pop("id")) > 9_600_000
    assert uuid.UUID(made.pop("etag"))
    assert made == {
        "name": name,
        "description": "d",
        "submissionReceiptMessage": "thanks",
        "submissionInstructionsMessage": "a CSV please",
        "contentSource": project,
        "ownerId": "3300001",
        "createdOn": timestamp(rules),
    }


def test_an_id_of_the_project_is_read_in_any_form(organiser, project):
    made = organiser.evaluation(f" SYN{project.removeprefix('syn')} ")
    assert made["contentSource"] == project


@pytest.mark.parametrize("missing", ["name", "contentSource"])
def test_a_name_and_a_project_are_needed(organiser, project, missing):
    assert_error(organiser.try_evaluation(project, **{missing: None}), 400, missing)


def test_a_name_is_like_that_of_an_entity(organiser, project):
    assert_error(organiser.try_evaluation(project, name="a/b"), 400, "Invalid Name: 'a/b'")


def test_the_content_source_is_a_project(ann, organiser, project):
    folder = ann.new_folder(project)["id"]
    assert_error(organiser.try_evaluation(folder), 400, "must be a project")
    assert_error(organiser.try_evaluation("syn999"), 404, "'syn999' does not exist")
    assert_error(organiser.try_evaluation("nonsense"), 400, "not a valid Synapse ID")


def test_it_takes_create_on_the_project(ann, dan, organiser, rival, anonymous):
    project = ann.new_project()["id"]
    assert_error(rival.try_evaluation(project), 403, "You lack CREATE access")
    ann.share(project, {rival.author.id: ["READ", "CREATE"], dan.id: ["READ", "CREATE"]})
    made = rival.evaluation(project)
    assert made["ownerId"] == str(rival.author.id)
    body = {"name": unique_name(), "contentSource": project}
    assert (
        assert_error(dan.post(EVALUATION, body), 403)["errorCode"] == "USER_CERTIFICATION_REQUIRED"
    )
    assert_error(anonymous.post(EVALUATION, body), 403, "Anonymous")
    assert_error(organiser.author.get(f"{EVALUATION}/{made['id']}"), 403, "You lack READ access")


def test_a_name_is_taken_everywhere(organiser, rival, project):
    name = organiser.evaluation(project)["name"]
    told = f"An Evaluation already exists with the name '{name}'"
    assert_error(organiser.try_evaluation(project, name=name), 409, told)
    elsewhere = rival.author.new_project()["id"]
    assert_error(rival.try_evaluation(elsewhere, name=name), 409, told)
    other = organiser.evaluation(project)
    assert_error(organiser.save({**other, "name": name}), 409, told)


def test_it_is_found_by_id_and_by_name(ann, organiser, project):
    made = organiser.evaluation(project, name=f"{unique_name()} (it's + 1,2)")
    assert organiser.get(made["id"]) == made
    assert ok(ann.get(f"{EVALUATION}/name/{quote(made['name'])}")) == made
    assert_error(ann.get(f"{EVALUATION}/name/no%20such%20queue"), 404, "no such queue")
    assert_error(ann.get(f"{EVALUATION}/9699999"), 404, "9699999")
    assert_error(ann.get(f"{EVALUATION}/nonsense"), 400, "nonsense")


def test_a_name_that_the_caller_may_not_read_is_not_there(organiser, rival, project):
    made = organiser.evaluation(project)
    assert_error(rival.author.get(f"{EVALUATION}/{made['id']}"), 403, "You lack READ access")
    assert_error(rival.author.get(f"{EVALUATION}/name/{quote(made['name'])}"), 404)


def test_a_change_replaces_all_but_the_project(organiser, project):
    made = organiser.evaluation(project, description="d", submissionReceiptMessage="thanks")
    changed = ok(
        organiser.save(
            {"id": made["id"], "etag": made["etag"], "name": made["name"], "ownerId": "7"}
        )
    )
    assert changed == {
        **{key: made[key] for key in ("id", "name", "ownerId", "createdOn", "contentSource")},
        "etag": changed["etag"],
    }
    assert changed["etag"] != made["etag"]
    assert organiser.get(made["id"]) == changed


def test_the_project_cannot_be_changed(ann, organiser, project):
    made = organiser.evaluation(project)
    other = ann.new_project()["id"]
    assert_error(organiser.save({**made, "contentSource": other}), 400, "contentSource")
    assert organiser.get(made["id"]) == made


def test_a_change_needs_the_current_etag(organiser, project):
    made = organiser.evaluation(project)
    ok(organiser.save({**made, "description": "first"}))
    told = f"Object: {made['id']} was updated since you last fetched it"
    assert_error(organiser.save({**made, "description": "second"}), 412, told)
    assert_error(organiser.save({**made, "etag": None}), 412, told)
    assert organiser.get(made["id"])["description"] == "first"


def test_a_deletion_takes_what_was_submitted_with_it(ann, organiser):
    project = ann.new_project()
    made = organiser.evaluation(project["id"])
    submission = organiser.submit(made["id"], project)["id"]
    assert ann.delete(f"{EVALUATION}/{made['id']}").status_code == 204
    assert_error(ann.get(f"{EVALUATION}/{made['id']}"), 404)
    assert_error(ann.get(f"{EVALUATION}/{made['id']}/acl"), 404)
    assert_error(ann.get(f"{SUBMISSION}/{submission}"), 404, submission)
    assert_error(ann.get(f"{SUBMISSION}/{submission}/status"), 404, submission)
    assert_error(ann.delete(f"{EVALUATION}/{made['id']}"), 404)
    again = organiser.evaluation(project["id"], name=made["name"])
    assert again["id"] != made["id"]


def test_it_outlives_its_project(ann, organiser):
    """Whoever holds an evaluation decides on it; its project may be deleted for good."""
    project = ann.new_project()
    made = organiser.evaluation(project["id"])
    submission = organiser.submit(made["id"], project)
    ann.delete(f"{REPO}/entity/{project['id']}")
    assert organiser.get(made["id"]) == made
    assert_error(organiser.try_evaluation(project["id"]), 404, "in trash can")
    assert ann.put(f"{REPO}/trashcan/purge/{project['id']}").ok
    assert ok(organiser.save({**made, "description": "closed"}))["contentSource"] == project["id"]
    assert organiser.list(made["id"]) == [submission]
    found = ok(ann.get(f"{REPO}/entity/{project['id']}/evaluation"))["results"]
    assert [each["id"] for each in found] == [made["id"]]


@pytest.fixture(scope="module")
def three(ann, organiser):
    """A project and the ids of its evaluations, in the order they were made."""
    project = ann.new_project()["id"]
    return project, [organiser.evaluation(project)["id"] for _ in range(3)]


def ids(person, path):
    return [each["id"] for each in ok(person.get(f"{REPO}{path}"))["results"]]


def test_those_of_a_project_are_listed_page_by_page(ann, three):
    project, queues = three
    path = f"/entity/{project}/evaluation"
    assert ids(ann, path) == queues
    assert ids(ann, f"{path}?limit=2") == queues[:2]
    assert ids(ann, f"{path}?limit=2&offset=2") == queues[2:]
    assert ids(ann, f"{path}?offset=3") == []
    assert ok(ann.get(f"{REPO}{path}?limit=2"))["totalNumberOfResults"] == 3
    assert ids(ann, "/entity/syn1/evaluation") == []
    assert_error(ann.get(f"{REPO}{path}?limit=-1"), 400, "limit")
    assert_error(ann.get(f"{REPO}/entity/nonsense/evaluation"), 400)


def test_a_list_holds_what_the_caller_may(ann, ben, organiser, three):
    project, queues = three
    organiser.share(queues[0], {ben.id: ["READ"]})
    organiser.share(queues[2], {ben.id: ["SUBMIT"]})
    among = "evaluationIds=" + ",".join(queues)
    assert ids(ben, f"/evaluation?{among}") == [queues[0]]
    assert ids(ben, f"/evaluation?{among}&accessType=SUBMIT") == [queues[2]]
    assert ids(ben, f"/evaluation/available?{among}") == [queues[2]]
    assert ids(ben, f"/entity/{project}/evaluation?accessType=UPDATE") == []
    assert ids(ann, f"/evaluation?{among}") == queues
    assert ids(ann, f"/evaluation/available?{among}") == queues
    assert_error(ann.get(f"{EVALUATION}?accessType=LOOK"), 400, "accessType")


def test_a_list_is_held_to_some_ids(ann, three):
    _, queues = three
    assert ids(ann, f"/evaluation?evaluationIds={queues[1]}") == [queues[1]]
    both = f"evaluationIds={queues[0]}&evaluationIds={queues[2]},1"
    assert ids(ann, f"/evaluation?{both}") == [queues[0], queues[2]]
    assert_error(ann.get(f"{EVALUATION}?evaluationIds=x"), 400, "evaluationIds")


def test_an_administrator_sees_all(admin, anonymous, three):
    project, queues = three
    assert ids(admin, f"/entity/{project}/evaluation") == queues
    assert ids(anonymous, f"/entity/{project}/evaluation") == []
    assert ids(anonymous, "/evaluation/available") == []
