"""The commands `demo` and `airflow`, in child processes."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests
from support.airflow_database import create_database
from support.s3_service import require_weed
from support.waiting import wait_until

from synapse_workflows.demo import airflow_server
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.demo.processes import ProcessError
from synapse_workflows.free_ports import find_free_port


def start_command(log: Path, *arguments: str, **options) -> "subprocess.Popen[bytes]":
    """Start a command with its output in a file: an unread pipe fills up and blocks."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "synapse_workflows", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,
        )


def processes_of(folder: Path) -> list[str]:
    """List the processes that have a folder in their command line or in AIRFLOW_HOME."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("AIRFLOW_HOME", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.mark.timeout(450)
def test_demo_shows_results_and_their_provenance(tmp_path):
    """A second run creates no new versions of unchanged content."""
    create_database(tmp_path)
    for run in (1, 2):
        log = tmp_path / "output.txt"
        with start_command(log, "demo", "--folder", str(tmp_path)) as demo:
            code = demo.wait(timeout=140)
        output = log.read_text()
        assert code == 0, output
        for name in ("diagnosis_summary", "feature_ranking"):
            assert re.search(rf"syn\d+\.1  {name}\.csv", output), f"run {run}: {output}"
        tree = output[output.index("\ndiagnosis_summary.csv (syn") :]
        assert "synapse_01_summarise.store" in tree
        assert re.search(r"used +breast_cancer_wisconsin\.csv \(syn\d+\.1\)", tree)
        assert re.search(r"executed +01_summarise_with_provenance\.py", tree)
        assert re.search(r"used +feature_dictionary\.csv \(syn\d+\.1\)", tree)
        snapshots = output[output.index("\nTable snapshots") :]
        assert re.search(
            r"measurements \(syn\d+\.1\)\n└─ synapse_03_nightly_snapshots\.create_snapshot",
            snapshots,
        )
        assert re.search(
            r"features \(syn\d+\.1\)\n└─ synapse_03_nightly_snapshots\.create_snapshot", snapshots
        )
        assert not re.search(r"\(syn\d+\.2\)", snapshots), "an unchanged table has one snapshot"
        assert "Next steps" in output
    check_demo_of_lineage(tmp_path)
    assert processes_of(tmp_path) == []


def check_demo_of_lineage(folder: Path) -> None:
    """Run `demo --dag lineage` in the directory of an earlier demo."""
    log = folder / "output.txt"
    with start_command(log, "demo", "--folder", str(folder), "--dag", "lineage") as demo:
        assert demo.wait(timeout=140) == 0, log.read_text()
    tree = log.read_text().partition("The story of the report")[2]
    for line in (
        r"report\.md \(syn\d+\.1\)\n└─ synapse_08_model\.report",
        r"used +model\.json \(syn\d+\.1\)",
        r"used +cleaned\.csv \(syn\d+\.1\)",
        r"used +breast_cancer_wisconsin\.csv \(syn\d+\.1\)",
        r"executed +07_clean_measurements\.py",
        r"executed +08_model_and_report\.py",
    ):
        assert re.search(line, tree), tree
    for name in ("provenance.svg", "provenance.html"):
        assert "model.json" in (folder / name).read_text()


def test_unknown_dag_lists_the_examples(tmp_path):
    log = tmp_path / "output.txt"
    with start_command(log, "demo", "--folder", str(tmp_path), "--dag", "unknown") as demo:
        assert demo.wait(timeout=60) == 2
    output = " ".join(re.sub("[│╭╮╰╯─]", " ", log.read_text()).split())
    names = "summarise, rank, snapshots, sts, challenge, lineage"
    assert f"Unknown DAG 'unknown': expected one of {names}" in output


@pytest.mark.timeout(200)
def test_demo_of_one_dag(tmp_path):
    """It needs the S3 server, which the service starts."""
    require_weed()
    create_database(tmp_path)
    log = tmp_path / "output.txt"
    with start_command(log, "demo", "--folder", str(tmp_path), "--dag", "sts") as demo:
        assert demo.wait(timeout=150) == 0, log.read_text()
    output = log.read_text()
    for number in (1, 2, 3):
        assert re.search(rf"syn\d+\.1  batch_{number}_summary\.csv", output)
        assert re.search(rf"used +s3://synapse-demo/diagnostics/raw/batch_{number}\.csv", output)
    assert re.search(r"executed +06_sts_etl\.py", output)
    assert "diagnosis_summary.csv" not in output
    assert processes_of(tmp_path) == []


@pytest.mark.timeout(900)
def test_demo_of_a_challenge(tmp_path):
    """A round of twenty submissions under the scheduler and the triggerer."""
    create_database(tmp_path / "challenge")
    log = tmp_path / "output.txt"
    with start_command(log, "demo", "--folder", str(tmp_path), "--dag", "challenge") as demo:
        assert demo.wait(timeout=850) == 0, log.read_text()
    output = log.read_text()
    assert "in the queue: 20 RECEIVED" in output
    board, _, rest = output.partition("The messages that carol received")
    ranks = [line.split()[:2] for line in board.partition("leaderboard:")[2].split("\n") if line]
    assert ranks == [["1", "bob"], ["2", "Gradient"], ["3", "carol"]]
    messages, _, rest = rest.partition("The queue: ")
    subjects = re.findall(r"predictions_(\d+).csv \(\d+\) (.*)", messages)
    assert dict(subject for subject in subjects if subject[1][-1] != ".") == {
        "02": "was scored",
        "06": "is invalid and was not scored",
        "10": "was scored",
        "14": "is invalid and was not scored",
        "20": "was rejected",
    }
    assert "10 patients are missing, for example 520" in messages
    assert rest.startswith("13 SCORED, 4 INVALID, 3 REJECTED\n")
    tree = rest.partition("The provenance of the best score:")[2]
    assert re.search(r"results.json \(syn\d+\.1\)\n└─ synapse_04_challenge.evaluate.score", tree)
    for line in (r"used +goldstandard.csv", r"executed +score.py", r"executed +validate.py"):
        assert re.search(line, tree)
    assert processes_of(tmp_path) == []


def log_in(airflow: str) -> dict[str, str]:
    """Return the headers of an authorized request."""
    token = requests.get(f"{airflow}/auth/token", timeout=30).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def running_airflow(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple]:
    """Run `airflow` for the block; yield its process and URL when it is ready."""
    log = folder / "output.txt"
    arguments = ("airflow", "--folder", str(folder), *arguments)
    with start_command(log, *arguments, env=os.environ | environment) as process:
        try:
            yield process, wait_for_url(log, process)
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=60)
    assert code == 0, log.read_text()[-3000:]
    assert processes_of(folder) == []


def wait_for_url(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Return the URL that the command prints when Airflow is ready."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"^Open (\S+) and trigger a DAG", log.read_text(), re.MULTILINE)
        if found:
            return found[1]
        time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


def listening_addresses(folder: Path) -> set[str]:
    """Return the addresses on which the processes of a folder listen."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), process.environ().get("AIRFLOW_HOME", "")]
            if any(str(folder) in word for word in words):
                connections = process.net_connections()
                found |= {one.laddr.ip for one in connections if one.status == "LISTEN"}
    return found


