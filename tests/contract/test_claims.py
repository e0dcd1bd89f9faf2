"""A claim on a submission is held by one task at a time, until its lease runs out."""

import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from support.service_process import start_service_process
from support.submission_queue import SubmissionQueue

from synapse_workflows.challenge.claim_errors import (
    ClaimFinishedError,
    ClaimHeldError,
    ClaimLimitError,
    ClaimLostError,
)
from synapse_workflows.challenge.claim_limit import ClaimLimit
from synapse_workflows.challenge.claims import (
    Claim,
    finish_claim,
    release_claim,
    renew_claim,
    take_claim,
)
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseBadRequestError,
    SynapseNotFoundError,
)
from synapse_workflows.testing import SynapseService

A, B = "dag/run/score[0]", "dag/run/score[1]"


@pytest.fixture
def queue(syn, tmp_path):
    return SubmissionQueue(syn, tmp_path)


@pytest.fixture
def submission(queue):
    return queue.submit()[0]


def copy_by_pickle(error):
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled here


def seconds_left(claim: Claim) -> float:
    return (datetime.fromisoformat(claim.expires_on) - datetime.now(UTC)).total_seconds()


def test_claim_names_the_task_and_the_end_of_the_lease(syn, queue, submission):
    claim = take_claim(syn, int(submission), A, 60)
    status = queue.status(submission)
    annotations = status["submissionAnnotations"]["annotations"]
    millis = int(annotations["claim_expires_on"]["value"][0])
    assert status["status"] == "EVALUATION_IN_PROGRESS"
    assert status["canCancel"] is True
    assert annotations["claimed_by"] == {"type": "STRING", "value": [A]}
    assert annotations["claim_id"] == {"type": "STRING", "value": [claim.claim_id]}
    assert annotations["claim_expires_on"]["type"] == "TIMESTAMP_MS"
    assert datetime.fromisoformat(claim.expires_on) == datetime.fromtimestamp(millis / 1000, UTC)
    assert 50 < seconds_left(claim) <= 60
    assert claim == Claim(
        submission_id=submission,
        evaluation_id=queue.id,
        entity_id=queue.entity["id"],
        entity_version=1,
        claim_id=claim.claim_id,
        claimed_by=A,
        expires_on=claim.expires_on,
    )
    assert Claim.from_json(claim.to_json() | {"more": 1}) == claim


def test_task_continues_its_own_claim_and_others_wait(syn, submission):
    claim = take_claim(syn, submission, A, 60)
    with pytest.raises(ClaimHeldError, match=r"claimed by dag/run/score\[0\] until 20") as error:
        take_claim(syn, submission, B, 60)
    assert error.value.submission_id == submission
    assert error.value.retry_category is RetryCategory.CONFLICT
    assert str(copy_by_pickle(error.value)) == str(error.value)
    again = take_claim(syn, submission, A, 600)
    assert again.claim_id == claim.claim_id
    assert seconds_left(again) > 500


def test_claim_is_handed_over_by_its_json_to_one_task(syn, submission):
    claim = take_claim(syn, submission, "dag/run/claim", 60)
    taken = take_claim(syn, claim.to_json(), A, 60)
    assert taken.claim_id == claim.claim_id
    assert taken.claimed_by == A
    assert take_claim(syn, claim.to_json(), A, 60).claim_id == claim.claim_id
    with pytest.raises(ClaimHeldError):
        take_claim(syn, claim.to_json(), B, 60)
    with pytest.raises(ClaimLostError, match="has taken over"):
        finish_claim(syn, claim, status="SCORED")


