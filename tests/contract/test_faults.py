"""Transfers over real sockets through a faulty proxy: the right bytes or a clear error."""

import itertools
import os
import time
from pathlib import Path

import pytest
from support import fault_proxy
from support.fault_proxy import ALWAYS, DOWNLOADS, UPLOADS

from synapse_workflows import File, Project
from synapse_workflows.client.core import cache_lock
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseError,
    SynapseFileCacheError,
    SynapseMd5MismatchError,
    SynapseTimeoutError,
    SynapseUploadFailedException,
)

MiB = 1024 * 1024
BATCH = "/fileHandle/batch"
URLS = "/presigned/url/batch"


@pytest.fixture
def syn(proxied):
    """Client that connects through the proxy."""
    return proxied()


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """File of three parts."""
    path = tmp_path_factory.mktemp("big") / "big.bin"
    path.write_bytes(os.urandom(17 * MiB + 3))
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.bin"
    path.write_bytes(os.urandom(300_000))
    return path


@pytest.fixture
def new_big(tmp_path):
    """File of three parts that the service does not have."""
    path = tmp_path / "new_big.bin"
    path.write_bytes(os.urandom(17 * MiB + 3))
    return path


@pytest.fixture
def new_small(tmp_path):
    path = tmp_path / "new_small.bin"
    path.write_bytes(os.urandom(300_000))
    return path


@pytest.fixture(scope="module")
def direct(socket_service, tmp_path_factory):
    """Client that connects without the proxy."""
    with socket_service.client(cache_root_dir=str(tmp_path_factory.mktemp("cache"))) as syn:
        yield syn


@pytest.fixture(scope="module")
def project(direct):
    return direct.store(Project(name=f"downloads {time.time_ns()}"))


@pytest.fixture(scope="module")
def stored(direct, project, big):
    return direct.store(File(str(big), parent=project))


@pytest.fixture(scope="module")
def stored_small(direct, project, small):
    return direct.store(File(str(small), parent=project))


@pytest.fixture
def empty(direct):
    """An empty project."""
    return direct.store(Project(name=f"uploads {time.time_ns()}"))


@pytest.fixture
def here(tmp_path):
    """Target directory of downloads."""
    return tmp_path / "here"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def assert_uploads(syn, direct, project, path):
    """Store a file through the proxy, and check without the proxy that it is stored once."""
    file = syn.store(File(str(path), parent=project))
    direct.cache.remove(file.dataFileHandleId)
    assert Path(direct.get(file.id).path).read_bytes() == path.read_bytes()
    assert [child["name"] for child in direct.getChildren(project)] == [path.name]
    assert file.versionNumber == 1


def assert_downloads(syn, file, here, original):
    """Download a file through the proxy, and check that it is complete and the only file."""
    found = syn.get(file.id, downloadLocation=str(here))
    assert Path(found.path).read_bytes() == original.read_bytes()
    assert names_in(here) == [original.name]


@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/file/multipart\\?"),
        ("POST", URLS),
        ("PUT", UPLOADS),
        ("PUT", "/add/1"),
        ("PUT", "/complete"),
    ],
)
def test_upload_is_retried_after_429_and_503(
    syn, direct, empty, proxy, new_small, method, path, status
):
    proxy.fail(method, path, fault_proxy.respond(status), times=3)
    assert_uploads(syn, direct, empty, new_small)


@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize(("method", "path"), [("POST", BATCH), ("GET", DOWNLOADS)])
def test_download_is_retried_after_429_and_503(
    syn, stored, proxy, big, here, method, path, status
):
    proxy.fail(method, path, fault_proxy.respond(status), times=3)
    assert_downloads(syn, stored, here, big)


