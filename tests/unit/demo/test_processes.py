"""Child processes end together with all their descendants."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.waiting import is_running, wait_until

from synapse_workflows.demo.processes import ProcessError, run_process, run_service

PROJECT = Path(__file__).parents[3]

#: A process that starts a child in another session, writes its PID and waits.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
)
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for_line(path):
    wait_until(lambda: path.read_text().endswith("\n"))
    return path.read_text().strip()


def test_a_child_in_another_session_is_ended(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with log.open("wb") as output, run_process(["parent"], environment, output) as process:
        child = int(wait_for_line(log))
        assert is_running(child)
    assert process.returncode is not None
    assert not is_running(child)


def test_processes_are_ended_if_the_block_fails(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with (
        pytest.raises(RuntimeError, match="of the block"),
        (tmp_path / "log").open("wb") as output,
        run_process(["parent"], environment, output) as process,
    ):
        raise RuntimeError("of the block")
    assert process.returncode is not None


def test_a_service_that_does_not_start_is_an_error_with_its_output(tmp_path):
    with pytest.raises(ProcessError) as error, run_service(tmp_path, seeds=["nonsense"]):
        pass
    assert str(error.value).startswith("The local Synapse did not start:\n")
    assert "nonsense" in str(error.value)


def test_a_running_service_writes_a_private_log(tmp_path):
    with run_service(tmp_path, s3="off") as facts:
        assert facts["repoEndpoint"].startswith("http://127.0.0.1:")
        assert (tmp_path / "serve.log").stat().st_mode & 0o777 == 0o600
        assert psutil.Process(facts["pid"]).cmdline()[0] == sys.executable
    assert not psutil.pid_exists(facts["pid"])


def test_modules_in_the_working_directory_are_not_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "argparse.py").write_text("raise RuntimeError('imported')")
    with run_process(["json.tool", "-h"], dict(os.environ), subprocess.DEVNULL) as process:
        assert process.wait() == 0


def test_the_service_keeps_its_port(tmp_path):
    with run_service(tmp_path, s3="off") as first:
        pass
    with run_service(tmp_path, s3="off") as second:
        assert second["repoEndpoint"] == first["repoEndpoint"]


#: A command that runs the process above until it is interrupted.
COMMAND = """
import os, sys
from synapse_workflows.demo.processes import run_process
try:
    with run_process(["parent"], dict(os.environ)) as process:
        process.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_by_a_signal_ends_its_processes(tmp_path, number):
    (tmp_path / "parent.py").write_text(PARENT)
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    with log.open("wb") as output:
        command = subprocess.Popen([sys.executable, "-c", COMMAND], env=environment, stdout=output)
    try:
        child = int(wait_for_line(log))
        command.send_signal(number)
        assert command.wait(30) == 0
    finally:
        command.kill()
    assert log.read_text().endswith("interrupted\n")
    assert not is_running(child)
