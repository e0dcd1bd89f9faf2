"""Uploads and downloads of large files use limited memory."""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from json import loads
from pathlib import Path

import pytest
import requests
from support.file_api import RestUser, ok

from synapse_workflows.constants import MiB

SIZE = 256 * MiB
PART = 128 * MiB
BLOCK = os.urandom(MiB)


def iter_blocks(size: int) -> Iterator[bytes]:
    for _ in range(size // MiB):
        yield BLOCK


def md5(size: int) -> str:
    digest = hashlib.md5()
    for block in iter_blocks(size):
        digest.update(block)
    return digest.hexdigest()


def peak_memory(pid: int) -> int:
    """Return the peak memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.fixture
def service(tmp_path):
    """Start a service process and yield the content of its service.json."""
    arguments = ["serve", "--s3", "off", "--data", str(tmp_path), "--port", "0"]
    service_file = tmp_path / "service.json"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "synapse_workflows", *arguments], stdout=log, stderr=log
        )
    deadline = time.monotonic() + 120
    while not service_file.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield loads(service_file.read_text())
    process.kill()
    process.wait(30)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_transfer_of_256_mib_uses_limited_memory(service):
    with requests.Session() as session:
        base_url = service["repoEndpoint"].removesuffix("/repo/v1")
        alice = RestUser(session, base_url, service["users"][1]["token"])
        alice.upload(b"warm")
        before = peak_memory(service["pid"])
        body = {"fileSizeBytes": SIZE, "partSizeBytes": PART, "contentMD5Hex": md5(SIZE)}
        upload = ok(alice.start(b"", **body))["uploadId"]
        part_md5 = md5(PART)
        for number in (1, 2):
            response = session.put(
                alice.part_url(upload, number), data=iter_blocks(PART), timeout=60
            )
            assert response.headers["ETag"] == f'"{part_md5}"'
            assert alice.add(upload, number, part_md5)["addPartState"] == "ADD_SUCCESS"
        handle = ok(alice.complete(upload))["resultFileHandleId"]
        digest = hashlib.md5()
        with session.get(alice.url(handle), stream=True, timeout=60) as response:
            for chunk in response.iter_content(MiB):
                digest.update(chunk)
        assert digest.hexdigest() == body["contentMD5Hex"]
        assert peak_memory(service["pid"]) - before < 32 * MiB
