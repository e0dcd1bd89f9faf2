"""Tests of ScorerProcess with real processes: limits, output, environment, end of processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.waiting import is_running, wait_until

from synapse_workflows.challenge import scorer_launcher
from synapse_workflows.challenge.scorer_process import (
    ScorerError,
    ScorerLimits,
    ScorerProcess,
    describe_exit,
)

MB = 1_000_000


def run(folder, code, check=lambda: None, environment=None, **limits):
    command = [sys.executable, "-c", code]
    return ScorerProcess(command, folder, environment or {}, ScorerLimits(**limits)).run(check)


def test_output_and_exit_code(tmp_path):
    output = run(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (output.exit_code, output.stdout, output.stderr) == (3, "out\n", "err\n")


def test_secrets_of_the_worker_are_not_in_the_environment(tmp_path, monkeypatch):
    for name in (
        "SYNAPSE_AUTH_TOKEN",
        "AIRFLOW_CONN_SYNAPSE_DEFAULT",
        "AIRFLOW__CORE__FERNET_KEY",
    ):
        monkeypatch.setenv(name, "s3cr3t")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    code = "print(open('/proc/self/environ').read())"
    output = run(tmp_path, code, environment={"OWN": "value"})
    assert "s3cr3t" not in output.stdout
    assert "OWN=value" in output.stdout
    assert f"HOME={tmp_path}" in output.stdout


def test_no_file_descriptor_of_the_worker_is_open(tmp_path):
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        output = run(tmp_path, "import os; print(sorted(os.listdir('/proc/self/fd')))")
    assert output.stdout.strip() == "['0', '1', '2', '3']"  # 3 is the listed directory


def test_time_limit(tmp_path):
    started = time.monotonic()
    with pytest.raises(ScorerError, match=r"time_limit=5 seconds") as raised:
        run(tmp_path, "import time; print('working', flush=True); time.sleep(600)", time_limit=5)
    assert time.monotonic() - started < 40
    assert "working" in str(raised.value)
    assert not raised.value.is_permanent


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("x = bytearray(10**9)", id="at once"),
        pytest.param(
            "import time\nx = []\nwhile True:\n    x.append(bytearray(10**6)); time.sleep(.001)",
            id="slowly",
        ),
        pytest.param(
            "import subprocess, sys, time\n"
            "for _ in range(5):\n"
            "    code = 'x = bytearray(10**8); import time; time.sleep(600)'\n"
            "    subprocess.Popen([sys.executable, '-c', code])\n"
            "time.sleep(600)",
            id="in several processes",
        ),
    ],
)
def test_memory_limit(tmp_path, code):
    with pytest.raises(ScorerError, match="memory_limit=300000000 bytes"):
        run(tmp_path, code, memory_limit=300 * MB, time_limit=60)


def test_memory_below_the_limit(tmp_path):
    output = run(tmp_path, "x = bytearray(10**8); print(len(x))", memory_limit=300 * MB)
    assert output.stdout == "100000000\n"


def test_first_and_last_bytes_of_huge_output_are_kept(tmp_path):
    code = "print('first'); print('x' * 50_000_000); print('last')"
    output = run(tmp_path, code, max_output=10_000)
    assert output.stdout.startswith("first\n")
    assert output.stdout.endswith("x\nlast\n")
    assert "bytes omitted" in output.stdout
    assert len(output.stdout) < 11_000


def test_output_below_the_bound_is_complete(tmp_path):
    output = run(tmp_path, "print('ab' * 4000)", max_output=10_000)
    assert output.stdout == "ab" * 4000 + "\n"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("pid = subprocess.Popen(sleep).pid", id="child"),
        pytest.param("pid = subprocess.Popen(sleep, start_new_session=True).pid", id="session"),
        pytest.param(
            "out = subprocess.check_output("
            "['/bin/sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!']);pid = int(out)",
            id="orphan",
        ),
    ],
)
@pytest.mark.parametrize("end", ["exit", "timeout", "error"])
def test_processes_left_behind_are_killed(tmp_path, start, end):
    code = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        f"{start}\nopen('pid', 'w').write(str(pid))\nopen('ready', 'w').close()\n"
        f"time.sleep({0 if end == 'exit' else 600})"
    )

    def check():
        if end == "error" and (tmp_path / "ready").exists():
            raise KeyError("stop")

    if end == "exit":
        run(tmp_path, code)
    else:
        error = KeyError if end == "error" else ScorerError
        with pytest.raises(error):
            run(tmp_path, code, check, time_limit=5 if end == "timeout" else 60)
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_end_of_a_killed_worker_ends_the_processes_and_removes_the_folder(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} ')\n"
        "time.sleep(600)"
    )
    worker_code = (
        "import sys; from pathlib import Path\n"
        "from synapse_workflows.challenge.scorer_process import *\n"
        f"command = [sys.executable, '-c', {code!r}]\n"
        f"ScorerProcess(command, Path({str(scratch)!r}), {{}}, ScorerLimits()).run()"
    )
    worker = subprocess.Popen([sys.executable, "-c", worker_code], cwd=Path(__file__).parents[3])
    wait_until(lambda: pids.exists() and pids.read_text().endswith(" "))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    processes = [int(one) for one in pids.read_text().split()]
    assert len(processes) == 2
    wait_until(lambda: not any(map(is_running, processes)))
    wait_until(lambda: not scratch.exists())


@pytest.mark.parametrize("is_stopped", [True, False])
def test_launcher_removes_the_folder_although_its_parent_has_not_ended(tmp_path, is_stopped):
    """The pipe of a killed worker closes before the operating system has ended the worker."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    report, write_report = os.pipe()
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(
        [sys.executable, scorer_launcher.__file__, "0", str(write_report), *command],
        stdin=subprocess.PIPE,
        cwd=scratch,
        pass_fds=(write_report,),
    ) as launcher:
        if is_stopped:
            launcher.stdin.write(b"\n")
        launcher.stdin.close()
        assert launcher.wait(60) == 0
    os.close(write_report)
    with os.fdopen(report) as file:
        assert json.load(file)["exit_code"] is None
    assert scratch.exists() == is_stopped


def test_missing_command(tmp_path):
    with pytest.raises(ScorerError, match="Cannot run '/missing/score'") as raised:
        ScorerProcess(["/missing/score"], tmp_path, {}, ScorerLimits()).run()
    assert raised.value.is_permanent


def test_exit_by_a_signal(tmp_path):
    output = run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert "SIGKILL" in describe_exit(output.exit_code)
    assert describe_exit(3) == "ended with exit code 3"


def test_default_signals_of_the_process(tmp_path):
    code = "from signal import *; print([getsignal(one) is SIG_DFL for one in (SIGTERM, SIGHUP)])"
    assert run(tmp_path, code).stdout == "[True, True]\n"
