"""Launcher of the processes of a cluster, in PID and mount namespaces of its own.

The launcher imports Airflow and this package once, and then forks the components of Airflow: these
start at once, and so do the tasks of the Celery workers. It is the first process of its PID
namespace, so the kernel kills all other processes of the namespace when it ends. It ends when its
standard input is closed, also if the tests were killed.

Commands and responses are lines of JSON on standard input and output:

    {"start": NAME, "program": "airflow" | "synapse" | "exec", "arguments": [...], "log": PATH,
     "environment": {...}, "disk": PATH | null, "user": NAME | null} -> process ID
    {"signal": NUMBER, "pid": PID, "tree": true | false} -> IDs of the processes that received it
    {"parents": ID} -> parent's ID of each descendant of a process, by its ID
    {"statuses": null} -> exit statuses of the started processes that have ended, by process ID
"""

import contextlib
import ctypes
import json
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from synapse_workflows.demo.preloaded_airflow import fork_process, preload, run_command

#: Modules that the components and the tasks of a cluster import as well.
PRELOADED = (
    "airflow.providers.celery.cli.celery_command",
    "airflow.providers.celery.executors.celery_executor",
    "pyarrow.parquet",
    "synapse_workflows.cli",
)
CLONE_NEWNS = 0x00020000
#: Folders that machines do not share.
PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - they are replaced
REPOSITORY = Path(__file__).parents[2]


def isolate_machine(folder: Path, disk: Path) -> None:
    """Put this process on a machine of its own: other processes share no files with it.

    Args:
        folder: working directory of the cluster. The process sees the content of `disk` in it,
            and the subdirectory `shared` of the cluster, as if it were on a file server.
        disk: files of the machine.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    code = {REPOSITORY, Path(sys.prefix).resolve(), Path(sys.base_prefix)}
    sources = {folder: disk, folder / "shared": folder / "shared"} | {
        path: path for path in code if str(path).startswith(tuple(f"{one}/" for one in PRIVATE))
    }
    descriptors = {
        target: os.open(source, os.O_RDONLY | os.O_DIRECTORY) for target, source in sources.items()
    }
    _mount("--make-rprivate", "/")
    for path in PRIVATE:
        if Path(path).is_dir() and not Path(path).is_symlink():
            _mount("-t", "tmpfs", "-o", "mode=1777", "private", path)
    for target, descriptor in descriptors.items():
        target.mkdir(parents=True, exist_ok=True)
        _mount(
            "--no-canonicalize",
            "--bind",
            f"/proc/self/fd/{descriptor}",
            str(target),
            descriptors=[descriptor],
        )
        os.close(descriptor)


def _mount(*arguments: str, descriptors: Sequence[int] = ()) -> None:
    subprocess.run(["mount", *arguments], check=True, pass_fds=descriptors)


def start(command: dict[str, Any]) -> int:
    """Fork a process; return its ID."""
    return fork_process(Path(command["log"]), partial(run, command))


def run(command: dict[str, Any]) -> int:
    """Run a program in this process."""
    arguments = command["arguments"]
    os.environ |= command["environment"]
    if command["disk"]:
        isolate_machine(Path.cwd(), Path(command["disk"]))
        os.chdir(Path.cwd())
    if command["user"]:
        user = pwd.getpwnam(command["user"])
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if command["program"] == "exec":
        os.execvp(arguments[0], arguments)  # noqa: S606
    sys.argv = [command["program"], *arguments]
    if command["program"] == "airflow":
        run_command(arguments)
    else:
        from synapse_workflows.__main__ import main

        main()
    return 0


def send_signal(number: int, pid: int, *, tree: bool) -> list[int]:
    """Send a signal to a process, or to it and all its descendants at the same time."""
    try:
        members = [psutil.Process(pid)]
        if tree:
            members = _stop_tree(members[0])
    except psutil.NoSuchProcess:
        return []
    reached = []
    for member in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member.pid, number)
            reached.append(member.pid)
    return reached


def find_parents(pid: int) -> dict[int, int]:
    """Return the parent's ID of each running descendant of a process, by its ID."""
    found = {}
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE:
                found[one.pid] = one.ppid()
    return found


def _stop_tree(root: psutil.Process) -> list[psutil.Process]:
    """Stop a process and its descendants, until none of them starts a new one."""
    stopped: list[psutil.Process] = []
    while new := [one for one in [root, *root.children(recursive=True)] if one not in stopped]:
        for one in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGSTOP)
        stopped += new
    return stopped


def reap(statuses: dict[int, int]) -> None:
    """Record the exit statuses of processes that have ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        statuses[pid] = os.waitstatus_to_exitcode(status)


def main() -> None:
    """Run commands until standard input is closed."""
    responses = os.dup(1)
    os.dup2(2, 1)  # for what the imported modules print
    preload(PRELOADED)
    statuses: dict[int, int] = {}
    pending = b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.2)
        reap(statuses)
        if not readable:
            continue
        received = os.read(0, 65536)
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "start" in command:
                response: Any = start(command)
            elif "signal" in command:
                response = send_signal(command["signal"], command["pid"], tree=command["tree"])
            elif "parents" in command:
                response = find_parents(command["parents"])
            else:
                response = statuses
            os.write(responses, json.dumps(response).encode() + b"\n")


if __name__ == "__main__":
    main()
