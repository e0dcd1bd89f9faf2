"""A service in a process of its own, that a test may kill."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from support.entity_api import REPO, Author
from support.file_api import Clock, RestService


@contextmanager
def start_service_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], Author]]:
    """A service in a process of its own; gives the process and alice."""
    told = data_dir / "service.json"
    told.unlink(missing_ok=True)
    words = ["serve", "--port", "0", "--data", str(data_dir)]
    process = subprocess.Popen(
        [sys.executable, "-m", "synapse_workflows", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not told.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        facts = json.loads(told.read_text())
        tokens = {user["userName"]: user["token"] for user in facts["users"]}
        base_url = facts["repoEndpoint"].removesuffix(REPO)
        with requests.Session() as session:
            yield process, Author(RestService(session, base_url, tokens, Clock()), "alice")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