def continue_earlier_start(folder: Path) -> str:
    """Create what an earlier start left: the database with a connection, and the port.

    Returns:
        URL of the web interface.
    """
    create_database(folder)
    with closing(sqlite3.connect(folder / "airflow" / "airflow.db")) as database, database:
        database.execute(
            "insert into connection (conn_id, conn_type, host, is_encrypted, is_extra_encrypted) "
            "values ('synapse_default', 'synapse', 'http://127.0.0.1:9', 0, 0)"
        )
    port = find_free_port()
    (folder / "port").write_text(str(port))
    return f"http://127.0.0.1:{port}"


@pytest.mark.timeout(400)
def test_airflow_is_ready_for_a_browser(tmp_path):
    """It takes the port of the last start; the examples run, and the connection can be tested."""
    last = continue_earlier_start(tmp_path)
    with running_airflow(tmp_path) as (_, url):
        assert url == last
        headers = log_in(url)
        assert examples_are_listed(url, headers)
        assert listening_addresses(tmp_path) == {"127.0.0.1"}
        path = f"{url}/api/v2/connections/synapse_default"
        connection = requests.get(path, headers=headers, timeout=10).json()
        assert connection["password"] == "***"
        # as the test button does: a missing port would be 0
        body = {key: connection[key] for key in connection if key != "team_name"}
        body["port"] = connection["port"] or 0
        tested = requests.post(
            f"{url}/api/v2/connections/test", headers=headers, json=body, timeout=30
        ).json()
        assert tested["status"], tested
        assert "alice" in tested["message"]


def test_a_component_of_airflow_that_ends_is_named(tmp_path, monkeypatch):
    """The error has the end of its log; the other components are stopped with the block."""
    commands = {"scheduler": ["scheduler", "--num-runs", "many"]}
    monkeypatch.setattr(airflow_server, "_COMPONENTS", commands)
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{find_free_port()}/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(find_free_port()),
    }
    with (
        pytest.raises(ProcessError) as caught,
        airflow_server.run_components(environment, tmp_path) as airflow,
    ):
        wait_until(lambda: airflow_server.check_running(airflow, tmp_path))
    assert str(caught.value).startswith("Airflow's scheduler ended with status 2:\n")
    assert "invalid int value: 'many'" in str(caught.value)
    assert processes_of(tmp_path) == []


def test_airflow_refuses_a_port_in_use(tmp_path):
    log = tmp_path / "output.txt"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = str(taken.getsockname()[1])
        arguments = ("airflow", "--folder", str(tmp_path / "other"))
        with start_command(log, *arguments, env=os.environ | {"AIRFLOW__API__PORT": busy}) as one:
            assert one.wait(timeout=60) == 1
    assert f"Port {busy} is in use" in log.read_text()


def examples_are_listed(airflow: str, headers: dict[str, str]) -> bool:
    """Return whether Airflow lists the examples, none of them paused, within a minute."""
    wanted = {path.stem for path in examples_dir().glob("[0-9]*.py")}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        dags = requests.get(f"{airflow}/api/v2/dags", headers=headers, timeout=10).json()["dags"]
        if len(dags) >= len(wanted):
            return all(
                dag["dag_id"].startswith("synapse_") and not dag["is_paused"] for dag in dags
            )
        time.sleep(0.5)
    return False