def test_expired_claim_is_taken_over_and_its_holder_has_lost_it(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    queue.expire(submission)
    taken = take_claim(syn, submission, B, 60)
    assert taken.claim_id != claim.claim_id
    assert take_claim(syn, claim.to_json(), B, 60).claim_id == taken.claim_id
    for change in (
        lambda: renew_claim(syn, claim, 60),
        lambda: finish_claim(syn, claim, status="SCORED"),
        lambda: release_claim(syn, claim),
    ):
        with pytest.raises(ClaimLostError, match=r"score\[1\] has taken over") as error:
            change()
        assert error.value.retry_category is RetryCategory.PERMANENT
    assert queue.annotations(submission)["claim_id"] == taken.claim_id


def test_expired_claim_that_was_not_taken_over_can_be_renewed_and_finished(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    queue.expire(submission)
    renewal = renew_claim(syn, claim, 60)
    assert seconds_left(renewal.claim) > 50
    assert not renewal.is_cancel_requested
    queue.expire(submission)
    assert finish_claim(syn, claim, status="SCORED")["status"] == "SCORED"


def test_request_to_cancel_is_seen_by_the_renewal(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    syn.restPUT(f"/evaluation/submission/{submission}/cancellation")
    assert renew_claim(syn, claim, 60).is_cancel_requested


def test_finish_writes_annotations_and_keeps_others(syn, queue, submission):
    legacy = {"stringAnnos": [{"key": "team", "value": "x", "isPrivate": False}]}
    queue.update(submission, annotations=legacy)
    queue.annotate(submission, note=("STRING", "kept"), old=("LONG", "1"))
    claim = take_claim(syn, submission, A, 60)
    values = {"auc": 0.75, "n": 3, "old": None, "when": datetime(2026, 1, 2, tzinfo=UTC)}
    finish_claim(syn, claim, status="SCORED", annotations=values)
    status = queue.status(submission)
    entries = status["submissionAnnotations"]["annotations"]
    assert entries["auc"] == {"type": "DOUBLE", "value": ["0.75"]}
    assert entries["n"] == {"type": "LONG", "value": ["3"]}
    assert entries["when"]["type"] == "TIMESTAMP_MS"
    assert entries["note"] == {"type": "STRING", "value": ["kept"]}
    assert "old" not in entries
    assert "claim_expires_on" not in entries
    assert entries["claimed_by"]["value"] == [A]
    assert status["annotations"]["stringAnnos"] == legacy["stringAnnos"]
    assert status["canCancel"] is False


def test_finished_claim_is_finished_once(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    finished = finish_claim(syn, claim, status="SCORED", annotations={"auc": 1.0})
    again = finish_claim(syn, claim, status="SCORED", annotations={"auc": 2.0})
    assert again["etag"] == finished["etag"]
    with pytest.raises(ClaimFinishedError, match="SCORED") as error:
        finish_claim(syn, claim, status="INVALID")
    assert error.value.status["status"] == "SCORED"
    assert copy_by_pickle(error.value).status == error.value.status
    for given in (submission, claim.to_json()):
        with pytest.raises(ClaimFinishedError):
            take_claim(syn, given, A, 60)
        with pytest.raises(ClaimLostError, match=r"status SCORED.*Set its status to RECEIVED"):
            take_claim(syn, given, B, 60)
    retaken = take_claim(syn, claim.to_json(), A, 60, retake_finished=True)
    assert retaken.claim_id != claim.claim_id
    assert queue.status(submission)["status"] == "EVALUATION_IN_PROGRESS"


def test_released_submission_can_be_claimed_by_others(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    release_claim(syn, claim, annotations={"scoring_error": "no memory"})
    release_claim(syn, claim)
    assert queue.annotations(submission) == {"scoring_error": "no memory", "claim_attempts": "1"}
    with pytest.raises(ClaimLostError, match="has ended"):
        renew_claim(syn, claim, 60)
    assert take_claim(syn, claim.to_json(), B, 60).claimed_by == B


def test_submission_that_an_organizer_put_back_can_be_claimed(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    queue.update(submission, status="RECEIVED")
    taken = take_claim(syn, submission, B, 60)
    assert taken.claim_id != claim.claim_id
    with pytest.raises(ClaimLostError):
        renew_claim(syn, claim, 60)


@pytest.mark.parametrize("status", ["RECEIVED", "REJECTED", "SCORED"])
def test_status_that_an_organizer_sets_ends_the_claim(syn, queue, submission, status):
    claim = take_claim(syn, submission, A, 60)
    queue.update(submission, status=status)
    for change in (
        lambda: renew_claim(syn, claim, 60),
        lambda: finish_claim(syn, claim, status="INVALID"),
        lambda: release_claim(syn, claim, status="OPEN"),
    ):
        with pytest.raises(ClaimLostError, match=f"from EVALUATION_IN_PROGRESS to {status}"):
            change()
    assert queue.status(submission)["status"] == status
    if status != "RECEIVED":
        with pytest.raises(ClaimLostError, match=f"status {status} instead of EVALUATION_IN"):
            take_claim(syn, claim.to_json(), A, 60)
        assert queue.status(submission)["status"] == status


def test_submission_that_was_claimed_too_often_is_marked_for_the_organizers(
    syn, queue, submission
):
    limit = ClaimLimit(2, "CLOSED")
    first = take_claim(syn, submission, A, 60, limit=limit)
    take_claim(syn, first.to_json(), B, 60, limit=limit)
    queue.expire(submission)
    second = take_claim(syn, submission, A, 60, limit=limit)
    assert queue.annotations(submission)["claim_attempts"] == "2"
    assert take_claim(syn, submission, A, 60, limit=limit).claim_id == second.claim_id
    queue.expire(submission)
    with pytest.raises(ClaimLimitError, match="claimed 2 times without a result") as error:
        take_claim(syn, submission, B, 60, limit=limit)
    assert error.value.retry_category is RetryCategory.PERMANENT
    status, annotations = queue.status(submission), queue.annotations(submission)
    assert (status["status"], status["canCancel"]) == ("CLOSED", False)
    assert annotations["claim_error"] == "Not evaluated: 2 claims have ended without a result"
    assert not {"claim_attempts", "claim_expires_on"} & annotations.keys()
    with pytest.raises(ClaimLostError):
        renew_claim(syn, second, 60)
    queue.update(submission, status="RECEIVED")
    take_claim(syn, submission, B, 60, limit=limit)
    assert queue.annotations(submission)["claim_attempts"] == "1"


def test_result_ends_the_count_of_claims(syn, queue, submission):
    release_claim(syn, take_claim(syn, submission, A, 60))
    release_claim(syn, take_claim(syn, submission, A, 60), is_attempt=False)
    assert queue.annotations(submission)["claim_attempts"] == "1"
    finish_claim(syn, take_claim(syn, submission, A, 60), status="SCORED")
    assert "claim_attempts" not in queue.annotations(submission)


def test_number_of_claims_that_cannot_be_read_is_none(syn, queue, submission):
    queue.annotate(submission, claim_attempts=("STRING", "many"))
    take_claim(syn, submission, A, 60, limit=ClaimLimit(1))
    assert queue.annotations(submission)["claim_attempts"] == "1"


def test_submission_in_progress_without_a_claim_is_not_taken(syn, queue, submission):
    queue.update(submission, status="EVALUATION_IN_PROGRESS")
    with pytest.raises(ClaimHeldError, match=r"without a claim.*unclaimed_after"):
        take_claim(syn, submission, A, 60)


def test_withdrawn_submission_and_invalid_values_are_errors(syn, submission):
    claim = take_claim(syn, submission, A, 60)
    with pytest.raises(ValueError, match="Invalid annotation name 'a b'"):
        finish_claim(syn, claim, status="SCORED", annotations={"a b": 1})
    for change in (finish_claim, release_claim):
        with pytest.raises(ValueError, match="Invalid annotation name 'claimed_by'"):
            change(syn, claim, status="SCORED", annotations={"claimed_by": "me"})
    with pytest.raises(SynapseBadRequestError):
        finish_claim(syn, claim, status="NONSENSE")
    assert take_claim(syn, submission, A, 60).claim_id == claim.claim_id
    syn.restDELETE(f"/evaluation/submission/{submission}")
    with pytest.raises(SynapseNotFoundError):
        renew_claim(syn, claim, 60)
    path = claim.to_json() | {"submission_id": f"{submission}/status"}
    for given in ("syn12", None, True, "", {"submission_id": submission}, [claim.to_json()], path):
        with pytest.raises(ValueError, match=r"Invalid (submission|claim)"):
            take_claim(syn, given, A, 60)


def test_name_of_a_task_that_is_too_long_for_an_annotation_is_shortened(syn, queue, submission):
    names = [f"{'d' * 250}/{'r' * 250}/{'t' * 240}[{n}]" for n in range(2)]
    claim = take_claim(syn, submission, names[0], 60)
    assert len(claim.claimed_by) == 500
    assert take_claim(syn, submission, names[0], 60).claim_id == claim.claim_id
    with pytest.raises(ClaimHeldError):
        take_claim(syn, submission, names[1], 60)


def test_lease_that_cannot_be_read_has_run_out(syn, queue, submission):
    claim = take_claim(syn, submission, A, 60)
    queue.annotate(submission, claim_expires_on=("STRING", "tomorrow"))
    assert take_claim(syn, submission, B, 60).claim_id != claim.claim_id


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(days=1)])
def test_clock_of_the_server_decides_about_leases(tmp_path, skew):
    with start_service_process(tmp_path / "synapse"):
        facts = json.loads((tmp_path / "synapse" / "service.json").read_text())
        syn = SynapseService(facts, tmp_path).client()
        queue = SubmissionQueue(syn, tmp_path)
        first, second, third = queue.submit(3)
        for submission in (first, second):
            take_claim(syn, submission, A, 60)
        queue.expire(second)
        with time_machine.travel(datetime.now(UTC) + skew):
            with pytest.raises(ClaimHeldError):
                take_claim(syn, first, B, 60)
            taken = take_claim(syn, second, B, 60)
            claim = take_claim(syn, third, B, 60)
        assert taken.claimed_by == B
        assert 50 < seconds_left(claim) <= 60
        syn.close()
