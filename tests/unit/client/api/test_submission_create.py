"""Submissions of teams that are not eligible, and failures after a submission was made."""

import pytest

from synapse_workflows.client.errors import SynapseConnectionError, SynapseError

ENTITY = {"id": "syn3", "name": "a.csv", "etag": "e", "versionNumber": 4}
MADE = {"id": "1", "evaluationId": "2", "entityId": "syn3", "versionNumber": 4}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"isRegistered": False}, 'Team "A" is not registered.'),
        (
            {"isRegistered": True, "isQuotaFilled": True},
            'Team "A" has already submitted the full quota of submissions.',
        ),
        ({"isRegistered": True, "isQuotaFilled": False}, 'Team "A" is not eligible.'),
        ({}, 'Team "A" is not eligible.'),
    ],
)
def test_reason_of_a_team_that_is_not_eligible(syn, http, repo_url, state, message):
    """The local service has no challenges, for which teams register."""
    http.get(f"{repo_url}/team/7", json={"id": "7", "name": "A"})
    http.get(
        f"{repo_url}/evaluation/2/team/7/submissionEligibility",
        json={"teamEligibility": {"isEligible": False, **state}, "eligibilityStateHash": 1},
    )
    with pytest.raises(SynapseError) as error:
        syn.submit(2, ENTITY, team=7)
    assert str(error.value) == message


def test_failure_to_read_the_receipt_does_not_fail_the_submission(syn, http, repo_url):
    """The submission was made; an error would make a caller submit again."""
    http.post(f"{repo_url}/evaluation/submission", json=MADE)
    http.get(f"{repo_url}/evaluation/2", status=403, json={"reason": "no READ"})
    assert syn.submit(2, ENTITY).id == "1"
    assert http.calls[-1].request.url == f"{repo_url}/evaluation/2"


def test_submission_is_not_repeated_after_a_lost_response(syn, http, repo_url):
    http.post(f"{repo_url}/evaluation/submission", body=ConnectionResetError("lost"))
    with pytest.raises(SynapseConnectionError):
        syn.submit(2, ENTITY)
    assert len(http.calls) == 1


def test_latest_commit_of_a_tag_is_submitted(syn, http, repo_url):
    """Each page of tags is read; the last commit counts."""
    image = ENTITY | {
        "concreteType": "org.sagebionetworks.repo.model.docker.DockerRepository",
        "repositoryName": "docker.io/ants",
    }
    tags = [("v1", "a"), ("v2", "b"), ("v1", "c")]
    pages = [[{"tag": tag, "digest": digest} for tag, digest in tags], []]
    for page in pages:
        http.get(f"{repo_url}/entity/syn3/dockerTag", json={"results": page})
    http.post(f"{repo_url}/evaluation/submission", json=MADE)
    syn.submit(2, image, silent=True, dockerTag="v1")
    assert b'"dockerDigest": "c"' in http.calls[-1].request.body
