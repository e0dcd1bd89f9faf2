"""The commands `demo` and `airflow`, in child processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from synapse_workflows.demo.paths import examples_dir


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


@pytest.mark.timeout(300)
def test_demo_shows_results_and_their_provenance(tmp_path):
    """A second run creates no new versions of unchanged content."""
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
    assert processes_of(tmp_path) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.timeout(300)
def test_airflow_lists_the_examples_and_ctrl_c_ends_all_processes(tmp_path):
    api, logs, trigger_logs = free_port(), free_port(), free_port()
    environment = os.environ | {
        "AIRFLOW__API__PORT": str(api),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{api}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
    }
    log = tmp_path / "output.txt"
    with start_command(log, "airflow", "--folder", str(tmp_path), env=environment) as running:
        try:
            listed = examples_are_listed(f"http://127.0.0.1:{api}", running)
        finally:
            running.send_signal(signal.SIGINT)
            code = running.wait(timeout=60)
    assert listed, log.read_text()[-3000:]
    assert code == 0, log.read_text()[-3000:]
    assert processes_of(tmp_path) == []
    for port in (api, logs, trigger_logs):
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass


def examples_are_listed(airflow: str, running: "subprocess.Popen[bytes]") -> bool:
    """Return whether Airflow lists the examples before it ends or the time is up."""
    wanted = {path.stem for path in examples_dir().glob("0*.py")}
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and running.poll() is None:
        try:
            token = requests.get(f"{airflow}/auth/token", timeout=5).json()["access_token"]
            dags = requests.get(
                f"{airflow}/api/v2/dags",
                headers={"Authorization": f"Bearer {token}"},
                timeout=5,
            ).json()["dags"]
        except (requests.RequestException, KeyError):
            dags = []
        if len(dags) >= len(wanted):
            return all(dag["dag_id"].startswith("synapse_") for dag in dags)
        time.sleep(0.5)
    return False
