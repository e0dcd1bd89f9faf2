"""Tests of the decorator @task.synapse_score."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import SynapseClaimSubmissionsOperator
from synapse_workflows.decorators.scores import synapse_score_task

DAG_FILE = """
import functools, json
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from synapse_workflows import SynapseScoreSubmissionOperator

def score_with(factor, predictions):
    return {"n": factor}

places = {"goldstandard_id": "syn1", "results_parent_id": "syn2"}
with DAG("scores", schedule=None) as dag:
    SynapseScoreSubmissionOperator.partial(
        task_id="mapped",
        scorer=functools.partial(score_with, 1),
        validator=lambda image: [],
        **places,
    ).expand(submission=["1", "2"])

    @task.synapse_score(**places)
    def score(predictions):
        return {"n": 1}

    score.expand(submission=["1", "2"])
serialized = DagSerialization.to_dict(dag)["dag"]["tasks"]
print("SERIALIZED", json.dumps(serialized, sort_keys=True))
"""


@pytest.fixture
def places(challenge):
    return {
        "goldstandard_id": challenge.goldstandard,
        "results_parent_id": challenge.project,
    }


def test_function_scores_a_submission(api, challenge, places, sources_of):
    submission = challenge.submit_text("id,1\na,1\n")
    with DAG("decorated", schedule=None) as dag:

        @synapse_score_task(**places)
        def score(predictions: Path, goldstandard: Path) -> dict:
            lines = predictions.read_text().splitlines()
            return {"right": len(set(lines) & set(goldstandard.read_text().splitlines()))}

        @task
        def report(result: dict) -> str:
            return f"{result['submission_id']}: {result['scores']['right']}"

        report(score(submission))
    run = Run(api, dag, "run_decorated").all()
    assert run.value("report") == f"{submission}: 2"
    assert run.value("score", "status") == "SCORED"
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "SCORED"
    assert annotations["right"] == ("LONG", ["2"])
    used, executed = sources_of(run.value("score")["results_id"])
    assert set(used) == {challenge.entity_of(submission), challenge.goldstandard}
    assert any("test_scores_decorator.py" in one for one in executed)


def test_function_is_mapped_over_claims(api, challenge, places):
    submissions = [challenge.submit_text(f"id,{number}\n") for number in range(3)]
    with DAG("mapped", schedule=None) as dag:
        claim = SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=challenge.id)

        @synapse_score_task(
            validator=lambda predictions: [] if predictions.exists() else ["missing"], **places
        )
        def score(predictions, factor, submission):
            number = int(predictions.read_text().split(",")[1])
            return {"n": factor * number, "id": submission["id"]}

        score.partial(factor=10).expand(submission=claim.output)
    run = Run(api, dag, "run_mapped").all(score=3)
    found = [run.value("score", map_index=index)["scores"] for index in range(3)]
    assert found == [{"n": 10 * number, "id": one} for number, one in enumerate(submissions)]


def test_predictions_of_another_task(api, challenge, places, tmp_path):
    submission = challenge.submit_text("id,1\n")
    with DAG("two", schedule=None) as dag:

        @task
        def predict() -> str:
            path = tmp_path / "output.csv"
            path.write_text("a\nb\n")
            return str(path)

        @synapse_score_task(**places)
        def score(predictions: Path) -> Any:
            return {"n": len(predictions.read_text().splitlines())}

        score(submission, predictions=predict())
    run = Run(api, dag, "run_two").all()
    assert run.value("score")["scores"] == {"n": 2}
    assert run.value("score", "scores") == {"n": 2}


def test_partition_key_names_the_submission(api, challenge, places):
    submission = challenge.submit_text("id,1\n")
    with DAG("partition", schedule=None, params={"key": submission}) as dag:

        @synapse_score_task(**places)
        def score(predictions):
            return {"n": 1}

        score("{{ params.key }}")
    run = Run(api, dag, "run_partition").all()
    assert run.value("score")["submission_id"] == submission


def test_parameter_without_a_value(places):
    with DAG("invalid", schedule=None):

        @synapse_score_task(**places)
        def score(predictions, factor):
            return {"n": factor}

        with pytest.raises(TypeError, match="factor"):
            score("1")
        with pytest.raises(TypeError, match="submission"):
            score(factor=1)
        with pytest.raises(ValueError, match="Invalid on_error"):
            synapse_score_task(on_error="ignore", **places)(lambda image: {"n": image})("1")


def test_decorator_is_registered():
    code = (
        "from airflow.sdk import task\n"
        "decorator = task.synapse_score(goldstandard_id='syn1', results_parent_id='syn2')\n"
        "print(decorator(lambda predictions: {}).function.__name__)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert output.returncode == 0, output.stderr


def test_serialized_dag_is_the_same_in_each_process(tmp_path):
    """Otherwise Airflow would store a new version of the DAG each time it parses the file."""
    file = tmp_path / "scores_dag.py"
    file.write_text(DAG_FILE)
    command = [sys.executable, str(file)]
    outputs = {
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.partition(
            "SERIALIZED"
        )[2]
        for _ in range(2)
    }
    assert len(outputs) == 1
    assert "0x" not in outputs.pop()
