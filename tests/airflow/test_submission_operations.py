"""Deprecated operations of `hook.ops`, and submissions in the lineage of a task."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import (
    Evaluation,
    File,
    SubmissionViewSchema,
    SynapseHook,
    SynapseStoreOperator,
)
from synapse_workflows.client.errors import SynapseNotFoundError, SynapseProvenanceError


@pytest.fixture
def queue(alice, project):
    """An evaluation of alice."""
    return alice.store(Evaluation(name=f"queue {uuid4()}", contentSource=project))


@pytest.fixture
def submit(alice, project, queue, tmp_path):
    """Return a function that submits a file of alice and sets the status."""

    def submit_file(status="RECEIVED", name=None):
        path = tmp_path / (name or f"{uuid4()}.csv")
        path.write_text(f"{uuid4()}\n")
        submission = alice.submit(queue, alice.store(File(str(path), parent=project)))
        current = alice.getSubmissionStatus(submission)
        current.status = status
        alice.store(current)
        return submission

    return submit_file


@pytest.fixture
def ops(connection, monkeypatch):
    """The deprecated operations, outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    return SynapseHook().ops


def test_queue_with_received_submissions_is_reported(ops, queue, submit):
    with pytest.warns(DeprecationWarning, match="use SynapseSubmissionSensor"):
        assert ops.monitor_evaluation_queue(queue.id) is False
    submit("SCORED")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert ops.monitor_evaluation_queue(queue.id) is False
    submit()
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert ops.monitor_evaluation_queue(evaluation_id=queue.id) is True


def test_submissions_are_listed_by_status(ops, alice, project, queue, submit):
    received = [submit().id for _ in range(2)]
    scored = submit("SCORED").id
    view = alice.store(SubmissionViewSchema("view", parent=project, scopes=[queue]))
    with pytest.warns(DeprecationWarning, match="use SynapseClaimSubmissionsOperator"):
        assert ops.get_submissions_with_status(view) == received
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert ops.get_submissions_with_status(view.id, "SCORED") == [scored]
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert ops.get_submissions_with_status(queue.id, submission_status="VALIDATED") == []


def test_view_is_queried(ops, alice, project, queue, submit):
    view = alice.store(SubmissionViewSchema("indexed", parent=project, scopes=[queue]))
    submit()
    with pytest.warns(DeprecationWarning, match="use SynapseClaimSubmissionsOperator"):
        assert ops.trigger_indexing(view.id) is None
    with (
        pytest.warns(DeprecationWarning, match="deprecated"),
        pytest.raises(ValueError, match="Invalid submission_view 'view'"),
    ):
        ops.trigger_indexing("view")


def test_status_is_updated(ops, alice, queue, submit):
    submission = submit()
    with pytest.warns(DeprecationWarning, match="use SynapseScoreSubmissionOperator"):
        ops.update_submission_status(submission.id, "EVALUATION_IN_PROGRESS")
    assert alice.getSubmissionStatus(submission).status == "EVALUATION_IN_PROGRESS"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_concurrent_updates_keep_other_changes(ops, alice, socket_service, submit):
    """A writer with an outdated etag reads the status again."""
    submission = submit()

    def annotate(index):
        ops.update_submission_status(submission.id, ["VALIDATED", "ACCEPTED"][index % 2])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(annotate, range(16)))
    assert alice.getSubmissionStatus(submission).status in {"VALIDATED", "ACCEPTED"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_invalid_arguments_are_rejected(ops, project, queue, submit):
    with pytest.raises(ValueError, match="Invalid submission_status 'DONE': expected one of OPEN"):
        ops.get_submissions_with_status(queue.id, "DONE")
    with pytest.raises(ValueError, match="Invalid submission_status"):
        ops.update_submission_status(submit().id, None)
    with pytest.raises(ValueError, match="expected the ID of a submission view"):
        ops.get_submissions_with_status(project)
    with pytest.raises(ValueError, match="Invalid submission ID"):
        ops.update_submission_status("syn1", "SCORED")
    with pytest.raises(SynapseNotFoundError):
        ops.monitor_evaluation_queue(987654321)


def test_submission_is_used_by_stored_file(alice, api, project, submit, sources_of):
    """The submitted version counts, although the entity has changed since."""
    submission = submit(name="answer.csv")
    stored = alice.get(submission.entityId)
    alice.store(stored, forceVersion=True)

    with DAG("scores", schedule=None) as dag:

        @task
        def read(submission_id):
            client = SynapseHook().client
            found = client.getSubmission(submission_id)
            status = client.getSubmissionStatus(found)
            status.status = "VALIDATED"
            client.store(status)
            return found.filePath

        SynapseStoreOperator(
            task_id="store", path=read(submission.id), parent_id=project, name="copy.csv"
        )
    Run(api, dag).all()
    used, _ = sources_of(alice.findEntityId("copy.csv", project))
    assert used == [f"{submission.entityId}.1"]
    assert alice.getSubmissionStatus(submission).status == "VALIDATED"


def test_status_has_no_provenance(api, submit):
    submission = submit()
    with DAG("scores", schedule=None) as dag:

        @task
        def score():
            client = SynapseHook().client
            status = client.getSubmissionStatus(submission.id)
            with pytest.raises(SynapseProvenanceError):
                client.store(status, used="syn1")

        score()
    Run(api, dag).all()


def test_submission_status_and_evaluation_can_be_xcoms(api, queue, submit):
    submission = submit("SCORED")
    with DAG("xcoms", schedule=None) as dag:

        @task
        def read():
            client = SynapseHook().client
            found = client.getSubmission(submission.id)
            return [client.getEvaluation(queue.id), found, client.getSubmissionStatus(found)]

        @task
        def check(values):
            evaluation, found, status = values
            assert evaluation["name"] == queue.name
            assert found["entityId"] == found["entity"]["id"] == submission.entityId
            assert status["status"] == "SCORED"

        check(read())
    Run(api, dag).all()
