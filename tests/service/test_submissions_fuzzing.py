"""Whatever is sent about evaluations and submissions, the service answers; never with a 500."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import Author
from support.evaluation_api import EVALUATION, SUBMISSION, Submitter
from support.file_api import start_service
from support.fuzz_bodies import request_bodies

FIELDS = [
    "id", "etag", "name", "description", "contentSource", "quota", "firstRoundStart",
    "roundDurationMillis", "numberOfRounds", "submissionLimit", "evaluationId", "entityId",
    "versionNumber", "teamId", "contributors", "principalId", "submitterAlias", "status",
    "score", "report", "annotations", "stringAnnos", "longAnnos", "doubleAnnos", "key", "value",
    "isPrivate", "submissionAnnotations", "type", "k", "canCancel", "cancelRequested",
    "statuses", "isFirstBatch", "isLastBatch", "batchToken", "resourceAccess", "accessType",
]  # fmt: skip
WORDS = [
    "syn1", "1", "READ", "SCORED", "STRING", "LONG", "NaN", "1e999", "9600001", "9700001", "x",
    "", "2026-01-01T00:00:00.000Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
]  # fmt: skip
ROUTES = [
    ("POST", EVALUATION),
    ("PUT", f"{EVALUATION}/acl"),
    ("PUT", f"{EVALUATION}/{{evaluation}}"),
    ("POST", f"{SUBMISSION}?etag={{etag}}"),
    ("POST", f"{SUBMISSION}?etag={{etag}}&submissionEligibilityHash=7"),
    ("PUT", f"{SUBMISSION}/{{submission}}/status"),
    ("PUT", f"{EVALUATION}/{{evaluation}}/statusBatch"),
]
#: What makes a body that would be taken, so that what is odd in it is looked at.
SOUND = {
    f"{EVALUATION}/{{evaluation}}": ("get", "evaluation"),
    f"{SUBMISSION}/{{submission}}/status": ("status", "submission"),
}


@pytest.fixture(scope="module")
def alice(tmp_path_factory):  # not recorded: what is sent here is meant to break the contract
    with start_service(tmp_path_factory.mktemp("any")) as opened:
        yield Submitter(Author(opened, "alice"))


@pytest.fixture(scope="module")
def ground(alice):
    """An evaluation, a submission to it, and the etag of what was submitted."""
    project = alice.author.new_project()
    evaluation = alice.evaluation(project["id"])["id"]
    submission = alice.submit(evaluation, project)["id"]
    return {"evaluation": evaluation, "submission": submission, "etag": project["etag"]}


@settings(max_examples=150, deadline=None)
@given(route=st.sampled_from(ROUTES), body=request_bodies(FIELDS, WORDS), is_sound=st.booleans())
def test_no_body_makes_the_service_stumble(alice, ground, route, body, is_sound):
    method, path = route
    if is_sound and path in SOUND:
        read, what = SOUND[path]
        present = getattr(alice, read)(ground[what])
        body = {**present, **body, "etag": present["etag"]}
    answer = alice.author.request(method, path.format(**ground), body)
    assert answer.status_code < 500, f"{method} {path} {body} {answer.text}"


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=12).filter(lambda text: not set(text) & set("/?#%")),
    st.sampled_from([
        f"{EVALUATION}/{{}}", f"{EVALUATION}/name/{{}}", f"{EVALUATION}/{{}}/submission/all",
        f"{SUBMISSION}/{{}}", f"{SUBMISSION}/{{}}/status", f"{SUBMISSION}/1/file/{{}}",
    ]),
)  # fmt: skip
def test_no_path_makes_the_service_stumble(alice, text, path):
    assert alice.author.get(path.format(text)).status_code < 500


def test_the_service_is_still_whole(alice, ground):
    assert alice.get(ground["evaluation"])["id"] == ground["evaluation"]
    assert alice.status(ground["submission"])["id"] == ground["submission"]
    assert alice.count(ground["evaluation"]) >= 1
