"""Uploads of files in tasks whose worker is killed, and their retries."""

import os
import time
from pathlib import Path

import pytest
from support.killable_worker import KillPoint, Worker

from synapse_workflows import Folder, Project, SynapseStoreOperator

MiB = 1 << 20
PARTS = 5
PUT = "PUT /storage/upload/{id}/{id}"
ADDED = "PUT /file/v1/file/multipart/{id}/add/{id} 201"


@pytest.fixture
def folder(socket_client):
    project = socket_client.store(Project(f"retries {time.time_ns()}"))
    return socket_client.store(Folder("uploads", parent=project))


@pytest.fixture
def big(tmp_path):
    """File of five parts."""
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(8 * MiB * (PARTS - 1) + 3))
    return path


@pytest.fixture
def killed(connection, tmp_path, folder, big):
    """Worker whose first attempt was killed after two parts were added."""
    worker = Worker(connection, tmp_path, SynapseStoreOperator, path=str(big), parent_id=folder.id)
    worker.begin(KillPoint(ADDED, 2))
    assert worker.end() is None
    return worker


def retry(worker):
    """Run the next attempt, and return the number of parts that it sent."""
    worker.begin()
    result = worker.end()
    assert result["state"] == "success", result["error"]
    return result, result["trace"].count(PUT)


def assert_stored(client, folder, big, result):
    """Check that the file is stored once, with the Activity of the task."""
    stored = client.get(result["value"]["id"])
    assert [each["id"] for each in client.getChildren(folder)] == [stored.id]
    assert stored.versionNumber == 1
    assert Path(stored.path).read_bytes() == big.read_bytes()
    assert client.getProvenance(stored)["name"]


def test_retry_of_an_unchanged_file_sends_the_missing_parts(killed, socket_client, folder, big):
    result, sent = retry(killed)
    assert sent <= PARTS - 2
    assert_stored(socket_client, folder, big, result)


def test_retry_of_a_changed_file_sends_all_parts(killed, socket_client, folder, big):
    big.write_bytes(os.urandom(big.stat().st_size))
    result, sent = retry(killed)
    assert sent == PARTS
    assert_stored(socket_client, folder, big, result)
