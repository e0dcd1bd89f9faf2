"""Uploads over real sockets: overload, lost parts, a restarted storage, and changed files."""

import os
import time
from pathlib import Path

import pytest
from support import fault_proxy
from support.fault_proxy import ALWAYS, UPLOADS

from synapse_workflows import File, Project
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseForbiddenError,
    SynapseUploadFailedException,
)

MiB = 1024 * 1024
START = "/file/multipart\\?"
URLS = "/presigned/url/batch"
#: Response of S3 to too many requests.
SLOW_DOWN = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    "<Message>Please reduce your request rate.</Message></Error>"
)


@pytest.fixture
def syn(proxied):
    """Client that connects through the proxy."""
    return proxied(retry=RetryPolicy(attempts=8, total=20.0, wait=0.01))


@pytest.fixture
def big(tmp_path):
    """File of three parts."""
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(17 * MiB + 3))
    return path


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(name=f"uploads {time.time_ns()}"))


@pytest.fixture
def assert_stored(syn, socket_client, project):
    """Return a function that stores a file through the proxy, and checks its content without."""

    def check(path):
        file = syn.store(File(str(path), parent=project))
        socket_client.cache.remove(file.dataFileHandleId)
        assert Path(socket_client.get(file.id).path).read_bytes() == path.read_bytes()
        assert [each["name"] for each in socket_client.getChildren(project)] == [path.name]

    return check


def overwrite_unnoticed(path):
    """Change the content of a file, and restore its modification time."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(10 * MiB)
        file.write(b"other content")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_storage_that_slows_down_each_part_three_times(syn, proxy, big, assert_stored):
    storm = fault_proxy.respond(503, SLOW_DOWN)
    proxy.fail("PUT", UPLOADS, storm, times=9)
    assert_stored(big)
    assert proxy.count("PUT", UPLOADS) == 12
    assert proxy.count("POST", "/file/multipart$") == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", START), ("POST", URLS), ("PUT", UPLOADS), ("PUT", "/add/"), ("PUT", "/complete")],
)
def test_retry_after_is_respected(syn, proxy, big, assert_stored, method, path, status):
    proxy.fail(method, path, fault_proxy.respond(status, Retry_After="1"))
    started = time.monotonic()
    assert_stored(big)
    assert time.monotonic() - started > 0.95


def test_storage_that_is_always_overloaded_raises_its_reason(syn, proxy, big, project):
    syn.retry = RetryPolicy(attempts=2, total=1.0, wait=0.001)
    proxy.fail("PUT", UPLOADS, fault_proxy.respond(503, SLOW_DOWN), times=ALWAYS)
    with pytest.raises(SynapseUploadFailedException, match="reduce your request rate") as caught:
        syn.store(File(str(big), parent=project))
    assert "Signature" not in str(caught.value)
    assert proxy.count("PUT", "/complete") == 0


def test_lost_parts_restart_the_upload_once(syn, proxy, big, assert_stored):
    """S3 deletes incomplete uploads after some days; Synapse still lists their parts."""
    proxy.fail("PUT", UPLOADS, fault_proxy.respond(404, "<Code>NoSuchUpload</Code>"), skip=1)
    syn.max_threads = 1
    assert_stored(big)
    assert proxy.count("PUT", UPLOADS) == 2 + 3


def test_storage_without_the_upload_raises(syn, proxy, big, project):
    proxy.fail("PUT", UPLOADS, fault_proxy.respond(404, "NoSuchUpload"), times=ALWAYS)
    with pytest.raises(SynapseUploadFailedException, match="NoSuchUpload"):
        syn.store(File(str(big), parent=project))


@pytest.mark.parametrize("threads", [1, 6])
def test_file_changed_without_a_trace_is_not_stored(syn, proxy, big, project, threads):
    syn.max_threads = threads
    proxy.fail("POST", START, fault_proxy.call_first(lambda: overwrite_unnoticed(big)))
    with pytest.raises(SynapseUploadFailedException, match="part 2 was rejected"):
        syn.store(File(str(big), parent=project))
    assert proxy.count("PUT", "/complete") == 0
    assert list(syn.getChildren(project)) == []


def test_file_changed_back_is_stored(syn, proxy, big, project, assert_stored):
    original = big.read_bytes()
    proxy.fail("POST", START, fault_proxy.call_first(lambda: overwrite_unnoticed(big)))
    with pytest.raises(SynapseUploadFailedException):
        syn.store(File(str(big), parent=project))
    big.write_bytes(original)
    assert_stored(big)


def test_changed_file_starts_another_upload(syn, proxy, big, assert_stored):
    """The parts of the interrupted upload are not used for the new content."""
    syn.max_threads = 1
    syn.retry = RetryPolicy(attempts=1, wait=0.01, max_wait=0.05)
    proxy.fail("PUT", UPLOADS, fault_proxy.cut_upload(1000), times=7, skip=1)
    with pytest.raises(SynapseUploadFailedException):
        syn.store(File(str(big), parent=syn.store(Project(name=f"other {time.time_ns()}"))))
    sent = proxy.count("PUT", UPLOADS)
    overwrite_unnoticed(big)
    assert_stored(big)
    assert proxy.count("PUT", UPLOADS) == sent + 3


def test_restarted_storage_receives_only_missing_parts(syn, proxy, big, assert_stored):
    """While the storage restarts, it closes all connections."""
    until = []

    def restart(exchange):
        until.append(time.monotonic() + 0.5)
        if time.monotonic() < until[0]:
            exchange.disconnect()
        else:
            fault_proxy.forward(exchange)

    syn.max_threads = 2
    syn.retry = RetryPolicy(attempts=60, total=20.0, wait=0.05, max_wait=0.2)
    proxy.fail("PUT", UPLOADS, restart, times=ALWAYS, skip=1)
    assert_stored(big)
    assert proxy.count("PUT", "/add/") == 3
    assert proxy.count("POST", "/file/multipart$") == 1


def test_service_without_connection_raises(syn, proxy, big, project):
    syn.retry = RetryPolicy(attempts=2, total=1.0, wait=0.001)
    proxy.fail("PUT", "/add/", lambda exchange: exchange.disconnect(), times=ALWAYS)
    with pytest.raises((SynapseUploadFailedException, SynapseConnectionError)):
        syn.store(File(str(big), parent=project))


def test_permanent_error_ends_the_delays_of_other_parts(syn, proxy, big, project):
    syn.retry = RetryPolicy(attempts=8, total=100.0)

    def wait_for_request(path):
        while not proxy.count("PUT", path):
            time.sleep(0.01)

    def delay_while_the_second_part_is_sent(exchange):
        wait_for_request("/add/2")
        fault_proxy.respond(429, Retry_After="60")(exchange)

    def reject_during_the_delay(exchange):
        wait_for_request("/add/1")
        time.sleep(0.5)
        fault_proxy.respond(403, "no longer allowed")(exchange)

    proxy.fail("PUT", "/add/1", delay_while_the_second_part_is_sent)
    proxy.fail("PUT", "/add/2", reject_during_the_delay)
    started = time.monotonic()
    with pytest.raises(SynapseForbiddenError, match="no longer allowed"):
        syn.store(File(str(big), parent=project))
    assert time.monotonic() - started < 30
