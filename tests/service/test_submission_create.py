"""Submitting: what a request must hold, what is frozen, reading and deleting."""

import json

import pytest
from support.entity_api import REPO, unique_name
from support.evaluation_api import EVALUATION, SUBMISSION, timestamp
from support.file_api import assert_error, ok

NO_FORM = "Submission is neither a valid Team or Individual Submission."


@pytest.fixture(scope="module")
def queue(organiser):
    return organiser.evaluation()["id"]


@pytest.fixture(scope="module")
def project(ann):
    return ann.new_project()


@pytest.fixture
def file(ann, project):
    """A file of alice."""
    return ann.new_file(project["id"])


def test_the_service_sets_what_is_its_own(rules, organiser, queue, file):
    made = organiser.submit(
        queue, file, id="1", userId="1", createdOn="2001-01-01T00:00:00.000Z",
        entityBundleJSON="{}",
    )  # fmt: skip
    assert int(made.pop("id")) > 9_700_000
    assert json.loads(made.pop("entityBundleJSON"))["entity"]["id"] == file["id"]
    assert made == {
        "userId": "3300001",
        "evaluationId": queue,
        "entityId": file["id"],
        "versionNumber": 1,
        "name": file["name"],
        "createdOn": timestamp(rules),
        "contributors": [{"principalId": "3300001", "createdOn": timestamp(rules)}],
    }


def test_what_the_submitter_says_is_kept(organiser, queue, file):
    made = organiser.submit(queue, file, name="try 1", submitterAlias="the Alices")
    assert made["name"] == "try 1"
    assert made["submitterAlias"] == "the Alices"
    assert organiser.submit(queue, file, name="")["name"] == file["name"]


def test_an_entity_is_named_in_any_form(organiser, queue, file):
    number = file["id"].removeprefix("syn")
    made = ok(organiser.try_submit(queue, {**file, "id": int(number)}))
    assert made["entityId"] == file["id"]


def test_a_new_submission_is_received(organiser, queue, file):
    made = organiser.submit(queue, file)
    status = organiser.status(made["id"])
    etag = status.pop("etag")
    assert status == {
        "id": made["id"],
        "entityId": file["id"],
        "versionNumber": 1,
        "modifiedOn": made["createdOn"],
        "status": "RECEIVED",
        "statusVersion": 0,
        "canCancel": False,
        "cancelRequested": False,
        "submissionAnnotations": {"id": made["id"], "etag": etag, "annotations": {}},
    }


def test_it_is_frozen_as_it_was(ann, organiser, queue, file):
    """Entity, annotations in the present form, and the file handle, whatever comes later."""
    path = f"{REPO}/entity/{file['id']}/annotations2"
    noted = {"assay": {"type": "STRING", "value": ["rnaSeq"]}}
    ok(ann.put(path, {"etag": file["etag"], "annotations": noted}))
    current = ann.entity(file["id"])
    submission = organiser.submit(queue, current)["id"]
    ann.change(file["id"], name="another name")
    ok(ann.put(path, {"etag": ann.entity(file["id"])["etag"], "annotations": {}}))
    assert ann.delete(f"{REPO}/entity/{file['id']}").status_code == 204

    frozen = json.loads(ok(ann.get(f"{SUBMISSION}/{submission}"))["entityBundleJSON"])
    zero = "00000000-0000-0000-0000-000000000000"
    assert frozen["entity"] == {**current, "etag": zero}
    assert frozen["entityType"] == "file"
    assert frozen["annotations"] == {"id": file["id"], "etag": zero, "annotations": noted}
    (handle,) = frozen["fileHandles"]
    assert handle["id"] == file["dataFileHandleId"]
    assert handle == ok(ann.get(f"/file/v1/fileHandle/{handle['id']}"))


def test_an_older_version_may_be_submitted(ann, organiser, queue, file):
    newer = ann.change(file["id"], "?newVersion=true", versionLabel=None,
                       dataFileHandleId=ann.handle("y"))  # fmt: skip
    made = organiser.submit(queue, {**newer, "versionNumber": 1})
    frozen = json.loads(made["entityBundleJSON"])
    assert made["versionNumber"] == 1
    assert frozen["entity"]["dataFileHandleId"] == file["dataFileHandleId"]
    assert [each["id"] for each in frozen["fileHandles"]] == [file["dataFileHandleId"]]
    assert_error(organiser.try_submit(queue, {**newer, "versionNumber": 3}), 404, "version 3")


def test_what_is_no_file_may_be_submitted(ann, organiser, queue, project):
    folder = ann.new_folder(project["id"])
    frozen = json.loads(organiser.submit(queue, folder)["entityBundleJSON"])
    assert frozen["entityType"] == "folder"
    assert frozen["fileHandles"] == []


def test_an_entity_that_changed_is_stale_and_that_is_400(ann, organiser, queue, file):
    ann.change(file["id"], description="changed")
    told = f"The supplied eTag is out of date. Please fetch Entity {file['id']} again."
    assert_error(organiser.try_submit(queue, file), 400, told)
    ok(organiser.try_submit(queue, ann.entity(file["id"])))
    body = {"evaluationId": queue, "entityId": file["id"], "versionNumber": 1}
    assert_error(ann.post(SUBMISSION, body), 400, "etag")


@pytest.mark.parametrize("missing", ["evaluationId", "entityId", "versionNumber"])
def test_what_must_be_there(organiser, queue, file, missing):
    assert_error(organiser.try_submit(queue, file, **{missing: None}), 400, missing)


def test_what_is_not_there_is_404(organiser, queue, file):
    assert_error(organiser.try_submit("9699999", file), 404, "9699999")
    assert_error(organiser.try_submit(queue, {**file, "id": "syn999"}), 404, "syn999")


