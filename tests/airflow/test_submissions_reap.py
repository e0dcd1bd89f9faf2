"""SynapseReapSubmissionsOperator: expired claims are ended, and live claims are not touched."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest
from airflow.sdk import DAG
from support.execution_api import Run
from support.submission_queue import SubmissionQueue

from synapse_workflows import SynapseReapSubmissionsOperator
from synapse_workflows.challenge import claim_reaper
from synapse_workflows.challenge.claim_attempt import ClaimOptions
from synapse_workflows.challenge.claim_errors import ClaimLostError
from synapse_workflows.challenge.claim_reaper import ReapOptions, reap_submissions
from synapse_workflows.challenge.claims import finish_claim
from synapse_workflows.challenge.evaluation_queue import iter_submissions
from synapse_workflows.challenge.submission_claimer import claim_submissions
from synapse_workflows.challenge.submission_status import update_status
from synapse_workflows.idempotency.task_state import MemoryStore, TaskState

_names = count(1)
HOLDER = "challenge/run/claim"


@pytest.fixture
def queue(alice, tmp_path):
    return SubmissionQueue(alice, tmp_path)


@pytest.fixture
def claim(alice, queue):
    """Function that claims submissions of the queue for the task HOLDER."""

    def run(**options):
        task = TaskState(MemoryStore(), 0)
        return claim_submissions(alice, queue.id, HOLDER, ClaimOptions(**options), task)

    return run


@pytest.fixture
def reap(api, queue):
    """Function that runs a SynapseReapSubmissionsOperator; returns its result and its run."""

    def run(**arguments):
        arguments = {"evaluation_id": queue.id} | arguments
        with DAG("care", schedule=None) as dag:
            SynapseReapSubmissionsOperator(task_id="reap", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(_names)}")
        return dag_run.task("reap", max_tries=5), dag_run

    return run


def test_expired_claims_are_released_and_live_ones_are_not_touched(queue, claim, reap):
    expired, live, waiting = queue.submit(3)
    claim(max_claims=2)
    queue.annotate(expired, note=("STRING", "kept"))
    queue.expire(expired)
    before = [queue.status(one)["etag"] for one in (live, waiting)]
    result, run = reap()
    assert result.state == "success", result.error
    assert run.value("reap") == [
        {
            "submission_id": expired,
            "action": "released",
            "status": "RECEIVED",
            "claimed_by": HOLDER,
            "expired_on": "2001-09-09T01:46:40.000Z",
        }
    ]
    assert [queue.status(one)["etag"] for one in (live, waiting)] == before
    assert queue.status(expired)["status"] == "RECEIVED"
    annotations = queue.annotations(expired)
    assert annotations["note"] == "kept"
    assert annotations["claimed_by"] == f"care/{run.run_id}/reap"
    assert "claim_expires_on" not in annotations
    _, run = reap()
    assert run.value("reap") == []


def test_released_submission_is_claimed_again_and_lost_for_its_holder(alice, queue, claim, reap):
    submission = queue.submit()[0]
    held = claim()[0]
    queue.expire(submission)
    reap()
    with pytest.raises(ClaimLostError, match=r"care/.*/reap has ended the claim"):
        finish_claim(alice, held, status="SCORED")
    assert [one.submission_id for one in claim()] == [submission]


def test_expired_claims_can_be_marked_for_the_organizers(queue, claim, reap):
    submission = queue.submit()[0]
    claim()
    queue.expire(submission)
    _, run = reap(on_expired="mark", error_status="CLOSED")
    assert [one["action"] for one in run.value("reap")] == ["marked"]
    assert queue.status(submission)["status"] == "CLOSED"
    error = "Not evaluated: the claim of challenge/run/claim expired on 2001-09-09T01:46:40.000Z"
    assert queue.annotations(submission)["claim_error"] == error
    assert claim() == []


def test_submissions_without_a_claim_are_released_with_unclaimed_after_only(queue, reap):
    submission = queue.submit()[0]
    queue.update(submission, status="EVALUATION_IN_PROGRESS")
    for arguments in ({}, {"unclaimed_after": timedelta(hours=1)}):
        _, run = reap(**arguments)
        assert run.value("reap") == []
    time.sleep(3.2)  # the clock of the server may be late by two seconds
    _, run = reap(unclaimed_after=1)
    (reaped,) = run.value("reap")
    assert (reaped["action"], reaped["claimed_by"]) == ("released", None)
    assert queue.status(submission)["status"] == "RECEIVED"


def test_cancelled_submissions_get_the_status_for_them(alice, queue, claim, reap):
    submission = queue.submit()[0]
    claim()
    alice.restPUT(f"/evaluation/submission/{submission}/cancellation")
    _, run = reap()
    assert run.value("reap") == []
    queue.expire(submission)
    _, run = reap(cancelled_status="CLOSED")
    assert [one["action"] for one in run.value("reap")] == ["cancelled"]
    status = queue.status(submission)
    assert (status["status"], status["canCancel"]) == ("CLOSED", False)


def test_reapers_and_claimers_at_the_same_time_act_once_each(socket_service, queue, claim):
    submissions = queue.submit(16)
    claim()
    queue.expire(*submissions)
    clients = [socket_service.client() for _ in range(3)]

    def run_reaper(number):
        task = TaskState(MemoryStore(), 0)
        arguments = (queue.id, f"care/{number}/reap", ReapOptions(), task)
        reaped = reap_submissions(clients[number], *arguments)
        return [one["submission_id"] for one in reaped]

    def run_claimer():
        options = ClaimOptions(max_claims=8)
        task = TaskState(MemoryStore(), 0)
        return claim_submissions(clients[2], queue.id, "other/run/claim", options, task)

    with ThreadPoolExecutor(3) as pool:
        reapers = [pool.submit(run_reaper, number) for number in (0, 1)]
        claimer = pool.submit(run_claimer)
        reaped = [one for run in reapers for one in run.result()]
        claims = claimer.result()
    for syn in clients:
        syn.close()
    assert len(reaped) == len(set(reaped))
    assert len(claims) == 8
    held = {one.submission_id for one in claims}
    assert queue.with_status("EVALUATION_IN_PROGRESS") == held
    assert queue.with_status("RECEIVED") == set(submissions) - held
    assert set(submissions) - held <= set(reaped)


def test_frozen_try_returns_what_the_next_try_has_reaped(
    socket_service, alice, queue, claim, monkeypatch
):
    """The frozen try has reaped one submission, and has the other in its list."""
    submissions = queue.submit(2)
    claim()
    queue.expire(*submissions)
    task = TaskState(MemoryStore(), 1)
    arguments = (queue.id, "care/run/reap", ReapOptions(), task)
    of_next_try = []

    def freeze(client, submission_id, *args):
        if submission_id == submissions[1] and not of_next_try:
            with socket_service.client() as other:
                of_next_try.append([])
                of_next_try[:] = [reap_submissions(other, *arguments)]
        return update_status(client, submission_id, *args)

    monkeypatch.setattr(claim_reaper, "update_status", freeze)
    of_frozen_try = reap_submissions(alice, *arguments)
    assert [one["submission_id"] for one in of_frozen_try] == submissions
    assert of_next_try == [of_frozen_try]
    cleared = TaskState(task.store, 2)
    assert reap_submissions(alice, *arguments[:-1], cleared) == []


def test_frozen_try_that_has_read_nothing_returns_what_the_next_try_has_reaped(
    socket_service, alice, queue, claim, monkeypatch
):
    submissions = queue.submit(2)
    claim()
    queue.expire(*submissions)
    arguments = (queue.id, "care/run/reap", ReapOptions(), TaskState(MemoryStore(), 1))
    of_next_try = []

    def freeze(*args):
        if not of_next_try:
            of_next_try.append([])
            with socket_service.client() as other:
                of_next_try[:] = [reap_submissions(other, *arguments)]
        return iter_submissions(*args)

    monkeypatch.setattr(claim_reaper, "iter_submissions", freeze)
    of_frozen_try = reap_submissions(alice, *arguments)
    assert [one["submission_id"] for one in of_frozen_try] == submissions
    assert of_next_try == [of_frozen_try]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_expired": "delete"}, "Invalid on_expired 'delete': expected one of release, mark"),
        ({"error_status": "BROKEN"}, "Invalid error_status 'BROKEN'"),
        ({"error_status": "EVALUATION_IN_PROGRESS"}, "so that a marked submission is not claimed"),
        ({"on_expired": "mark", "error_status": "RECEIVED"}, "so that a marked submission"),
        ({"on_expired": "mark", "error_status": "INVALID"}, "Invalid error_status 'INVALID'"),
        ({"on_expired": "mark", "error_status": "SCORED"}, "Invalid error_status 'SCORED'"),
        ({"status": "EVALUATION_IN_PROGRESS"}, "they must differ"),
        ({"unclaimed_after": 0}, "Invalid unclaimed_after=0"),
        ({"cancelled_status": "OPEN"}, "Invalid cancelled_status 'OPEN'"),
    ],
)
def test_invalid_arguments_fail_when_the_dag_is_parsed(arguments, message):
    with pytest.raises(ValueError, match=message), DAG("invalid", schedule=None):
        SynapseReapSubmissionsOperator(task_id="reap", evaluation_id="1", **arguments)


def test_unknown_queue_fails_without_a_retry(reap):
    result, _ = reap(evaluation_id="1")
    assert result.state == "failed"
    assert "Check evaluation_id='1'" in str(result.error)
