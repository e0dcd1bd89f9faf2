"""Tests of a service whose disk is full. A limit of the size of files stands for the full disk."""

import json
import resource
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests
from support.entity_api import REPO, Author
from support.file_api import PART, Clock, RestService, assert_error, ok
from support.table_api import TableClient

_LIMIT = 3 << 20


@contextmanager
def start_limited_service(data_dir):
    """Start a service that cannot write files of more than 3 MB; yield alice and its log."""
    log = data_dir.parent / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "synapse_workflows", "serve", "--s3", "off", "--port", "0",
             "--data", str(data_dir)],
            stdout=output,
            stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (data_dir / "service.json").exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_LIMIT, _LIMIT))
        facts = json.loads((data_dir / "service.json").read_text())
        tokens = {user["userName"]: user["token"] for user in facts["users"]}
        with requests.Session() as session:
            base_url = facts["repoEndpoint"].removesuffix(REPO)
            yield Author(RestService(session, base_url, tokens, Clock()), "alice"), log
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def limited(tmp_path):
    with start_limited_service(tmp_path / "data") as opened:
        yield opened


def test_upload_to_a_full_disk_is_507_and_leaves_nothing(limited, tmp_path):
    alice, log = limited
    data = bytes(PART)
    upload = ok(alice.start(data))["uploadId"]
    answer = alice.put_part(upload, 1, data)
    assert answer.status_code == 507
    assert "is full" in answer.text
    assert not [each for each in (tmp_path / "data" / "blobs").rglob("*") if each.is_file()]
    assert alice.read(alice.upload(b"small")).content == b"small"
    assert "Traceback" not in log.read_text()


def test_rows_for_a_full_disk_are_507_and_nothing_is_stored(limited):
    alice, log = limited
    tables = TableClient(alice)
    table = tables.create_table(("a", "LARGETEXT"))["id"]
    tables.append(table, ["x"])
    rows = tables.rows(table, *[["y" * 400_000]] * 4)
    answers = [tables.try_transact(table, rows) for _ in range(6)]
    stored = 1 + 4 * sum(each.ok for each in answers)
    assert_error(answers[-1], 507, "is full")
    assert tables.query(f"select count(*) from {table}") == [[str(stored)]]
    assert "Traceback" not in log.read_text()


def test_requests_to_a_full_database_are_507(limited):
    alice, log = limited
    project = alice.new_project()["id"]
    for _ in range(60):
        annotations = {
            f"k{number}": {"type": "STRING", "value": ["x" * 480]} for number in range(100)
        }
        folder = alice.try_make("org.sagebionetworks.repo.model.Folder", project)
        if not folder.ok:
            break
        body = {**folder.json(), "annotations": annotations}
        answer = alice.put(f"{REPO}/entity/{folder.json()['id']}/annotations2", body)
        if not answer.ok:
            folder = answer
            break
    assert_error(folder, 507, "is full")
    assert alice.get(f"{REPO}/entity/{project}").ok
    assert "Traceback" not in log.read_text()