def test_docker_names_are_emptied_for_what_is_no_docker_repository(organiser, queue, file):
    made = organiser.submit(queue, file, dockerDigest="sha256:ab", dockerRepositoryName="a/b")
    assert not {"dockerDigest", "dockerRepositoryName"} & set(made)


def test_it_takes_submit_on_the_evaluation_and_read_on_the_entity(
    ann, organiser, rival, anonymous, file
):
    queue = organiser.evaluation()["id"]
    assert_error(rival.try_submit(queue, file), 403, "You lack SUBMIT access")
    organiser.share(queue, {rival.author.id: ["SUBMIT"]})
    assert_error(
        rival.try_submit(queue, file), 403, "You lack READ access to the requested entity"
    )
    own = rival.author.new_project()
    made = rival.submit(queue, own)
    assert made["userId"] == str(rival.author.id)
    body = {"evaluationId": queue, "entityId": own["id"], "versionNumber": 1}
    assert_error(anonymous.post(f"{SUBMISSION}?etag={own['etag']}", body), 403, "Anonymous")


def test_a_file_that_the_submitter_may_not_download_is_not_submitted_with_it(
    ann, organiser, rival, file
):
    """Else a submission to a queue of one's own would open any file."""
    queue = rival.evaluation()["id"]
    project = ann.new_project()
    file = ann.new_file(project["id"])
    ann.share(project["id"], {rival.author.id: ["READ"]})
    seen = json.loads(rival.submit(queue, file)["entityBundleJSON"])
    assert seen["fileHandles"] == []
    ann.share(project["id"], {rival.author.id: ["READ", "DOWNLOAD"]})
    seen = json.loads(rival.submit(queue, file)["entityBundleJSON"])
    assert [each["id"] for each in seen["fileHandles"]] == [file["dataFileHandleId"]]


def test_an_individual_is_the_only_contributor(organiser, queue, file):
    own = [{"principalId": 3300001}, {"principalId": "3300001"}]
    assert len(organiser.submit(queue, file, contributors=own)["contributors"]) == 1
    others = [{"principalId": "3300002"}]
    assert_error(organiser.try_submit(queue, file, contributors=others), 400, NO_FORM)
    assert_error(organiser.try_submit(queue, file, contributors=["3300001"]), 400, "contributors")
    assert_error(organiser.try_submit(queue, file, contributors=[{}]), 400, "principalId")


def test_a_team_needs_a_hash_and_a_hash_a_team(organiser, queue, file):
    by_hash = "&submissionEligibilityHash=77"
    assert_error(organiser.try_submit(queue, file, teamId="3400001"), 400, NO_FORM)
    assert_error(organiser.try_submit(queue, file, by_hash), 400, NO_FORM)
    assert_error(organiser.try_submit(queue, file, by_hash, teamId="3400001"), 404, "3400001")


def test_what_is_refused_leaves_nothing(organiser, file):
    queue = organiser.evaluation()["id"]
    assert_error(organiser.try_submit(queue, {**file, "versionNumber": 9}), 404)
    assert_error(organiser.try_submit(queue, {**file, "etag": "x"}), 400)
    assert organiser.count(queue) == 0
    assert organiser.list(queue) == []


def test_even_the_submitter_needs_the_right_to_read_it(organiser, rival):
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    made = rival.submit(queue, rival.author.new_project())
    path = f"{SUBMISSION}/{made['id']}"
    assert_error(rival.author.get(path), 403, "You lack READ_PRIVATE_SUBMISSION access")
    assert ok(organiser.author.get(path)) == made
    organiser.share(queue, {rival.author.id: ["READ_PRIVATE_SUBMISSION"]})
    assert ok(rival.author.get(path)) == made
    assert_error(organiser.author.get(f"{SUBMISSION}/9799999"), 404, "9799999")
    assert_error(organiser.author.get(f"{SUBMISSION}/nonsense"), 400)


def test_deleting_takes_its_right(organiser, rival):
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT", "READ_PRIVATE_SUBMISSION"]})
    made = rival.submit(queue, rival.author.new_project())
    path = f"{SUBMISSION}/{made['id']}"
    assert_error(rival.author.delete(path), 403, "You lack DELETE_SUBMISSION access")
    assert organiser.author.delete(path).status_code == 204
    assert_error(organiser.author.get(path), 404)
    assert_error(organiser.author.get(f"{path}/status"), 404)
    assert_error(organiser.author.delete(path), 404)
    assert organiser.count(queue) == 0
    assert ok(organiser.author.get(f"{EVALUATION}/{queue}"))["id"] == queue


def test_a_token_must_hold_the_scopes(ann, author, organiser, queue, file):
    tokens = "/auth/v1/personalAccessToken"
    made = organiser.submit(queue, file)
    path = f"{SUBMISSION}/{made['id']}"
    lacking = {}
    for scope in ("view", "modify", "download"):
        token = ok(ann.post(tokens, {"name": unique_name("token"), "scope": [scope]}))["token"]
        person = author("alice", token)
        answers = {
            "make": person.post(EVALUATION, {}),
            "read": person.get(path),
            "score": person.put(f"{path}/status", {}),
            "fetch": person.get(f"{path}/file/{file['dataFileHandleId']}"),
            "cancel": person.put(f"{path}/cancellation"),
        }
        lacking[scope] = {
            what
            for what, answer in answers.items()
            if answer.status_code == 403 and answer.json().get("error") == "insufficient_scope"
        }
    assert lacking == {
        "view": {"make", "score", "fetch", "cancel"},
        "modify": {"make", "read", "score", "fetch"},
        "download": {"make", "read", "score", "cancel"},
    }
