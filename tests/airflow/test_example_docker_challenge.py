"""The example with Docker submissions; a stand-in takes the place of the Docker host."""

import importlib.util
import json
import sys

import pytest
from support.container_apis import DockerDaemon, serve
from support.execution_api import Run
from support.image_challenge import CONNECTION, REGISTRY, ImageChallenge, run_model

from synapse_workflows.demo.paths import examples_dir

pytestmark = [
    pytest.mark.usefixtures("docker_sockets"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def load(**replacements):
    """Return the module of the example, with other texts in its file."""
    path = examples_dir() / "05_docker_challenge.py"
    text = path.read_text()
    for old, new in replacements.items():
        text = text.replace(old, new)
    spec = importlib.util.spec_from_loader("docker_challenge", loader=None)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - an example
    return module


def test_without_the_provider_there_is_no_dag(monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.providers.docker.operators.docker", None)
    assert load().DockerOperator is None


def test_images_are_run_and_the_digest_is_recorded(api, challenge, tmp_path, monkeypatch):
    api.connections["docker_synapse"] = json.dumps(CONNECTION)
    images = ImageChallenge(challenge, tmp_path / "shared")
    submission = images.submit()
    daemon = DockerDaemon(program=run_model)
    with serve(daemon) as url:
        monkeypatch.setenv("DOCKER_HOST", url.replace("http", "tcp"))
        example = load(**images.replacements)
        dag = example.synapse_05_docker_challenge()
        dag.fileloc = example.__file__  # as Airflow sets it
        run = Run(api, dag)
        for task_id in ("reap", "claim"):
            assert run.task(task_id).state == "success"
        for name in ("prepare", "run", "score"):
            assert run.task(f"evaluate.{name}", 0).state == "success"
    assert len(daemon.containers) == 1
    results_id = images.check(submission, daemon)
    assert run.value("evaluate.score", map_index=0)["results_id"] == results_id
    (login,) = daemon.find("POST", "/auth$")
    assert login["serveraddress"] == REGISTRY
