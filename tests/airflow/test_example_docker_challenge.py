"""The example with Docker submissions. The provider of Docker is replaced by a stand-in."""

import importlib.util
import json
import re
import sys
from types import ModuleType

import pytest
from airflow.sdk import BaseOperator
from support.execution_api import Run

from synapse_workflows import DockerRepository
from synapse_workflows.demo.paths import examples_dir

DIGEST = f"sha256:{'1' * 64}"


class DockerOperator(BaseOperator):
    """Operator that returns the rendered image and the output directory of the container."""

    template_fields = ("image", "mounts")

    def __init__(self, *, image, mounts, network_mode, **kwargs):
        for name in ("auto_remove", "docker_conn_id", "mount_tmp_dir"):
            kwargs.pop(name)
        super().__init__(**kwargs)
        self.image, self.mounts = image, mounts
        assert network_mode == "none"

    def execute(self, context):  # noqa: ARG002
        return {"image": self.image, "output": self.mounts[1]["source"]}


@pytest.fixture
def provider(monkeypatch):
    operators = ModuleType("airflow.providers.docker.operators.docker")
    operators.DockerOperator = DockerOperator
    types = ModuleType("docker.types")
    types.Mount = dict
    for name in ("airflow.providers.docker", "airflow.providers.docker.operators", "docker"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, operators.__name__, operators)
    monkeypatch.setitem(sys.modules, types.__name__, types)


def load(**values):
    """Return the module of the example, with other values of its constants."""
    path = examples_dir() / "05_docker_challenge.py"
    text = path.read_text()
    for old, new in values.items():
        text = re.sub(rf'"[^"\n]*{old}"', json.dumps(new), text)
    spec = importlib.util.spec_from_loader("docker_challenge", loader=None)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - an example
    return module


def test_without_the_provider_there_is_no_dag(monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.providers.docker.operators.docker", None)
    assert load().DockerOperator is None


def test_images_are_run_and_the_digest_is_recorded(
    provider, api, alice, challenge, project, sources_of, tmp_path
):
    goldstandard = challenge.put("truth.csv", "id,diagnosis\n1,benign\n2,malignant\n")
    repository = alice.store(DockerRepository("docker.example.org/model", parent=project))
    commit = json.dumps({"tag": "latest", "digest": DIGEST})
    alice.restPOST(f"/entity/{repository.id}/dockerCommit", commit)
    entity = alice.restGET(f"/entity/{repository.id}")
    body = {
        "evaluationId": challenge.id,
        "entityId": repository.id,
        "versionNumber": 1,
        "dockerRepositoryName": "docker.example.org/model",
        "dockerDigest": DIGEST,
    }
    path = f"/evaluation/submission?etag={entity['etag']}"
    submission = str(alice.restPOST(path, json.dumps(body))["id"])
    example = load(
        **{"9600002": challenge.id, "syn10000009": goldstandard, "syn10000010": project},
        **{"/output": str(tmp_path / "output")},
    )
    dag = example.synapse_05_docker_challenge()
    dag.fileloc = example.__file__  # as Airflow sets it
    run = Run(api, dag)
    for task_id in ("reap", "claim"):
        assert run.task(task_id).state == "success"
    assert run.task("evaluate.prepare", 0).state == "success"
    assert run.task("evaluate.run", 0).state == "success"
    ran = run.value("evaluate.run", map_index=0)
    output = tmp_path / "output" / submission
    assert ran == {"image": f"docker.example.org/model@{DIGEST}", "output": str(output)}
    (output / "predictions.csv").write_text("id,probability\n1,0.25\n2,1.0\n")
    assert run.task("evaluate.score", 0).state == "success"
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "SCORED"
    assert annotations["auc"] == ("DOUBLE", ["1.0"])
    used, executed = sources_of(run.value("evaluate.score", map_index=0)["results_id"])
    assert f"{repository.id}.1" in used
    assert f"https://docker.example.org/v2/model/manifests/{DIGEST}" in executed
