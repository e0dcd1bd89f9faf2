"""Creation of submissions, and reading and deleting them."""

import json

import pytest
from support.entity_api import REPO, unique_name
from support.evaluation_api import EVALUATION, SUBMISSION, timestamp
from support.file_api import assert_error, ok

INVALID_FORM = "Submission is neither a valid Team or Individual Submission."


@pytest.fixture(scope="module")
def queue(organiser):
    return organiser.create_evaluation()["id"]


@pytest.fixture(scope="module")
def project(ann):
    return ann.new_project()


@pytest.fixture
def file(ann, project):
    """A file of Alice."""
    return ann.new_file(project["id"])


def test_create_ignores_read_only_properties(rules, organiser, queue, file):
    created = organiser.submit(
        queue, file, id="1", userId="1", createdOn="2001-01-01T00:00:00.000Z",
        entityBundleJSON="{}",
    )  # fmt: skip
    assert int(created.pop("id")) > 9_700_000
    assert json.loads(created.pop("entityBundleJSON"))["entity"]["id"] == file["id"]
    assert created == {
        "userId": "3300001",
        "evaluationId": queue,
        "entityId": file["id"],
        "versionNumber": 1,
        "name": file["name"],
        "createdOn": timestamp(rules),
        "contributors": [{"principalId": "3300001", "createdOn": timestamp(rules)}],
    }


def test_create_stores_name_and_alias(organiser, queue, file):
    created = organiser.submit(queue, file, name="try 1", submitterAlias="the Alices")
    assert created["name"] == "try 1"
    assert created["submitterAlias"] == "the Alices"
    assert organiser.submit(queue, file, name="")["name"] == file["name"]


def test_create_accepts_a_numeric_entity_id(organiser, queue, file):
    number = file["id"].removeprefix("syn")
    created = ok(organiser.try_submit(queue, {**file, "id": int(number)}))
    assert created["entityId"] == file["id"]


def test_status_of_a_new_submission_is_received(organiser, queue, file):
    created = organiser.submit(queue, file)
    status = organiser.get_status(created["id"])
    etag = status.pop("etag")
    assert status == {
        "id": created["id"],
        "entityId": file["id"],
        "versionNumber": 1,
        "modifiedOn": created["createdOn"],
        "status": "RECEIVED",
        "statusVersion": 0,
        "canCancel": False,
        "cancelRequested": False,
        "submissionAnnotations": {"id": created["id"], "etag": etag, "annotations": {}},
    }


def test_submission_preserves_entity_annotations_and_file_handle(ann, organiser, queue, file):
    path = f"{REPO}/entity/{file['id']}/annotations2"
    annotations = {"assay": {"type": "STRING", "value": ["rnaSeq"]}}
    ok(ann.put(path, {"etag": file["etag"], "annotations": annotations}))
    current = ann.entity(file["id"])
    submission = organiser.submit(queue, current)["id"]
    ann.change(file["id"], name="another name")
    ok(ann.put(path, {"etag": ann.entity(file["id"])["etag"], "annotations": {}}))
    assert ann.delete(f"{REPO}/entity/{file['id']}").status_code == 204

    bundle = json.loads(ok(ann.get(f"{SUBMISSION}/{submission}"))["entityBundleJSON"])
    zero = "00000000-0000-0000-0000-000000000000"
    assert bundle["entity"] == current
    assert bundle["entityType"] == "file"
    assert bundle["annotations"] == {"id": file["id"], "etag": zero, "annotations": annotations}
    (handle,) = bundle["fileHandles"]
    assert handle["id"] == file["dataFileHandleId"]
    assert handle == ok(ann.get(f"/file/v1/fileHandle/{handle['id']}"))


def test_create_accepts_a_previous_version(ann, organiser, queue, file):
    newer = ann.change(file["id"], "?newVersion=true", versionLabel=None,
                       dataFileHandleId=ann.handle("y"))  # fmt: skip
    created = organiser.submit(queue, {**newer, "versionNumber": 1})
    bundle = json.loads(created["entityBundleJSON"])
    assert created["versionNumber"] == 1
    assert bundle["entity"]["dataFileHandleId"] == file["dataFileHandleId"]
    assert [each["id"] for each in bundle["fileHandles"]] == [file["dataFileHandleId"]]
    assert_error(organiser.try_submit(queue, {**newer, "versionNumber": 3}), 404, "version 3")


def test_create_accepts_a_folder(ann, organiser, queue, project):
    folder = ann.new_folder(project["id"])
    bundle = json.loads(organiser.submit(queue, folder)["entityBundleJSON"])
    assert bundle["entityType"] == "folder"
    assert bundle["fileHandles"] == []


def test_create_with_stale_etag_returns_400(ann, organiser, queue, file):
    ann.change(file["id"], description="changed")
    message = f"The supplied eTag is out of date. Please fetch Entity {file['id']} again."
    assert_error(organiser.try_submit(queue, file), 400, message)
    ok(organiser.try_submit(queue, ann.entity(file["id"])))
    body = {"evaluationId": queue, "entityId": file["id"], "versionNumber": 1}
    assert_error(ann.post(SUBMISSION, body), 400, "etag")


@pytest.mark.parametrize("missing", ["evaluationId", "entityId", "versionNumber"])
def test_create_without_required_property_returns_400(organiser, queue, file, missing):
    assert_error(organiser.try_submit(queue, file, **{missing: None}), 400, missing)


def test_create_with_unknown_id_returns_404(organiser, queue, file):
    assert_error(organiser.try_submit("9699999", file), 404, "9699999")
    assert_error(organiser.try_submit(queue, {**file, "id": "syn999"}), 404, "syn999")


