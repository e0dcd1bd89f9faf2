"""SynapseClaimSubmissionsOperator: each submission of a queue is claimed for one task."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run
from support.submission_queue import SubmissionQueue

from synapse_workflows import File, SynapseClaimSubmissionsOperator, SynapseStoreOperator

_names = count(1)
CLAIM_KEYS = {
    "submission_id",
    "evaluation_id",
    "entity_id",
    "entity_version",
    "claim_id",
    "claimed_by",
    "expires_on",
}


@pytest.fixture
def queue(alice, tmp_path):
    return SubmissionQueue(alice, tmp_path)


@pytest.fixture
def claim(api, queue):
    """Function that runs a SynapseClaimSubmissionsOperator; returns its last result and run."""

    def run(dag_id="challenge", tries=1, **arguments):
        arguments = {"evaluation_id": queue.id} | arguments
        with DAG(dag_id, schedule=None) as dag:
            SynapseClaimSubmissionsOperator(task_id="claim", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(_names)}")
        for _ in range(tries):
            result = dag_run.task("claim", max_tries=5)
        return result, dag_run

    return run


def ids(run, task_id="claim"):
    return [one["submission_id"] for one in run.value(task_id)]


def test_claims_are_returned_for_mapped_tasks(alice, queue, claim):
    submissions = queue.submit(3)
    result, run = claim(lease=timedelta(minutes=2))
    assert result.state == "success", result.error
    assert ids(run) == submissions
    first = run.value("claim")[0]
    assert first.keys() == CLAIM_KEYS
    assert first["entity_id"] == queue.entity["id"]
    assert first["entity_version"] == 1
    assert first["evaluation_id"] == queue.id
    assert first["claimed_by"] == f"challenge/{run.run_id}/claim"
    left = datetime.fromisoformat(first["expires_on"]) - datetime.now(UTC)
    assert timedelta(seconds=100) < left <= timedelta(seconds=120)
    assert queue.annotations(submissions[0])["claimed_by"] == first["claimed_by"]


def test_retry_keeps_its_claims_and_a_cleared_task_claims_others(queue, claim):
    submissions = queue.submit(5)
    result, run = claim(max_claims=2, tries=2)
    assert result.state == "success", result.error
    assert ids(run) == submissions[:2]
    # clearing a task increases max_tries
    assert run.task("claim", max_tries=7).state == "success"
    assert ids(run) == submissions[2:4]
    assert run.task("claim", max_tries=7).state == "success"
    assert ids(run) == submissions[2:4]


def test_dags_share_a_queue(queue, claim):
    submissions = queue.submit(5)
    _, first = claim("first", max_claims=2)
    _, second = claim("second", max_claims=2)
    _, third = claim("first", max_claims=2)
    assert ids(first) + ids(second) + ids(third) == submissions


def test_mapped_instances_have_claims_of_their_own(api, queue):
    submissions = queue.submit(4)
    with DAG("mapped", schedule=None) as dag:
        SynapseClaimSubmissionsOperator.partial(task_id="claim", max_claims=2).expand(
            evaluation_id=[queue.id, queue.id]
        )
    run = Run(api, dag).all(claim=2)
    claims = [run.value("claim", map_index=index) for index in (0, 1)]
    assert [[one["submission_id"] for one in part] for part in claims] == [
        submissions[:2],
        submissions[2:],
    ]
    assert claims[1][0]["claimed_by"] == "mapped/run_1/claim[1]"


def test_empty_queue_gives_an_empty_list_or_skips(claim):
    result, run = claim()
    assert result.state == "success", result.error
    assert run.value("claim") == []
    result, _ = claim(skip_if_empty=True)
    assert result.state == "skipped"


def test_default_limit_is_what_a_mapped_task_can_have(queue, claim, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    submissions = queue.submit(5)
    _, run = claim()
    assert ids(run) == submissions[:3]
    _, run = claim()
    assert ids(run) == submissions[3:]


def test_evaluation_can_be_given_as_a_template_or_an_object(alice, queue, claim):
    submissions = queue.submit(2)
    _, run = claim(evaluation_id="{{ '" + queue.id + "' }}", max_claims=1)
    assert ids(run) == submissions[:1]
    evaluation = alice.restGET(f"/evaluation/{queue.id}")
    _, run = claim(evaluation_id=evaluation)
    assert ids(run) == submissions[1:]


def test_queue_is_not_an_input_of_downstream_tasks(
    api, alice, queue, project, sources_of, tmp_path
):
    queue.submit()
    path = tmp_path / "report.txt"
    path.write_text("report")
    with DAG("reports", schedule=None) as dag:
        claims = SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=queue.id)

        @task
        def write(_claims):
            return str(path)

        SynapseStoreOperator(task_id="store", path=write(claims.output), parent_id=project)
    run = Run(api, dag).all()
    assert sources_of(run.value("store")["id"])[0] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"status": "NEW"}, "Invalid status 'NEW': expected one of OPEN"),
        ({"new_status": "EVALUATING"}, "Invalid new_status 'EVALUATING'"),
        ({"new_status": "RECEIVED"}, "they must differ"),
        ({"status": "REJECTED"}, "they must differ"),
        ({"cancelled_status": "SCORED"}, "Invalid cancelled_status 'SCORED'"),
        ({"max_claims": 0}, "Invalid max_claims=0"),
        ({"max_claims": True}, "Invalid max_claims=True"),
        ({"max_per_submitter": -1}, "Invalid max_per_submitter=-1"),
        ({"max_attempts": 0}, "Invalid max_attempts=0"),
        ({"error_status": "RECEIVED"}, "Invalid error_status 'RECEIVED': it must differ"),
        ({"error_status": "INVALID"}, "Invalid error_status 'INVALID': it must differ"),
        ({"lease": 0}, "Invalid lease=0"),
        ({"lease": timedelta(seconds=-5)}, "Invalid lease="),
        ({"lease": float("nan")}, "Invalid lease=nan"),
        ({"lease": float("inf")}, "Invalid lease=inf: expected a positive number of seconds"),
        ({"lease": 1e12}, "at most 3153600000"),
    ],
)
def test_invalid_arguments_fail_when_the_dag_is_parsed(arguments, message):
    with pytest.raises(ValueError, match=message), DAG("invalid", schedule=None):
        SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id="1", **arguments)


@pytest.mark.parametrize(
    ("evaluation_id", "message"),
    [
        ("1", "Check evaluation_id='1'"),
        ("syn123", "Invalid evaluation_id 'syn123'"),
        ("", "Invalid evaluation_id ''"),
        ("{{ None }}", "Invalid evaluation_id None"),
    ],
)
def test_unknown_queue_fails_without_a_retry(claim, evaluation_id, message):
    result, _ = claim(evaluation_id=evaluation_id)
    assert result.state == "failed"
    assert message in str(result.error)


def test_claimed_version_is_the_submitted_one(alice, queue, claim, tmp_path):
    queue.submit()
    path = tmp_path / "predictions.csv"
    path.write_text("changed")
    alice.store(File(str(path), parent=queue.project))
    _, run = claim()
    assert run.value("claim")[0]["entity_version"] == 1
