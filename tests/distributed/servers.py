"""PostgreSQL and Redis from Debian, without Debian's own services."""

import os
import pwd
import shutil
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

from synapse_workflows.free_ports import LOOPBACK

#: PostgreSQL does not run as root; it is also the name of its superuser in the database.
DATABASE_USER = "postgres"


def find_missing() -> str:
    """Return why clusters cannot run on this machine; empty if they can."""
    if os.geteuid():
        return "the tests of several machines need root, for mount namespaces"
    if _find_binaries() is None:
        return "PostgreSQL is missing: apt-get install postgresql"
    if shutil.which("redis-server") is None:
        return "Redis is missing: apt-get install redis-server"
    for module in ("airflow.providers.celery", "celery", "psycopg2", "asyncpg", "redis"):
        if find_spec(module) is None:
            return f"{module} is missing: pip install 'synapse-workflows[celery]'"
    return "" if _can_isolate() else "this machine permits no mount and PID namespaces"


def init_database(folder: Path, port: int) -> list[str]:
    """Create a database cluster with the database `airflow`; return the command of its server.

    Args:
        folder: new directory for the data.
        port: port of the server.
    """
    binaries = _find_binaries()
    assert binaries
    folder.mkdir(mode=0o700)
    user = pwd.getpwnam(DATABASE_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)

    def run(*arguments: str, text: str | None = None) -> None:
        subprocess.run(
            arguments,
            check=True,
            input=text,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=DATABASE_USER,
            group=user.pw_gid,
            extra_groups=[],
            cwd="/",
        )

    initdb = str(binaries / "initdb")
    run(initdb, "-D", str(folder), "--auth", "trust", "-E", "UTF8", "--locale", "C", "--no-sync")
    server = [str(binaries / "postgres"), "-D", str(folder)]
    run(*server[:1], "--single", *server[1:], "postgres", text="create database airflow;\n")
    settings = {
        "fsync": "off",  # the data is not needed after a crash
        "full_page_writes": "off",
        "listen_addresses": LOOPBACK,
        "max_connections": "300",
        "port": str(port),
        "synchronous_commit": "off",
        "unix_socket_directories": "",
    }
    return server + [
        word for name, value in settings.items() for word in ("-c", f"{name}={value}")
    ]


def redis_arguments(folder: Path, port: int) -> list[str]:
    """Return the command of a Redis server that keeps its data in memory."""
    options = {"bind": LOOPBACK, "port": str(port), "save": "", "appendonly": "no"}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ["redis-server", *words, "--dir", str(folder)]


def is_listening(port: int) -> bool:
    """Return whether a server accepts connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _can_isolate() -> bool:
    """Return whether this process may create namespaces and mount file systems in them."""
    program = ["mount", "-t", "tmpfs", "private", "/tmp"]  # noqa: S108
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", *program]
    return shutil.which("unshare") is not None and (
        subprocess.run(namespaces, check=False, stderr=subprocess.DEVNULL).returncode == 0
    )


def _find_binaries() -> Path | None:
    """Return the directory of PostgreSQL's newest server programs."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(
        (path.parent for path in found), key=lambda one: float(one.parent.name), default=None
    )
