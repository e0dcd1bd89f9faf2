"""A challenge with Docker submissions, as example 5 runs and scores them."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from support.activity_sources import list_sources
from support.challenge import Challenge
from support.container_apis import DockerDaemon
from synapse_workflows import DockerRepository

REGISTRY = "docker.example.org"
#: The connection `docker_synapse`.
CONNECTION = {"conn_type": "docker", "host": REGISTRY, "login": "alice", "password": "token"}
_NUMBERS = count(1)


def run_model(container: dict[str, Any]) -> None:
    """Write predictions to the directory that a container has at `/output`.

    Args:
        container: specification of the container, as the Docker daemon gets it.
    """
    (output,) = (
        mount["Source"]
        for mount in container["HostConfig"]["Mounts"]
        if mount["Target"] == "/output"
    )
    Path(output, "predictions.csv").write_text("id,probability\n1,0.25\n2,1.0\n")


class ImageChallenge:
    """A queue with images of one repository.

    Args:
        challenge: the queue; the results are stored in its project.
        folder: directory that the workers share with the Docker host.
    """

    def __init__(self, challenge: Challenge, folder: Path) -> None:
        self.queue, self.folder, self.syn = challenge, folder, challenge.syn
        truth = challenge.put("truth.csv", "id,diagnosis\n1,benign\n2,malignant\n")
        self.name = f"{REGISTRY}/model{next(_NUMBERS)}"
        self.repository = self.syn.store(DockerRepository(self.name, parent=challenge.project)).id
        #: Texts in the file of the example -> texts of this challenge.
        self.replacements = {
            "9600002": challenge.id,
            "syn10000009": truth,
            "syn10000010": challenge.project,
            "/srv/challenge": str(folder),
        }

    def submit(self) -> str:
        """Submit a new image; return the ID of the submission."""
        digest = f"sha256:{next(_NUMBERS):064}"
        commit = json.dumps({"tag": "latest", "digest": digest})
        self.syn.restPOST(f"/entity/{self.repository}/dockerCommit", commit)
        entity = self.syn.get(self.repository, downloadFile=False)
        image = {"dockerRepositoryName": self.name, "dockerDigest": digest}
        return self.queue.submit_entity(entity, **image)

    def is_scored(self, submission: str) -> bool:
        return bool(self.queue.status(submission)["status"] == "SCORED")

    def check(self, submission: str, daemon: DockerDaemon) -> str:
        """Check how an image has run, and what is stored; return the ID of the results."""
        found = self.syn.restGET(f"/evaluation/submission/{submission}")
        image, digest = f"{self.name}@{found['dockerDigest']}", found["dockerDigest"]
        hosts = [one["HostConfig"] for one in daemon.containers.values() if one["Image"] == image]
        assert hosts
        mounts = {("/input", f"{self.folder}/input", True)}
        mounts |= {("/output", f"{self.folder}/output/{submission}", False)}
        for host in hosts:
            assert host["NetworkMode"] == "none"
            assert mounts == {
                (one["Target"], one["Source"], bool(one.get("ReadOnly"))) for one in host["Mounts"]
            }
        status, annotations = self.queue.get_status(submission)
        assert status["status"] == "SCORED"
        assert annotations["auc"] == ("DOUBLE", ["1.0"])
        results_id: str = annotations["results_id"][1][0]
        used, executed = list_sources(self.syn, results_id)
        assert f"{self.repository}.1" in used
        name = self.name.removeprefix(f"{REGISTRY}/")
        assert f"https://{REGISTRY}/v2/{name}/manifests/{digest}" in executed
        return results_id
