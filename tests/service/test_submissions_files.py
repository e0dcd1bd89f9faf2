"""Download of submitted files, which requires READ_PRIVATE_SUBMISSION on the evaluation."""

import io
import zipfile

import pytest
from support.entity_api import REPO
from support.evaluation_api import EVALUATION, SUBMISSION
from support.file_api import assert_error, ok
from support.table_api import TableClient

KIND = "SubmissionAttachment"
CONTENT = b"id,prediction\n1,0.5\n"


@pytest.fixture(scope="module")
def submitted(organiser, rival):
    """A file submitted by Bob to an evaluation of Alice: (evaluation, submission, file)."""
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    project = rival.author.new_project()["id"]
    handle = rival.author.upload(CONTENT, fileName="prediction.csv")
    file = rival.author.make(
        "org.sagebionetworks.repo.model.FileEntity", project, dataFileHandleId=handle
    )
    return queue, rival.submit(queue, file)["id"], file


def download_one(user, handle, submission, kind=KIND):
    (result,) = ok(user.batch((handle, submission, kind)))["requestedFiles"]
    return result


def test_organiser_downloads_a_submitted_file_without_access_to_the_entity(ann, submitted):
    _, submission, file = submitted
    handle = file["dataFileHandleId"]
    assert_error(ann.get(f"{REPO}/entity/{file['id']}"), 403)
    assert_error(ann.get(f"/file/v1/fileHandle/{handle}"), 403)
    assert download_one(ann, handle, file["id"], "FileEntity")["failureCode"] == "UNAUTHORIZED"
    result = download_one(ann, handle, submission)
    assert result["fileHandle"]["fileName"] == "prediction.csv"
    assert ann.session.get(result["preSignedURL"], timeout=30).content == CONTENT


def test_submitted_file_survives_deletion_of_the_entity(ann, ben, organiser, rival):
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {ben.id: ["SUBMIT"]})
    project = ben.new_project()["id"]
    handle = ben.upload(b"content", fileName="gone.txt")
    file = ben.make("org.sagebionetworks.repo.model.FileEntity", project, dataFileHandleId=handle)
    submission = rival.submit(queue, file)["id"]
    assert ben.delete(f"{REPO}/entity/{project}?skipTrashCan=true").status_code == 204
    assert_error(ben.delete(f"/file/v1/fileHandle/{handle}"), 409, "in use")
    url = download_one(ann, handle, submission)["preSignedURL"]
    assert ann.session.get(url, timeout=30).content == b"content"
    assert ann.delete(f"{SUBMISSION}/{submission}").status_code == 204
    assert ben.delete(f"/file/v1/fileHandle/{handle}").status_code == 200


def test_download_by_other_users_is_unauthorized(author, dan, anonymous, submitted):
    _, submission, file = submitted
    for user in (author("carol"), dan, anonymous):
        result = download_one(user, file["dataFileHandleId"], submission)
        assert result["failureCode"] == "UNAUTHORIZED"
        assert set(result) == {"fileHandleId", "failureCode"}


def test_submission_gives_no_access_to_other_files(ann, ben, submitted):
    _, submission, file = submitted
    other = ben.handle("z")
    assert download_one(ann, other, submission)["failureCode"] == "UNAUTHORIZED"
    assert download_one(ann, file["dataFileHandleId"], "9799999")["failureCode"] == "UNAUTHORIZED"
    assert download_one(ann, "69999999", submission)["failureCode"] == "NOT_FOUND"
    assert_error(ann.batch((file["dataFileHandleId"], "nonsense", KIND)), 400, "nonsense")
    assert "preSignedURL" in download_one(
        ben, other, submission
    )  # the creator of a file handle always has access


def test_file_route_of_a_submission_redirects_to_the_file(ann, ben, submitted):
    _, submission, file = submitted
    path = f"{SUBMISSION}/{submission}/file/{file['dataFileHandleId']}"
    response = ann.get(path)
    assert response.status_code == 307
    assert ann.session.get(response.headers["Location"], timeout=30).content == CONTENT
    text_response = ann.get(f"{path}?redirect=false")
    assert text_response.headers["Content-Type"].startswith("text/plain")
    assert ann.session.get(text_response.text, timeout=30).content == CONTENT
    assert_error(ben.get(path), 403, "READ_PRIVATE_SUBMISSION")
    assert_error(ann.get(f"{SUBMISSION}/{submission}/file/1"), 404, "does not contain")
    assert_error(ann.get(f"{SUBMISSION}/9799999/file/1"), 404, "9799999")


def test_file_handle_route_redirects_to_the_submitted_file(ann, submitted):
    _, submission, file = submitted
    query = f"fileAssociateType={KIND}&fileAssociateId={submission}"
    response = ann.get(f"/file/v1/file/{file['dataFileHandleId']}?{query}")
    assert response.status_code == 307
    assert ann.session.get(response.headers["Location"], timeout=30).content == CONTENT


def test_bulk_download_includes_submitted_files(ann, submitted):
    _, submission, file = submitted
    handle = file["dataFileHandleId"]
    requested = [
        {"fileHandleId": handle, "associateObjectId": of, "associateObjectType": KIND}
        for of in (submission, "9799999")
    ]
    body = {
        "concreteType": "org.sagebionetworks.repo.model.file.BulkFileDownloadRequest",
        "requestedFiles": requested[:1],
    }
    response = ok(TableClient(ann).run("/file/v1/file/bulk", body))
    assert [each["status"] for each in response["fileSummary"]] == ["SUCCESS"]
    packed = ann.read(response["resultZipFileHandleId"]).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.read(response["fileSummary"][0]["zipEntryName"]) == CONTENT
    body["requestedFiles"] = requested[1:]
    response = ok(TableClient(ann).run("/file/v1/file/bulk", body))
    assert response["fileSummary"][0]["failureCode"] == "UNAUTHORIZED"


def test_submitted_file_handle_can_be_copied(ann, ben, submitted):
    queue, submission, file = submitted
    original = {
        "fileHandleId": file["dataFileHandleId"],
        "associateObjectId": submission,
        "associateObjectType": KIND,
    }
    body = {"copyRequests": [{"originalFile": original}]}
    (copied,) = ok(ann.post("/file/v1/filehandles/copy", body))["copyResults"]
    assert ann.read(copied["newFileHandle"]["id"]).content == CONTENT
    assert ok(ann.get(f"{EVALUATION}/{queue}"))["id"] == queue
