"""Every block of the README is executed."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from support.airflow_database import create_database
from support.challenge import Challenge
from support.readme import BLOCKS, REPO, blocks, write_dag

from synapse_workflows import File, Project
from synapse_workflows.demo.processes import run_service
from synapse_workflows.demo.runner import (
    airflow_environment,
    run_airflow_command,
)
from synapse_workflows.testing import SynapseService


def lines(text: str) -> list[str]:
    """Return the commands of a shell block, without comments."""
    return [line.partition(" #")[0].strip() for line in text.splitlines() if line.strip()]


COMMANDS = [line for text in blocks("sh") for line in lines(text)]


def test_every_block_is_of_a_known_kind():
    assert {word for word, _ in BLOCKS} == {"ini", "json", "python", "sh", "yaml", "mermaid"}
    assert len(blocks("python")) == 15


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_every_make_command_has_a_target(command):
    """Checked with `make --dry-run`: the targets run this test suite themselves."""
    target = shlex.split(command)[1]
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ".venv" in done.stdout


def test_the_serve_command_starts_the_service(tmp_path):
    """Port and directory differ, so that tests can run in parallel."""
    (command,) = [line for line in COMMANDS if line.startswith("synapse-workflows serve")]
    seed = shlex.split(command)[-1]
    with run_service(tmp_path, seeds=[seed], s3="off") as service:
        assert service["seed"]["data"].startswith("syn")
    assert "--port 8610 --data .synapse --seed demo" in command
    output = (tmp_path / "serve.log").read_text()
    for expected in ("From Python:", "AIRFLOW_CONN_SYNAPSE_DEFAULT", "~/.synapseConfig"):
        assert expected in output


def test_the_first_example_runs_in_a_new_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sum" in done.stdout
    assert re.search(r"syn\d+\.1", done.stdout)


def test_a_script_connects_to_the_local_synapse_of_airflow(tmp_path, monkeypatch):
    (text,) = (one for one in blocks("python") if "service.json" in one)
    monkeypatch.chdir(tmp_path)
    names = {}
    with run_service(tmp_path / ".airflow" / "synapse", s3="off"):
        exec(compile(text, "README.md", "exec"), names)  # noqa: S102
        assert names["syn"].getUserProfile()["userName"] == "alice"


def test_the_client_tour(socket_client):
    names = {"syn": socket_client}
    exec(compile(blocks("python")[-2], "README.md", "exec"), names)  # noqa: S102
    assert socket_client.getPermissions(names["folder"], "bob") == ["READ", "DOWNLOAD"]
    assert names["version"] == 1


def test_the_storage_locations(socket_client):
    names = {"syn": socket_client, "Project": Project}
    exec(compile(blocks("python")[-1], "README.md", "exec"), names)  # noqa: S102
    assert names["location"]["baseKey"] == "raw"
    assert socket_client.getProjectSetting(names["project"], "upload")["locations"] == [1]


@pytest.mark.timeout(240)
def test_the_dag_of_the_readme(tmp_path):
    """It runs under Airflow with existing IDs, and creates the Activity of the diagram."""
    with run_service(tmp_path / "synapse", s3="off") as service:
        syn = SynapseService(service, tmp_path).client()
        project = syn.store(Project("README"))
        counts = tmp_path / "counts.csv"
        counts.write_text("gene,count\nTP53,12\n")
        raw = syn.store(File(str(counts), parent=project))
        dags = tmp_path / "dags"
        dags.mkdir()
        write_dag(dags, "summarize_counts", {"syn123": raw.id, "syn456": project.id})
        environment = airflow_environment(tmp_path, service, dags)
        create_database(tmp_path)
        run_airflow_command(environment, tmp_path / "dag.log", "dags", "test", "summarize_counts")
        (stored,) = [c for c in syn.getChildren(project) if c["name"] == "summary.txt"]
        activity = syn.getProvenance(stored["id"])
        assert activity["name"] == "summarize_counts.store"
        used = [u["reference"] for u in activity["used"] if not u["wasExecuted"]]
        assert used == [{"targetId": raw.id, "targetVersionNumber": 1}]
        assert [u["name"].split()[0] for u in activity["used"] if u["wasExecuted"]] == [
            "summarize_counts.py"
        ]
        assert syn.get(stored["id"]).dataType == ["summary"]


@pytest.mark.timeout(240)
def test_the_scores_of_the_readme(tmp_path):
    with run_service(tmp_path / "synapse", s3="off") as service:
        syn = SynapseService(service, tmp_path).client()
        challenge = Challenge(syn, syn.store(Project("README")).id, tmp_path / "files")
        goldstandard = challenge.put("truth.csv", "id,value\na,1\nb,2\n").split(".")[0]
        good, bad = map(challenge.submit_text, ("id,value\na,1\nb,3\n", "nonsense\n"))
        dags = tmp_path / "dags"
        dags.mkdir()
        write_dag(dags, "score_submissions", {"syn123": goldstandard, "syn456": challenge.project})
        file = dags / "score_submissions.py"
        file.write_text(file.read_text().replace("9600001", challenge.id))
        environment = airflow_environment(tmp_path, service, dags)
        create_database(tmp_path)
        run_airflow_command(environment, tmp_path / "dag.log", "dags", "test", "score_submissions")
        status, annotations = challenge.get_status(good)
        assert (status["status"], annotations["right"]) == ("SCORED", ("LONG", ["1"]))
        status, annotations = challenge.get_status(bad)
        assert status["status"] == "INVALID"
        assert "nonsense" in annotations["validation_errors"][1][0]


def test_the_challenge(tmp_path):
    """The DAG is made of the YAML file, without network access."""
    (tmp_path / "challenge.yaml").write_text(blocks("yaml")[0])
    for name in ("validate.py", "score.py"):
        (tmp_path / name).touch()
    (text,) = (one for one in blocks("python") if "create_challenge_dag" in one)
    names = {"__file__": str(tmp_path / "challenge.py")}
    exec(compile(text, "README.md", "exec"), names)  # noqa: S102
    dag = names["dag"]
    assert dag.dag_id == "diagnosis"
    assert dag.task_ids == [
        "reap", "claim", "evaluate.score", "evaluate.message", "leaderboard",
        "announce_remaining",
    ]  # fmt: skip


@pytest.mark.timeout(240)
def test_the_messages_of_the_readme(tmp_path):
    with run_service(tmp_path / "synapse", s3="off") as service:
        synapse = SynapseService(service, tmp_path)
        alice, bob = synapse.client(), synapse.owner_id("bob")
        team = alice.restPOST("/team", '{"name": "Data Team", "canPublicJoin": true}')
        synapse.client("bob").restPUT(f"/team/{team['id']}/member/{bob}")
        dags = tmp_path / "dags"
        dags.mkdir()
        write_dag(dags, "report_by_message", {})
        environment = airflow_environment(tmp_path, service, dags)
        create_database(tmp_path)
        command = ("dags", "test", "report_by_message", "2026-11-24")
        run_airflow_command(environment, tmp_path / "dag.log", *command)
        printed = subprocess.run(
            [sys.executable, "-m", "synapse_workflows", "inbox", "bob", "--json", "--data",
             str(tmp_path / "synapse")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        (message,) = json.loads(printed.stdout)
        assert message["subject"] == "Samples of 2026-11-24"
        assert message["body"] == "There are 42 samples."
        subjects = {each.subject for each in synapse.inbox("alice")}
        assert subjects == {"Samples of 2026-11-24", "report_by_message is done"}
