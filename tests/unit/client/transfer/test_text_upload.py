"""Upload of a text as a flow: rejected parts, expired URLs and concurrent uploads."""

import pytest

from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseServerError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer.text_upload import upload_text

UPLOADING = Reply.of({"state": "UPLOADING", "uploadId": "5"})
COMPLETED = Reply.of({"state": "COMPLETED", "resultFileHandleId": "7"})
PART = {"uploadPresignedUrl": "https://storage.example.org/p", "signedHeaders": {"X-A": "b"}}
URLS = Reply.of({"partPresignedUrls": [PART]})
ADDED = Reply.of({"addPartState": "ADD_SUCCESS"})
REJECTED = Reply.of({"addPartState": "ADD_FAILED", "errorMessage": "wrong MD5"})
SENT = Reply(200)


def run(*answers, text="text"):
    """Answer the calls of an upload in order; return its result and its calls."""
    flow = upload_text(text, "message.txt", "text/plain")
    calls = [next(flow)]
    try:
        for answer in answers:
            is_error = isinstance(answer, Exception)
            calls.append(flow.throw(answer) if is_error else flow.send(answer))
    except StopIteration as done:
        return done.value, calls
    raise AssertionError(f"the upload continues with {calls[-1]}")


def error(error_class, status):
    return error_class(status, "injected", "PUT /file")


def test_text_is_one_part():
    handle, calls = run(UPLOADING, URLS, SENT, ADDED, COMPLETED, text="Grüße")
    assert handle == "7"
    assert [str(call) for call in calls] == [
        "POST /file/multipart",
        "POST /file/multipart/5/presigned/url/batch",
        "PUT https://storage.example.org/p",
        "PUT /file/multipart/5/add/1",
        "PUT /file/multipart/5/complete",
    ]
    assert calls[0].body["fileSizeBytes"] == 7
    assert calls[0].body["partSizeBytes"] == 8 * 1024 * 1024
    assert (calls[2].body, calls[2].headers) == ("Grüße".encode(), {"X-A": "b"})


def test_stored_text_is_not_sent_again():
    handle, calls = run(COMPLETED)
    assert (handle, len(calls)) == ("7", 1)


@pytest.mark.parametrize(
    "answers",
    [
        [URLS, SENT, REJECTED],
        [URLS, error(SynapseForbiddenError, 403)],
        [error(SynapseNotFoundError, 404)],
        [URLS, SENT, ADDED, Reply.of({"state": "UPLOADING"})],
    ],
)
def test_failed_part_is_sent_again(answers):
    assert run(UPLOADING, *answers, COMPLETED)[0] == "7"
    assert run(UPLOADING, *answers, UPLOADING, URLS, SENT, ADDED, COMPLETED)[0] == "7"


def test_upload_ends_after_three_attempts():
    with pytest.raises(SynapseUploadFailedException, match="3 attempts: wrong MD5"):
        run(*([UPLOADING, URLS, SENT, REJECTED] * 3))


def test_other_errors_end_the_upload():
    with pytest.raises(SynapseServerError):
        run(UPLOADING, URLS, error(SynapseServerError, 500))


def test_empty_text_is_an_error_before_any_request():
    with pytest.raises(ValueError, match="empty text"):
        next(upload_text("", "message.txt", "text/plain"))