@pytest.mark.parametrize(("method", "path"), [("POST", BATCH), ("GET", DOWNLOADS)])
def test_retry_after_is_respected(proxied, stored_small, proxy, small, here, method, path):
    syn = proxied(retry=RetryPolicy(attempts=4, total=10.0, wait=0.01))
    proxy.fail(method, path, fault_proxy.respond(429, Retry_After="1"))
    started = time.monotonic()
    assert_downloads(syn, stored_small, here, small)
    assert time.monotonic() - started > 0.95


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "0"}], ids=["", "Retry-After"])
def test_download_ends_in_spite_of_many_rejections(syn, stored, proxy, big, here, headers):
    """Two of three requests for URLs and for parts are rejected."""
    numbers = itertools.count()
    rejections = [fault_proxy.respond(status, "slow down", **headers) for status in (429, 503)]

    def reject_or_forward(exchange):
        actions = [*rejections, fault_proxy.forward]
        actions[next(numbers) % 3](exchange)

    syn.max_threads = 1
    proxy.fail("GET", DOWNLOADS, reject_or_forward, times=ALWAYS)
    proxy.fail("POST", BATCH, reject_or_forward, times=ALWAYS)
    assert_downloads(syn, stored, here, big)
    assert proxy.count("GET", DOWNLOADS) == 3 * 3


def test_unavailable_storage_raises_and_leaves_no_file(syn, stored_small, proxy, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.respond(503, "slow down"), times=4)
    with pytest.raises(SynapseDownloadError, match=r"small\.bin: 503 .*slow down"):
        syn.get(stored_small.id, downloadLocation=str(here))
    assert names_in(here) == []


def test_unavailable_service_raises(syn, proxy, empty, new_small):
    proxy.fail("POST", "/file/multipart", fault_proxy.respond(503, "maintenance"), times=ALWAYS)
    with pytest.raises(SynapseError, match="maintenance"):
        syn.store(File(str(new_small), parent=empty))


def test_interrupted_part_is_uploaded_again(syn, direct, empty, proxy, new_big):
    proxy.fail("PUT", UPLOADS, fault_proxy.cut_upload(after=300_000), times=2, skip=1)
    assert_uploads(syn, direct, empty, new_big)
    assert proxy.count("PUT", UPLOADS) == 5
    assert proxy.count("PUT", "/add/") == 3


@pytest.mark.parametrize("after", [0, 100_000, 5 * MiB])
def test_interrupted_download_is_resumed(syn, stored, proxy, big, here, after):
    proxy.fail("GET", DOWNLOADS, fault_proxy.cut_download(after), times=2)
    assert_downloads(syn, stored, here, big)


def test_interrupted_small_download_is_resumed(syn, stored_small, proxy, small, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.cut_download(200_000), times=2)
    assert_downloads(syn, stored_small, here, small)


def test_interruptions_with_progress_are_not_limited(syn, stored, proxy, big, here):
    syn.max_threads = 1
    proxy.fail("GET", DOWNLOADS, fault_proxy.cut_download(MiB), times=12)
    assert syn.retry.attempts < 7  # fewer than the interruptions of the first part
    assert_downloads(syn, stored, here, big)


def test_truncated_part_is_completed(syn, stored, proxy, big, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.truncate(by=1000), times=2)
    assert_downloads(syn, stored, here, big)


def test_truncated_body_is_downloaded_again(syn, stored_small, proxy, small, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.truncate(by=1000))
    assert_downloads(syn, stored_small, here, small)


def test_permanently_truncated_body_raises(syn, stored_small, proxy, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.truncate(by=1000), times=ALWAYS)
    with pytest.raises(SynapseDownloadError, match="has 299000 bytes, but the file has 300000"):
        syn.get(stored_small.id, downloadLocation=str(here))
    assert names_in(here) == []


def test_download_from_a_server_without_ranges(syn, stored, proxy, big, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.ignore_ranges, times=ALWAYS)
    assert_downloads(syn, stored, here, big)


@pytest.mark.parametrize("after", [0, 4 * MiB])
def test_stalled_download_is_resumed(proxied, stored, proxy, big, here, after):
    syn = proxied(timeout=(5.0, 0.5))
    proxy.fail("GET", DOWNLOADS, fault_proxy.stall_download(after), skip=1)
    assert_downloads(syn, stored, here, big)


