"""Equal uploads of one user at once: one file, and everybody gets it."""

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
    """A file of two parts that the service has never seen."""
    made = tmp_path / "same.bin"
    made.write_bytes(os.urandom(9 * MiB))
    return made


@pytest.fixture
def project_id(socket_client):
    return socket_client.store(Project(f"at once {uuid4()}")).id


def test_all_who_upload_the_same_at_once_get_one_file(socket_service, project_id, tmp_path):
    files = [tmp_path / f"{number}.txt" for number in range(6)]
    for file in files:
        file.write_bytes(os.urandom(1000))
    ready = Barrier(4)

    def upload(number):
        cache = str(tmp_path / f"cache {number}")
        with socket_service.client("alice", cache_root_dir=cache) as syn:
            handles = []
            for file in files:
                ready.wait(10)
                handles.append(syn.uploadFileHandle(str(file), project_id)["id"])
        return handles

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(upload, range(4)))
    assert found == [found[0]] * 4
    assert len(set(found[0])) == len(files)


@pytest.mark.parametrize(
    ("method", "where", "status"),
    [
        ("POST", URLS, 400),
        ("PUT", UPLOADS, 404),
        ("PUT", "/add/1", 400),
        ("PUT", "/add/1", 404),
        ("PUT", "/complete", 400),
        ("PUT", "/complete", 404),
    ],
)
def test_who_comes_late_takes_the_file_of_the_other(
    proxied, socket_client, project_id, proxy, path, method, where, status
):
    """As Synapse refuses it, whatever our service says."""
    others = []

    def overtake(exchange):
        others.append(socket_client.uploadFileHandle(str(path), project_id)["id"])
        fault_proxy.answer(status, COMPLETED)(exchange)

    proxy.fail(method, where, overtake)
    mine = proxied().uploadFileHandle(str(path), project_id)["id"]
    assert [mine] == others
    assert proxy.count("POST", START) in {2, 3}  # and a look before a restart


@pytest.mark.parametrize("status", [400, 404])
def test_who_is_refused_though_nobody_finished_goes_on(
    proxied, socket_client, project_id, proxy, path, status
):
    proxy.fail("PUT", "/add/1", fault_proxy.answer(status, COMPLETED), times=2)
    mine = proxied().uploadFileHandle(str(path), project_id)["id"]
    assert socket_client.uploadFileHandle(str(path), project_id)["id"] == mine


def test_what_is_refused_again_and_again_is_a_clear_error(proxied, project_id, proxy, path):
    syn = proxied()
    proxy.fail("PUT", "/add/", fault_proxy.answer(400, "no such thing"), times=ALWAYS)
    with pytest.raises(SynapseBadRequestError, match="no such thing"):
        syn.uploadFileHandle(str(path), project_id)
    assert proxy.count("POST", START) == 4
