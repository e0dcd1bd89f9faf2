"""Pre-signed URLs that expire during a transfer."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import fault_proxy
from support.fault_proxy import DOWNLOADS, UPLOADS, faulty_proxy

from synapse_workflows import File, Project
from synapse_workflows.client.transfer.download_request import (
    DownloadRequest,
    request_download_url,
)
from synapse_workflows.client.transfer.range_reader import RangeReader
from synapse_workflows.testing import over_socket

MiB = 1024 * 1024


class Clock:
    """Clock that can be set forward."""

    offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def jump(self) -> None:
        self.offset += timedelta(hours=1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def validity():
    """Validity of download URLs in seconds; 30 on the real service."""
    return 30


@pytest.fixture
def service(tmp_path, clock, validity):
    with over_socket(tmp_path / "service", clock=clock, download_url_seconds=validity) as service:
        yield service


@pytest.fixture
def proxy(service):
    with faulty_proxy(service) as proxy:
        yield proxy
        assert proxy.exhausted


@pytest.fixture
def syn(service, proxy, tmp_path):
    options = {**proxy.endpoints(service.endpoints), "cache_root_dir": str(tmp_path / "cache")}
    with service.client("alice", **options) as syn:
        syn.max_threads = 1
        yield syn


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(17 * MiB))
    return path


def test_expired_upload_urls_are_renewed(syn, proxy, clock, big):
    proxy.fail("PUT", UPLOADS, fault_proxy.call_first(clock.jump), skip=1)
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    assert proxy.count("POST", "/presigned/url/batch") == 2
    assert proxy.count("PUT", UPLOADS) == 4
    syn.cache.remove(file.dataFileHandleId)
    assert Path(syn.get(file.id).path).read_bytes() == big.read_bytes()


def test_expired_download_url_is_renewed(syn, proxy, clock, big):
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    syn.cache.remove(file.dataFileHandleId)
    proxy.fail("GET", DOWNLOADS, fault_proxy.call_first(clock.jump), skip=1)
    assert Path(syn.get(file.id).path).read_bytes() == big.read_bytes()
    assert proxy.count("POST", "/fileHandle/batch") == 2
    assert proxy.count("GET", DOWNLOADS) == 4


@pytest.mark.parametrize("validity", [1])
def test_download_url_about_to_expire_is_renewed(syn, proxy, big):
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    syn.cache.remove(file.dataFileHandleId)
    proxy.fail("GET", DOWNLOADS, fault_proxy.call_first(lambda: time.sleep(0.8)))
    assert Path(syn.get(file.id).path).read_bytes() == big.read_bytes()
    assert proxy.count("POST", "/fileHandle/batch") >= 2


def test_ranges_are_read_with_renewed_urls(syn, proxy, clock, big):
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    handle = {"id": file.dataFileHandleId}
    request = DownloadRequest(handle, "FileEntity", file.id, None, None)
    reader = RangeReader(syn, request, request_download_url(syn, request))
    content = big.read_bytes()
    assert reader.read(5, 5 + 3 * MiB) == content[5 : 5 + 3 * MiB]
    clock.jump()
    proxy.fail("GET", DOWNLOADS, fault_proxy.cut_download(1000), skip=1)
    assert reader.read(16 * MiB, 17 * MiB) == content[16 * MiB :]
    assert proxy.count("POST", "/fileHandle/batch") == 2