def test_stalled_upload_is_retried(proxied, direct, empty, proxy, new_big):
    syn = proxied(timeout=(0.5, 0.5))
    proxy.fail("PUT", UPLOADS, fault_proxy.stall_upload(after=300_000))
    assert_uploads(syn, direct, empty, new_big)


def test_part_without_response_is_uploaded_again(proxied, direct, empty, proxy, new_big):
    syn = proxied(timeout=(5.0, 0.5))
    proxy.fail("PUT", UPLOADS, fault_proxy.never_respond, skip=1)
    assert_uploads(syn, direct, empty, new_big)


def test_corrupt_part_is_uploaded_again(syn, direct, empty, proxy, new_big):
    proxy.fail("PUT", UPLOADS, fault_proxy.corrupt_upload, times=2)
    assert_uploads(syn, direct, empty, new_big)
    assert proxy.count("PUT", UPLOADS) == 5


def test_permanently_corrupt_parts_raise_and_create_no_entity(
    syn, direct, empty, proxy, new_small
):
    proxy.fail("PUT", UPLOADS, fault_proxy.corrupt_upload, times=ALWAYS)
    with pytest.raises(SynapseUploadFailedException, match="part 1 was rejected 3 times"):
        syn.store(File(str(new_small), parent=empty))
    assert list(direct.getChildren(empty)) == []


@pytest.mark.parametrize("which", ["stored", "stored_small"])
def test_corrupt_download_raises_and_leaves_no_file(request, syn, proxy, here, which):
    file = request.getfixturevalue(which)
    proxy.fail("GET", DOWNLOADS, fault_proxy.corrupt_download)
    with pytest.raises(SynapseMd5MismatchError) as caught:
        syn.get(file.id, downloadLocation=str(here))
    assert caught.value.expected == file._file_handle["contentMd5"]
    assert caught.value.found != caught.value.expected
    assert names_in(here) == []
    assert syn.cache.get(file.dataFileHandleId) is None


def test_rejected_upload_url_is_renewed(syn, direct, empty, proxy, new_big):
    proxy.fail("PUT", UPLOADS, fault_proxy.respond(403, "Request has expired"))
    assert_uploads(syn, direct, empty, new_big)
    assert proxy.count("POST", URLS) == 2


def test_upload_url_rejected_before_the_body_is_renewed(syn, direct, empty, proxy, new_big):
    proxy.fail("PUT", UPLOADS, fault_proxy.reject_early, times=2)
    assert_uploads(syn, direct, empty, new_big)
    assert proxy.count("POST", URLS) > 1


def test_rejected_download_url_is_renewed(syn, stored, proxy, big, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.respond(403, "Request has expired"))
    assert_downloads(syn, stored, here, big)
    assert proxy.count("POST", BATCH) == 2


def test_permanently_rejected_url_raises(syn, stored_small, proxy, here):
    proxy.fail("GET", DOWNLOADS, fault_proxy.respond(403, "no"), times=3)
    with pytest.raises(SynapseDownloadError, match="403") as caught:
        syn.get(stored_small.id, downloadLocation=str(here))
    assert "X-Amz" not in str(caught.value)
    assert names_in(here) == []


def test_request_without_a_response_times_out(proxied, proxy, stored_small):
    syn = proxied(timeout=(5.0, 0.3), retry=RetryPolicy(attempts=1))
    proxy.fail("POST", "/bundle2", fault_proxy.never_respond)
    with pytest.raises(SynapseTimeoutError, match="no response within the timeout"):
        syn.get(stored_small.id, downloadFile=False)


def test_cache_that_another_process_holds_is_an_error(direct, stored_small, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_lock, "TIMEOUT_SECONDS", 0.1)
    directory = Path(direct.cache.get_cache_dir(stored_small.dataFileHandleId))
    lock = directory / ".cacheMap.lock"
    lock.mkdir(parents=True)
    try:
        with pytest.raises(SynapseFileCacheError, match="another process has held"):
            direct.get(stored_small.id, downloadLocation=str(tmp_path))
    finally:
        lock.rmdir()
