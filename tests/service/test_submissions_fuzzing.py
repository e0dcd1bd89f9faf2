"""Random requests for evaluations and submissions never cause an internal error (500)."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO, Author
from support.evaluation_api import EVALUATION, SUBMISSION, Submitter
from support.file_api import ok, start_service
from support.fuzz_bodies import request_bodies

from synapse_workflows.constants import DOCKER_REPOSITORY

FIELDS = [
    "id", "etag", "name", "description", "contentSource", "quota", "firstRoundStart",
    "roundDurationMillis", "numberOfRounds", "submissionLimit", "evaluationId", "entityId",
    "versionNumber", "teamId", "contributors", "principalId", "submitterAlias", "status",
    "score", "report", "annotations", "stringAnnos", "longAnnos", "doubleAnnos", "key", "value",
    "isPrivate", "submissionAnnotations", "type", "k", "canCancel", "cancelRequested",
    "statuses", "isFirstBatch", "isLastBatch", "batchToken", "resourceAccess", "accessType",
    "tag", "digest", "dockerDigest", "dockerRepositoryName",
]  # fmt: skip
WORDS = [
    "syn1", "1", "READ", "SCORED", "STRING", "LONG", "NaN", "1e999", "9600001", "9700001", "x",
    "", "2026-01-01T00:00:00.000Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "sha256:ab", "latest",
]  # fmt: skip
ROUTES = [
    ("POST", EVALUATION),
    ("PUT", f"{EVALUATION}/acl"),
    ("PUT", f"{EVALUATION}/{{evaluation}}"),
    ("POST", f"{SUBMISSION}?etag={{etag}}"),
    ("POST", f"{SUBMISSION}?etag={{etag}}&submissionEligibilityHash=7"),
    ("POST", f"{SUBMISSION}?etag={{docker_etag}}"),
    ("POST", f"{REPO}/entity/{{docker}}/dockerCommit"),
    ("PUT", f"{SUBMISSION}/{{submission}}/status"),
    ("PUT", f"{EVALUATION}/{{evaluation}}/statusBatch"),
]
#: Route -> method and argument that return a valid body, which the random body then changes.
VALID_BODIES = {
    f"{EVALUATION}/{{evaluation}}": ("get", "evaluation"),
    f"{SUBMISSION}/{{submission}}/status": ("get_status", "submission"),
}


@pytest.fixture(scope="module")
def alice(tmp_path_factory):  # not recorded: requests are invalid on purpose
    with start_service(tmp_path_factory.mktemp("any")) as rest_service:
        yield Submitter(Author(rest_service, "alice"))


@pytest.fixture(scope="module")
def existing(alice):
    """IDs and etags of an evaluation, a submission, a team and entities."""
    project = alice.author.new_project()
    evaluation = alice.create_evaluation(project["id"])["id"]
    submission = alice.submit(evaluation, project)["id"]
    docker = alice.author.make(DOCKER_REPOSITORY, project["id"], repositoryName="quay.io/ant/hill")
    team = ok(alice.author.post(f"{REPO}/team", {"name": "ants"}))["id"]
    return {
        "evaluation": evaluation,
        "submission": submission,
        "etag": project["etag"],
        "docker": docker["id"],
        "docker_etag": docker["etag"],
        "team": team,
    }


@settings(max_examples=50, deadline=None)
@given(route=st.sampled_from(ROUTES), body=request_bodies(FIELDS, WORDS), is_valid=st.booleans())
def test_no_request_body_causes_a_server_error(alice, existing, route, body, is_valid):
    method, path = route
    if is_valid and path in VALID_BODIES:
        read, key = VALID_BODIES[path]
        current = getattr(alice, read)(existing[key])
        body = {**current, **body, "etag": current["etag"]}
    response = alice.author.request(method, path.format(**existing), body)
    assert response.status_code < 500, f"{method} {path} {body} {response.text}"


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=12).filter(lambda text: not set(text) & set("/?#%")),
    st.sampled_from([
        f"{EVALUATION}/{{}}", f"{EVALUATION}/name/{{}}", f"{EVALUATION}/{{}}/submission/all",
        f"{SUBMISSION}/{{}}", f"{SUBMISSION}/{{}}/status", f"{SUBMISSION}/1/file/{{}}",
        f"{EVALUATION}/9600001/team/{{}}/submissionEligibility", f"{REPO}/entity/{{}}/dockerTag",
        f"{EVALUATION}/{{}}/team/1/submissionEligibility",
        f"{REPO}/entity/syn10000002/dockerTag?sortBy={{}}",
        f"{REPO}/entity/dockerRepo/id?repositoryName={{}}",
    ]),
)  # fmt: skip
def test_no_path_causes_a_server_error(alice, text, path):
    assert alice.author.get(path.format(text)).status_code < 500


@settings(max_examples=60, deadline=None)
@given(body=request_bodies(FIELDS, WORDS), digits=st.text("0123456789-+_ ex.", max_size=25))
def test_no_team_submission_causes_a_server_error(alice, existing, body, digits):
    valid = {
        "evaluationId": existing["evaluation"],
        "entityId": existing["docker"],
        "teamId": existing["team"],
        "versionNumber": 1,
    }
    query = f"?etag={existing['docker_etag']}&submissionEligibilityHash={digits}"
    for each in (body, {**body, **valid}):
        response = alice.author.post(f"{SUBMISSION}{query}", each)
        assert response.status_code < 500, f"{query} {each} {response.text}"


def test_service_works_after_fuzzing(alice, existing):
    assert alice.get(existing["evaluation"])["id"] == existing["evaluation"]
    assert alice.get_status(existing["submission"])["id"] == existing["submission"]
    assert alice.count(existing["evaluation"]) >= 1
