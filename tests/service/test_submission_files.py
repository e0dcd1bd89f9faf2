"""Files that were submitted: whoever may read private submissions has them through those."""

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
def field(organiser, rival):
    """A submission of a file of bob's to alice's evaluation: (queue, submission, file)."""
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    project = rival.author.new_project()["id"]
    handle = rival.author.upload(CONTENT, fileName="prediction.csv")
    file = rival.author.make(
        "org.sagebionetworks.repo.model.FileEntity", project, dataFileHandleId=handle
    )
    return queue, rival.submit(queue, file)["id"], file


def one(person, handle, submission, kind=KIND):
    (result,) = ok(person.batch((handle, submission, kind)))["requestedFiles"]
    return result


def test_the_organiser_downloads_what_it_could_not_open_otherwise(ann, field):
    _, submission, file = field
    handle = file["dataFileHandleId"]
    assert_error(ann.get(f"{REPO}/entity/{file['id']}"), 403)
    assert_error(ann.get(f"/file/v1/fileHandle/{handle}"), 403)
    assert one(ann, handle, file["id"], "FileEntity")["failureCode"] == "UNAUTHORIZED"
    result = one(ann, handle, submission)
    assert result["fileHandle"]["fileName"] == "prediction.csv"
    assert ann.session.get(result["preSignedURL"], timeout=30).content == CONTENT


def test_it_is_still_there_when_the_file_is_gone(ann, ben, organiser, rival):
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {ben.id: ["SUBMIT"]})
    project = ben.new_project()["id"]
    handle = ben.upload(b"soon gone", fileName="gone.txt")
    file = ben.make("org.sagebionetworks.repo.model.FileEntity", project, dataFileHandleId=handle)
    submission = rival.submit(queue, file)["id"]
    assert ben.delete(f"{REPO}/entity/{project}?skipTrashCan=true").status_code == 204
    assert_error(ben.delete(f"/file/v1/fileHandle/{handle}"), 409, "in use")
    url = one(ann, handle, submission)["preSignedURL"]
    assert ann.session.get(url, timeout=30).content == b"soon gone"
    assert ann.delete(f"{SUBMISSION}/{submission}").status_code == 204
    assert ben.delete(f"/file/v1/fileHandle/{handle}").status_code == 200


def test_others_do_not_have_it(author, dan, anonymous, field):
    _, submission, file = field
    for person in (author("carol"), dan, anonymous):
        found = one(person, file["dataFileHandleId"], submission)
        assert found["failureCode"] == "UNAUTHORIZED"
        assert set(found) == {"fileHandleId", "failureCode"}


def test_only_files_of_the_submission_are_had_through_it(ann, ben, field):
    _, submission, file = field
    other = ben.handle("z")
    assert one(ann, other, submission)["failureCode"] == "UNAUTHORIZED"
    assert one(ann, file["dataFileHandleId"], "9799999")["failureCode"] == "UNAUTHORIZED"
    assert one(ann, "69999999", submission)["failureCode"] == "NOT_FOUND"
    assert_error(ann.batch((file["dataFileHandleId"], "nonsense", KIND)), 400, "nonsense")
    assert "preSignedURL" in one(ben, other, submission)  # its maker always has it


def test_a_redirect_leads_to_it(ann, ben, field):
    _, submission, file = field
    path = f"{SUBMISSION}/{submission}/file/{file['dataFileHandleId']}"
    answer = ann.get(path)
    assert answer.status_code == 307
    assert ann.session.get(answer.headers["Location"], timeout=30).content == CONTENT
    told = ann.get(f"{path}?redirect=false")
    assert told.headers["Content-Type"].startswith("text/plain")
    assert ann.session.get(told.text, timeout=30).content == CONTENT
    assert_error(ben.get(path), 403, "READ_PRIVATE_SUBMISSION")
    assert_error(ann.get(f"{SUBMISSION}/{submission}/file/1"), 404, "does not contain")
    assert_error(ann.get(f"{SUBMISSION}/9799999/file/1"), 404, "9799999")


def test_the_route_of_files_leads_to_it_too(ann, field):
    _, submission, file = field
    query = f"fileAssociateType={KIND}&fileAssociateId={submission}"
    answer = ann.get(f"/file/v1/file/{file['dataFileHandleId']}?{query}")
    assert answer.status_code == 307
    assert ann.session.get(answer.headers["Location"], timeout=30).content == CONTENT


def test_several_come_in_one_archive(ann, field):
    _, submission, file = field
    handle = file["dataFileHandleId"]
    asked = [
        {"fileHandleId": handle, "associateObjectId": of, "associateObjectType": KIND}
        for of in (submission, "9799999")
    ]
    body = {
        "concreteType": "org.sagebionetworks.repo.model.file.BulkFileDownloadRequest",
        "requestedFiles": asked[:1],
    }
    answer = ok(TableClient(ann).run("/file/v1/file/bulk", body))
    assert [each["status"] for each in answer["fileSummary"]] == ["SUCCESS"]
    packed = ann.read(answer["resultZipFileHandleId"]).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.read(answer["fileSummary"][0]["zipEntryName"]) == CONTENT
    body["requestedFiles"] = asked[1:]
    answer = ok(TableClient(ann).run("/file/v1/file/bulk", body))
    assert answer["fileSummary"][0]["failureCode"] == "UNAUTHORIZED"


def test_it_may_be_copied_by_whoever_has_it(ann, ben, field):
    queue, submission, file = field
    original = {
        "fileHandleId": file["dataFileHandleId"],
        "associateObjectId": submission,
        "associateObjectType": KIND,
    }
    body = {"copyRequests": [{"originalFile": original}]}
    (copied,) = ok(ann.post("/file/v1/filehandles/copy", body))["copyResults"]
    assert ann.read(copied["newFileHandle"]["id"]).content == CONTENT
    assert ok(ann.get(f"{EVALUATION}/{queue}"))["id"] == queue
