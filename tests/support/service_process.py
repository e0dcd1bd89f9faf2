"""A service in a child process, which a test can kill."""

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
    """Start a service in a child process; yield the process and the user alice."""
    service_file = data_dir / "service.json"
    service_file.unlink(missing_ok=True)
    arguments = ["serve", "--s3", "off", "--port", "0", "--data", str(data_dir)]
    process = subprocess.Popen(
        [sys.executable, "-m", "synapse_workflows", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not service_file.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        facts = json.loads(service_file.read_text())
        tokens = {user["userName"]: user["token"] for user in facts["users"]}
        base_url = facts["repoEndpoint"].removesuffix(REPO)
        with requests.Session() as session:
            yield process, Author(RestService(session, base_url, tokens, Clock()), "alice")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
