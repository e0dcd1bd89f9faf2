"""Concurrent uploads of the same file by one user."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from support import fault_proxy
from support.fault_proxy import ALWAYS, UPLOADS

from synapse_workflows import Project
from synapse_workflows.client.errors import SynapseBadRequestError

MiB = 1024 * 1024
START = "/file/multipart$"
URLS = "/presigned/url/batch"
COMPLETED = "Multi-part upload 1 is already completed."


@pytest.fixture
def path(tmp_path):
    """File of two parts that the service does not have."""
    file = tmp_path / "same.bin"
    file.write_bytes(os.urandom(9 * MiB))
    return file


@pytest.fixture
def project_id(socket_client):
    return socket_client.store(Project(f"concurrent {uuid4()}")).id


def test_concurrent_uploads_of_a_file_return_one_handle(socket_service, project_id, tmp_path):
    files = [tmp_path / f"{number}.txt" for number in range(6)]
    for file in files:
        file.write_bytes(os.urandom(1000))
    ready = Barrier(4)

    def upload(number):
        cache = str(tmp_path / f"cache {number}")
        with socket_service.client("alice", cache_root_dir=cache) as syn:
            handles = []
            for file in files:
                ready.wait(60)
                handles.append(syn.uploadFileHandle(str(file), project_id)["id"])
        return handles

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(upload, range(4)))
    assert found == [found[0]] * 4
    assert len(set(found[0])) == len(files)


@pytest.mark.parametrize(
    ("method", "path_pattern", "status"),
    [
        ("POST", URLS, 400),
        ("PUT", UPLOADS, 404),
        ("PUT", "/add/1", 400),
        ("PUT", "/add/1", 404),
        ("PUT", "/complete", 400),
        ("PUT", "/complete", 404),
    ],
)
def test_upload_completed_by_another_client_is_used(
    proxied, socket_client, project_id, proxy, path, method, path_pattern, status
):
    """The responses are those of Synapse."""
    others = []

    def complete_first(exchange):
        others.append(socket_client.uploadFileHandle(str(path), project_id)["id"])
        fault_proxy.respond(status, COMPLETED)(exchange)

    proxy.fail(method, path_pattern, complete_first)
    mine = proxied().uploadFileHandle(str(path), project_id)["id"]
    assert [mine] == others
    assert proxy.count("POST", START) in {2, 3}  # and a status check before a restart


@pytest.mark.parametrize("status", [400, 404])
def test_rejected_upload_that_is_not_completed_continues(
    proxied, socket_client, project_id, proxy, path, status
):
    proxy.fail("PUT", "/add/1", fault_proxy.respond(status, COMPLETED), times=2)
    mine = proxied().uploadFileHandle(str(path), project_id)["id"]
    assert socket_client.uploadFileHandle(str(path), project_id)["id"] == mine


def test_permanently_rejected_part_raises(proxied, project_id, proxy, path):
    syn = proxied()
    proxy.fail("PUT", "/add/", fault_proxy.respond(400, "no such thing"), times=ALWAYS)
    with pytest.raises(SynapseBadRequestError, match="no such thing"):
        syn.uploadFileHandle(str(path), project_id)
    assert proxy.count("POST", START) == 4
