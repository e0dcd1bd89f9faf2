"""A worker that is killed between claim and score and never retried: a later run takes over."""

import pytest
from airflow.sdk import DAG
from support.execution_api import Run
from support.killable_worker import KillPoint, Worker
from support.scoring_functions import read_value

from synapse_workflows import (
    SynapseClaimSubmissionsOperator,
    SynapseReapSubmissionsOperator,
    SynapseScoreSubmissionOperator,
)

#: Number of requests at which a worker is killed; these are spread over all that change something.
KILLS = 7


def create_score(task_id, retries, **arguments):
    return SynapseScoreSubmissionOperator(
        task_id=task_id, retries=retries, scorer=read_value, store="results", **arguments
    )


def create_dag(challenge):
    """Return a DAG that reaps, claims and scores, as that of `create_challenge_dag`."""
    with DAG("challenge", schedule=None) as dag:
        reap = SynapseReapSubmissionsOperator(task_id="reap", evaluation_id=challenge.id)
        claim = SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=challenge.id)
        SynapseScoreSubmissionOperator.partial(
            task_id="score",
            scorer=read_value,
            store="results",
            goldstandard_id=challenge.goldstandard,
            results_parent_id=challenge.project,
        ).expand(submission=claim.output)
        reap >> claim
    return dag


@pytest.fixture
def create_run(api, challenge):
    """Function that claims in a new run of the DAG; returns the run and its claims."""
    dag, numbers = create_dag(challenge), iter(range(100))

    def claim():
        run = Run(api, dag, f"run_{next(numbers)}")
        for task_id in ("reap", "claim"):
            assert run.task(task_id).state == "success"
        return run, run.value("claim")

    return claim


@pytest.mark.timeout(300)
def test_submission_of_a_lost_worker_is_scored_by_a_later_run(
    challenge, connection, create_run, tmp_path
):
    def start_worker(number, kill_point=None):
        submission = challenge.submit_text(str(number))  # results differ, so that each is uploaded
        _, (claim,) = create_run()
        folder = tmp_path / f"worker {number}"
        folder.mkdir()
        worker = Worker(
            connection,
            folder,
            create_score,
            submission=claim,
            goldstandard_id=challenge.goldstandard,
            results_parent_id=challenge.project,
        )
        worker.begin(kill_point)
        return submission, worker.end()

    start_worker(KILLS)  # fills the cache, which changes the requests
    _, result = start_worker(KILLS + 1)
    points = list_changes(result["trace"])
    assert len(points) > KILLS
    for number in range(KILLS):
        point = points[number * len(points) // KILLS]
        submission, result = start_worker(number, point)
        assert result is None, f"not killed at {point}"
        status, annotations = challenge.get_status(submission)
        is_finished = status["status"] == "SCORED"
        if not is_finished:
            assert create_run()[1] == [], "the lease has not run out"
            challenge.expire(submission)
        run, claims = create_run()
        assert [one["submission_id"] for one in claims] == ([] if is_finished else [submission])
        if claims:
            assert run.task("score", 0).state == "success"
        status, annotations = challenge.get_status(submission)
        assert status["status"] == "SCORED", point
        assert annotations["value"] == ("LONG", [str(number)])
        assert "claim_expires_on" not in annotations
        versions = challenge.list_files(submission)
        assert annotations["results_version"] == ("LONG", [str(versions["results.json"])])


def list_changes(trace):
    """Return the kill points before and after each request that changes something."""
    points, counts = [], {}
    for event in trace:
        counts[event] = counts.get(event, 0) + 1
        if event.split()[0] in ("PUT", "POST", "report"):
            points.append(KillPoint(event, counts[event]))
    return points
