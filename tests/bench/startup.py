"""Benchmark of import and login, as ratios measured in one run.

    python -m tests.bench.startup

Each import happens in a new process; the baseline is the import of `requests`. The requests of a
login are counted by a local server that answers each of them with a profile. Each time is the
median of seven rounds. The official client is skipped without its environment
(`make install-peer`).
"""

import json
import statistics
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.bench.uploads import PEER

ROUNDS = 7
TIMED = """
import time
started = time.perf_counter()
{statement}
print(time.perf_counter() - started)
"""
LOGIN = """
import logging, sys
from {module} import Synapse
endpoints = dict.fromkeys(
    ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint"), sys.argv[1]
)
syn = Synapse(skip_checks=True, silent=True, configPath="/dev/null", **endpoints)
syn.login(authToken="x", silent=True)
"""
#: Name -> interpreter, statement to import it, module.
CLIENTS = {
    "requests": (sys.executable, "import requests", None),
    "client": (
        sys.executable,
        "from synapse_workflows import Synapse; Synapse",
        "synapse_workflows",
    ),
    "official": (PEER, "from synapseclient import Synapse", "synapseclient"),
}


class Profiles(BaseHTTPRequestHandler):
    """Handler that answers each request with the profile of a user."""

    requests: list[str] = []  # noqa: RUF012 - the class has one server

    def do_GET(self) -> None:
        """Count the request and send the profile."""
        self.requests.append(self.path)
        body = json.dumps({"ownerId": "1", "userName": "bench"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def run(python: str, code: str, *arguments: str) -> str:
    """Run code in a new process; return its output."""
    return subprocess.run(
        [python, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def count_requests(python: str, module: str) -> int:
    """Return the number of requests of a login."""
    Profiles.requests.clear()
    with HTTPServer(("127.0.0.1", 0), Profiles) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run(python, LOGIN.format(module=module), f"http://127.0.0.1:{server.server_port}/repo/v1")
        server.shutdown()
    return len(Profiles.requests)


def main() -> None:
    """Measure imports and count requests."""
    seconds: dict[str, list[float]] = {}
    available = {name: one for name, one in CLIENTS.items() if Path(one[0]).exists()}
    for _ in range(ROUNDS):
        for name, (python, statement, _module) in available.items():
            output = run(python, TIMED.format(statement=statement))
            seconds.setdefault(name, []).append(float(output))
    base = statistics.median(seconds["requests"])
    for name, (python, _, module) in available.items():
        median = statistics.median(seconds[name])
        requests = (
            "" if module is None else f"   requests at login {count_requests(python, module)}"
        )
        sys.stdout.write(f"{name:8} {median:6.3f} s  {median / base:5.2f} x requests{requests}\n")


if __name__ == "__main__":
    main()