def test_create_drops_docker_properties_of_other_entities(organiser, queue, file):
    created = organiser.submit(queue, file, dockerDigest="sha256:ab", dockerRepositoryName="a/b")
    assert not {"dockerDigest", "dockerRepositoryName"} & set(created)


def test_create_requires_submit_on_the_evaluation_and_read_on_the_entity(
    ann, organiser, rival, anonymous, file
):
    queue = organiser.create_evaluation()["id"]
    assert_error(rival.try_submit(queue, file), 403, "You lack SUBMIT access")
    organiser.share(queue, {rival.author.id: ["SUBMIT"]})
    assert_error(
        rival.try_submit(queue, file), 403, "You lack READ access to the requested entity"
    )
    own = rival.author.new_project()
    created = rival.submit(queue, own)
    assert created["userId"] == str(rival.author.id)
    body = {"evaluationId": queue, "entityId": own["id"], "versionNumber": 1}
    assert_error(anonymous.post(f"{SUBMISSION}?etag={own['etag']}", body), 403, "Anonymous")


def test_submission_includes_file_only_if_submitter_has_download(ann, organiser, rival, file):
    """Otherwise, submitting a file to an own evaluation would give access to its content."""
    queue = rival.create_evaluation()["id"]
    project = ann.new_project()
    file = ann.new_file(project["id"])
    ann.share(project["id"], {rival.author.id: ["READ"]})
    bundle = json.loads(rival.submit(queue, file)["entityBundleJSON"])
    assert bundle["fileHandles"] == []
    ann.share(project["id"], {rival.author.id: ["READ", "DOWNLOAD"]})
    bundle = json.loads(rival.submit(queue, file)["entityBundleJSON"])
    assert [each["id"] for each in bundle["fileHandles"]] == [file["dataFileHandleId"]]


def test_individual_submission_has_one_contributor(organiser, queue, file):
    own = [{"principalId": 3300001}, {"principalId": "3300001"}]
    assert len(organiser.submit(queue, file, contributors=own)["contributors"]) == 1
    others = [{"principalId": "3300002"}]
    assert_error(organiser.try_submit(queue, file, contributors=others), 400, INVALID_FORM)
    assert_error(organiser.try_submit(queue, file, contributors=["3300001"]), 400, "contributors")
    assert_error(organiser.try_submit(queue, file, contributors=[{}]), 400, "principalId")


def test_team_submission_requires_team_and_hash(organiser, queue, file):
    hash_query = "&submissionEligibilityHash=77"
    assert_error(organiser.try_submit(queue, file, teamId="3400001"), 400, INVALID_FORM)
    assert_error(organiser.try_submit(queue, file, hash_query), 400, INVALID_FORM)
    assert_error(organiser.try_submit(queue, file, hash_query, teamId="3400001"), 404, "3400001")


def test_rejected_submission_is_not_stored(organiser, file):
    queue = organiser.create_evaluation()["id"]
    assert_error(organiser.try_submit(queue, {**file, "versionNumber": 9}), 404)
    assert_error(organiser.try_submit(queue, {**file, "etag": "x"}), 400)
    assert organiser.count(queue) == 0
    assert organiser.list(queue) == []


def test_get_requires_read_private_submission_of_the_submitter_too(organiser, rival):
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    created = rival.submit(queue, rival.author.new_project())
    path = f"{SUBMISSION}/{created['id']}"
    assert_error(rival.author.get(path), 403, "You lack READ_PRIVATE_SUBMISSION access")
    assert ok(organiser.author.get(path)) == created
    organiser.share(queue, {rival.author.id: ["READ_PRIVATE_SUBMISSION"]})
    assert ok(rival.author.get(path)) == created
    assert_error(organiser.author.get(f"{SUBMISSION}/9799999"), 404, "9799999")
    assert_error(organiser.author.get(f"{SUBMISSION}/nonsense"), 400)


def test_delete_requires_delete_submission(organiser, rival):
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT", "READ_PRIVATE_SUBMISSION"]})
    created = rival.submit(queue, rival.author.new_project())
    path = f"{SUBMISSION}/{created['id']}"
    assert_error(rival.author.delete(path), 403, "You lack DELETE_SUBMISSION access")
    assert organiser.author.delete(path).status_code == 204
    assert_error(organiser.author.get(path), 404)
    assert_error(organiser.author.get(f"{path}/status"), 404)
    assert_error(organiser.author.delete(path), 404)
    assert organiser.count(queue) == 0
    assert ok(organiser.author.get(f"{EVALUATION}/{queue}"))["id"] == queue


def test_routes_require_token_scopes(ann, author, organiser, queue, file):
    tokens = "/auth/v1/personalAccessToken"
    created = organiser.submit(queue, file)
    path = f"{SUBMISSION}/{created['id']}"
    insufficient = {}
    for scope in ("view", "modify", "download"):
        token = ok(ann.post(tokens, {"name": unique_name("token"), "scope": [scope]}))["token"]
        user = author("alice", token)
        responses = {
            "make": user.post(EVALUATION, {}),
            "read": user.get(path),
            "score": user.put(f"{path}/status", {}),
            "fetch": user.get(f"{path}/file/{file['dataFileHandleId']}"),
            "cancel": user.put(f"{path}/cancellation"),
        }
        insufficient[scope] = {
            what
            for what, response in responses.items()
            if response.status_code == 403 and response.json().get("error") == "insufficient_scope"
        }
    assert insufficient == {
        "view": {"make", "score", "fetch", "cancel"},
        "modify": {"make", "read", "score", "fetch"},
        "download": {"make", "read", "score", "cancel"},
    }
