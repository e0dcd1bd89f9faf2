"""The demo of a challenge: a round of twenty submissions under Airflow.

<folder>/synapse/       data of the local Synapse, its service.json and its log
<folder>/airflow/       AIRFLOW_HOME
<folder>/cache/         the worker's cache of downloads
<folder>/*.log          output of the components of Airflow
"""

import csv
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import requests

from synapse_workflows.challenge.challenge_file import ChallengeSettings, read_challenge_file
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.demo.airflow_server import (
    check_running,
    create_environment,
    run_components,
    wait_until_healthy,
)
from synapse_workflows.demo.dag_selection import select_dags
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.demo.processes import ProcessError, run_service
from synapse_workflows.demo.runner import (
    create_client,
    echo,
    migrate_database,
    show_next_steps,
    step,
)
from synapse_workflows.free_ports import LOOPBACK, find_free_port
from synapse_workflows.provenance.tree import render_tree

#: Maximum time of the round, in seconds.
_TIMEOUT: Final = 900.0
_POLL_SECONDS: Final = 2.0
_OPEN_STATUSES: Final = ("RECEIVED", "EVALUATION_IN_PROGRESS")
_PARTICIPANT: Final = "carol"


def run_challenge(folder: Path) -> None:
    """Run the scheduler of Airflow until it has evaluated all submissions; show the outcome.

    Args:
        folder: Working directory of the demo; a second run continues with its content.

    Raises:
        ProcessError: A process or a DAG run failed, or the round takes too long.
    """
    settings = read_challenge_file(examples_dir() / "04_challenge.yaml")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    echo("A challenge: twenty submissions wait in an evaluation queue. No account, no network.\n")
    with run_service(folder / "synapse", seeds=["demo", "challenge"], s3="off") as service:
        echo(f"  the local Synapse runs at {service['repoEndpoint']}")
        _check_ids(settings, service["seed"], folder)
        syn = create_client(service, folder)
        _show_queue(syn, settings, "  in the queue")
        port = find_free_port()
        environment = create_environment(folder, service, port, examples_dir())
        environment |= select_dags([settings.dag_id])
        environment |= {
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            # the files do not change during the round
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": str(int(_TIMEOUT)),
            "AIRFLOW_CONN_SYNAPSE_DEFAULT": service["airflow_connection"],
        }
        migrate_database(environment, folder)
        with run_components(environment, folder) as airflow:
            with step("starting Airflow"):
                wait_until_healthy(environment, airflow, folder)
            with step("noticing, claiming, validating, scoring, mailing and ranking"):
                _wait_for_end(syn, settings, port, airflow, folder)
        _show_outcome(syn, settings, folder)
    show_next_steps(folder)


def _check_ids(settings: ChallengeSettings, seed: Mapping[str, str], folder: Path) -> None:
    if settings.queue != seed["challenge_queue"] or settings.results != seed["challenge_results"]:
        raise ProcessError(
            f"The challenge in {folder} has other IDs than 04_challenge.yaml: remove the directory"
        )


def _show_queue(syn: Synapse, settings: ChallengeSettings, title: str) -> None:
    statuses = (status["status"] for _, status in syn.getSubmissionBundles(settings.queue))
    counts = Counter(statuses).most_common()
    echo(f"{title}: {', '.join(f'{number} {status}' for status, number in counts)}")


def _wait_for_end(
    syn: Synapse,
    settings: ChallengeSettings,
    port: int,
    airflow: "subprocess.Popen[bytes]",
    folder: Path,
) -> None:
    """Wait until no submission waits and no DAG run is active.

    Raises:
        ProcessError: A component of Airflow or a DAG run failed, or the time is over.
    """
    deadline = time.monotonic() + _TIMEOUT
    while True:
        check_running(airflow, folder)
        is_open = any(
            any(syn.getSubmissions(settings.queue, status=status)) for status in _OPEN_STATUSES
        )
        states = Counter(_list_run_states(port, settings.dag_id))
        if states["failed"]:
            raise ProcessError(f"A run of {settings.dag_id} failed; see {folder}/airflow/logs")
        if not is_open and not states["queued"] + states["running"]:
            return
        if time.monotonic() > deadline:
            raise ProcessError(f"The round did not end within {_TIMEOUT:g} s; see {folder}/*.log")
        time.sleep(_POLL_SECONDS)


def _list_run_states(port: int, dag_id: str) -> list[str]:
    url = f"http://{LOOPBACK}:{port}"
    token = requests.get(f"{url}/auth/token", timeout=30).json()["access_token"]
    reply = requests.get(
        f"{url}/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=-start_date",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    return [run["state"] for run in reply.json().get("dag_runs", ())]


def _show_outcome(syn: Synapse, settings: ChallengeSettings, folder: Path) -> None:
    echo("\nThe leaderboard:\n")
    parent = settings.leaderboard.parent or settings.results
    board = syn.get(syn.findEntityId(settings.leaderboard.name, parent))
    with Path(board.path).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        scores = "  ".join(f"{name} {row[name]}" for name in settings.metrics)
        name = row["submission_name"]
        echo(f"  {row['rank']}  {row['submitter']:<14} {name:<20} {scores}")
    echo(f"\nThe messages that {_PARTICIPANT} received (synapse-workflows inbox):\n")
    echo(_run_command("inbox", _PARTICIPANT, "--data", str(folder / "synapse")))
    _show_queue(syn, settings, "\nThe queue")
    echo("\nThe provenance of the best score:\n")
    annotations = syn.getSubmissionStatus(rows[0]["submission_id"]).submissionAnnotations
    results = f"{annotations['results_id'][0]}.{annotations['results_version'][0]}"
    echo(render_tree(syn, results) + "\n")


def _run_command(*arguments: str) -> str:
    """Run a command of synapse-workflows and return its output."""
    done = subprocess.run(  # noqa: S603 - this interpreter with arguments of this package
        [sys.executable, "-P", "-m", "synapse_workflows", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()
