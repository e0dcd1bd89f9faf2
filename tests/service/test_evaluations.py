"""Evaluations: create, read, update, delete and list."""

import uuid
from urllib.parse import quote

import pytest
from support.entity_api import REPO, unique_name
from support.evaluation_api import EVALUATION, SUBMISSION, timestamp
from support.file_api import assert_error, ok


@pytest.fixture(scope="module")
def project(ann):
    return ann.new_project()["id"]


def test_create_ignores_read_only_properties(rules, organiser, project):
    name = unique_name("queue")
    created = organiser.create_evaluation(
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
    assert int(created.pop("id")) > 9_600_000
    assert uuid.UUID(created.pop("etag"))
    assert created == {
        "name": name,
        "description": "d",
        "submissionReceiptMessage": "thanks",
        "submissionInstructionsMessage": "a CSV please",
        "contentSource": project,
        "ownerId": "3300001",
        "createdOn": timestamp(rules),
    }


def test_create_accepts_unnormalized_project_ids(organiser, project):
    created = organiser.create_evaluation(f" SYN{project.removeprefix('syn')} ")
    assert created["contentSource"] == project


@pytest.mark.parametrize("missing", ["name", "contentSource"])
def test_create_without_required_property_returns_400(organiser, project, missing):
    assert_error(organiser.try_create_evaluation(project, **{missing: None}), 400, missing)


def test_create_with_invalid_name_returns_400(organiser, project):
    assert_error(organiser.try_create_evaluation(project, name="a/b"), 400, "Invalid Name: 'a/b'")


def test_content_source_must_be_a_project(ann, organiser, project):
    folder = ann.new_folder(project)["id"]
    assert_error(organiser.try_create_evaluation(folder), 400, "must be a project")
    assert_error(organiser.try_create_evaluation("syn999"), 404, "'syn999' does not exist")
    assert_error(organiser.try_create_evaluation("nonsense"), 400, "not a valid Synapse ID")


def test_create_requires_create_on_the_project(ann, dan, organiser, rival, anonymous):
    project = ann.new_project()["id"]
    assert_error(rival.try_create_evaluation(project), 403, "You lack CREATE access")
    ann.share(project, {rival.author.id: ["READ", "CREATE"], dan.id: ["READ", "CREATE"]})
    created = rival.create_evaluation(project)
    assert created["ownerId"] == str(rival.author.id)
    body = {"name": unique_name(), "contentSource": project}
    assert (
        assert_error(dan.post(EVALUATION, body), 403)["errorCode"] == "USER_CERTIFICATION_REQUIRED"
    )
    assert_error(anonymous.post(EVALUATION, body), 403, "Anonymous")
    assert_error(
        organiser.author.get(f"{EVALUATION}/{created['id']}"), 403, "You lack READ access"
    )


def test_name_must_be_globally_unique(organiser, rival, project):
    name = organiser.create_evaluation(project)["name"]
    message = f"An Evaluation already exists with the name '{name}'"
    assert_error(organiser.try_create_evaluation(project, name=name), 409, message)
    elsewhere = rival.author.new_project()["id"]
    assert_error(rival.try_create_evaluation(elsewhere, name=name), 409, message)
    other = organiser.create_evaluation(project)
    assert_error(organiser.save({**other, "name": name}), 409, message)


def test_get_by_id_and_by_name(ann, organiser, project):
    created = organiser.create_evaluation(project, name=f"{unique_name()} (it's + 1,2)")
    assert organiser.get(created["id"]) == created
    assert ok(ann.get(f"{EVALUATION}/name/{quote(created['name'])}")) == created
    assert_error(ann.get(f"{EVALUATION}/name/no%20such%20queue"), 404, "no such queue")
    assert_error(ann.get(f"{EVALUATION}/9699999"), 404, "9699999")
    assert_error(ann.get(f"{EVALUATION}/nonsense"), 400, "nonsense")


def test_get_by_name_without_read_returns_404(organiser, rival, project):
    created = organiser.create_evaluation(project)
    assert_error(rival.author.get(f"{EVALUATION}/{created['id']}"), 403, "You lack READ access")
    assert_error(rival.author.get(f"{EVALUATION}/name/{quote(created['name'])}"), 404)


def test_update_replaces_all_properties_but_the_project(organiser, project):
    created = organiser.create_evaluation(
        project, description="d", submissionReceiptMessage="thanks"
    )
    changed = ok(
        organiser.save(
            {"id": created["id"], "etag": created["etag"], "name": created["name"], "ownerId": "7"}
        )
    )
    assert changed == {
        **{key: created[key] for key in ("id", "name", "ownerId", "createdOn", "contentSource")},
        "etag": changed["etag"],
    }
    assert changed["etag"] != created["etag"]
    assert organiser.get(created["id"]) == changed


def test_update_of_the_project_returns_400(ann, organiser, project):
    created = organiser.create_evaluation(project)
    other = ann.new_project()["id"]
    assert_error(organiser.save({**created, "contentSource": other}), 400, "contentSource")
    assert organiser.get(created["id"]) == created


def test_update_with_stale_etag_returns_412(organiser, project):
    created = organiser.create_evaluation(project)
    ok(organiser.save({**created, "description": "first"}))
    message = f"Object: {created['id']} was updated since you last fetched it"
    assert_error(organiser.save({**created, "description": "second"}), 412, message)
    assert_error(organiser.save({**created, "etag": None}), 412, message)
    assert organiser.get(created["id"])["description"] == "first"


def test_delete_deletes_submissions(ann, organiser):
    project = ann.new_project()
    created = organiser.create_evaluation(project["id"])
    submission = organiser.submit(created["id"], project)["id"]
    assert ann.delete(f"{EVALUATION}/{created['id']}").status_code == 204
    assert_error(ann.get(f"{EVALUATION}/{created['id']}"), 404)
    assert_error(ann.get(f"{EVALUATION}/{created['id']}/acl"), 404)
    assert_error(ann.get(f"{SUBMISSION}/{submission}"), 404, submission)
    assert_error(ann.get(f"{SUBMISSION}/{submission}/status"), 404, submission)
    assert_error(ann.delete(f"{EVALUATION}/{created['id']}"), 404)
    again = organiser.create_evaluation(project["id"], name=created["name"])
    assert again["id"] != created["id"]


def test_evaluation_survives_deletion_of_its_project(ann, organiser):
    project = ann.new_project()
    created = organiser.create_evaluation(project["id"])
    submission = organiser.submit(created["id"], project)
    ann.delete(f"{REPO}/entity/{project['id']}")
    assert organiser.get(created["id"]) == created
    assert_error(organiser.try_create_evaluation(project["id"]), 404, "in trash can")
    assert ann.put(f"{REPO}/trashcan/purge/{project['id']}").ok
    assert (
        ok(organiser.save({**created, "description": "closed"}))["contentSource"] == project["id"]
    )
    assert organiser.list(created["id"]) == [submission]
    results = ok(ann.get(f"{REPO}/entity/{project['id']}/evaluation"))["results"]
    assert [each["id"] for each in results] == [created["id"]]


@pytest.fixture(scope="module")
def three_evaluations(ann, organiser):
    """A project and the IDs of its evaluations, oldest first."""
    project = ann.new_project()["id"]
    return project, [organiser.create_evaluation(project)["id"] for _ in range(3)]


def list_ids(user, path):
    return [each["id"] for each in ok(user.get(f"{REPO}{path}"))["results"]]


def test_evaluations_of_a_project_are_listed_by_page(ann, three_evaluations):
    project, queues = three_evaluations
    path = f"/entity/{project}/evaluation"
    assert list_ids(ann, path) == queues
    assert list_ids(ann, f"{path}?limit=2") == queues[:2]
    assert list_ids(ann, f"{path}?limit=2&offset=2") == queues[2:]
    assert list_ids(ann, f"{path}?offset=3") == []
    assert ok(ann.get(f"{REPO}{path}?limit=2"))["totalNumberOfResults"] == 3
    assert list_ids(ann, "/entity/syn1/evaluation") == []
    assert_error(ann.get(f"{REPO}{path}?limit=-1"), 400, "limit")
    assert_error(ann.get(f"{REPO}/entity/nonsense/evaluation"), 400)


def test_list_depends_on_the_rights_of_the_caller(ann, ben, organiser, three_evaluations):
    project, queues = three_evaluations
    organiser.share(queues[0], {ben.id: ["READ"]})
    organiser.share(queues[2], {ben.id: ["SUBMIT"]})
    filter_query = "evaluationIds=" + ",".join(queues)
    assert list_ids(ben, f"/evaluation?{filter_query}") == [queues[0]]
    assert list_ids(ben, f"/evaluation?{filter_query}&accessType=SUBMIT") == [queues[2]]
    assert list_ids(ben, f"/evaluation/available?{filter_query}") == [queues[2]]
    assert list_ids(ben, f"/entity/{project}/evaluation?accessType=UPDATE") == []
    assert list_ids(ann, f"/evaluation?{filter_query}") == queues
    assert list_ids(ann, f"/evaluation/available?{filter_query}") == queues
    assert_error(ann.get(f"{EVALUATION}?accessType=LOOK"), 400, "accessType")


def test_list_filters_by_evaluation_ids(ann, three_evaluations):
    _, queues = three_evaluations
    assert list_ids(ann, f"/evaluation?evaluationIds={queues[1]}") == [queues[1]]
    both = f"evaluationIds={queues[0]}&evaluationIds={queues[2]},1"
    assert list_ids(ann, f"/evaluation?{both}") == [queues[0], queues[2]]
    assert_error(ann.get(f"{EVALUATION}?evaluationIds=x"), 400, "evaluationIds")


def test_administrator_lists_all_evaluations(admin, anonymous, three_evaluations):
    project, queues = three_evaluations
    assert list_ids(admin, f"/entity/{project}/evaluation") == queues
    assert list_ids(anonymous, f"/entity/{project}/evaluation") == []
    assert list_ids(anonymous, "/evaluation/available") == []


def test_prefix_of_evaluation_ids_is_dropped(ann, organiser):
    evaluation = organiser.create_evaluation()["id"]
    path = f"{REPO}/evaluation/syn{evaluation}"
    assert ok(ann.get(path))["id"] == evaluation
    assert ok(ann.get(f"{path}/submission/all"))["results"] == []
    found = ok(ann.get(f"{REPO}/evaluation?evaluationIds=syn{evaluation}"))["results"]
    assert [each["id"] for each in found] == [evaluation]
    for missing in ("evaluation/syn999", "evaluation/syn999/submission/all", "activity/syn999"):
        assert_error(ann.get(f"{REPO}/{missing}"), 404)
    assert_error(ann.get(f"{REPO}/evaluation/synsyn9"), 400)


@pytest.mark.parametrize(
    "path",
    [
        "evaluation?accessType=NOPE",
        "userGroupHeaders?prefix=a&typeFilter=NOPE",
        "entity/syn4489/access?accessType=NOPE",
        "evaluation/{}/submission/all?status=NOPE",
    ],
)
def test_unknown_enumeration_value_in_a_query_parameter(ann, organiser, path):
    reason = assert_error(
        ann.get(f"{REPO}/{path}".format(organiser.create_evaluation()["id"])),
        400,
        "No enum constant",
    )["reason"]
    assert "NOPE" in reason
