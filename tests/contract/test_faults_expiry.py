"""Pre-signed URLs that the service itself takes for expired while bytes move."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import fault_proxy
from support.fault_proxy import DOWNLOADS, UPLOADS, faulty_proxy

from synapse_workflows import File, Project
from synapse_workflows.testing import over_socket

MiB = 1024 * 1024


class Clock:
    """A clock that can be set forward."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def jump(self) -> None:
        self.ahead += timedelta(hours=1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def life():
    """Seconds that a download URL lives: as on the real service, unless a test says less."""
    return 30


@pytest.fixture
def service(tmp_path, clock, life):
    with over_socket(tmp_path / "service", clock=clock, download_url_seconds=life) as service:
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


def test_upload_urls_that_expired_are_asked_for_again(syn, proxy, clock, big):
    proxy.fail("PUT", UPLOADS, fault_proxy.first(clock.jump), skip=1)
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    assert proxy.count("POST", "/presigned/url/batch") == 2
    assert proxy.count("PUT", UPLOADS) == 4
    syn.cache.remove(file.dataFileHandleId)
    assert Path(syn.get(file.id).path).read_bytes() == big.read_bytes()


def test_a_download_url_that_expired_is_asked_for_again(syn, proxy, clock, big):
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    syn.cache.remove(file.dataFileHandleId)
    proxy.fail("GET", DOWNLOADS, fault_proxy.first(clock.jump), skip=1)
    assert Path(syn.get(file.id).path).read_bytes() == big.read_bytes()
    assert proxy.count("POST", "/fileHandle/batch") == 2
    assert proxy.count("GET", DOWNLOADS) == 4


@pytest.mark.parametrize("life", [1])
def test_a_download_url_about_to_expire_is_not_used(syn, proxy, big):
    file = syn.store(File(str(big), parent=syn.store(Project(name="expiry"))))
    syn.cache.remove(file.dataFileHandleId)
    proxy.fail("GET", DOWNLOADS, fault_proxy.first(lambda: time.sleep(0.8)))
    assert Path(syn.get(file.id).path).read_bytes() == big.read_bytes()
    assert proxy.count("POST", "/fileHandle/batch") >= 2
