"""Restart of the service during a download."""

import os

import pytest
from support import fault_proxy
from support.fault_proxy import DOWNLOADS, faulty_proxy

from synapse_workflows import File, Project
from synapse_workflows.local.server import LocalService
from synapse_workflows.testing import SynapseService

MiB = 1024 * 1024


@pytest.mark.parametrize("size", [17 * MiB, 300_000])
def test_download_continues_after_the_service_restarted(tmp_path, size):
    source, here = tmp_path / "data.bin", tmp_path / "here"
    source.write_bytes(os.urandom(size))
    data_dir, running = tmp_path / "service", []

    def start() -> LocalService:
        running.append(LocalService(data_dir).__enter__())
        return running[-1]

    def stop(exchange) -> None:
        running.pop().__exit__(None, None, None)
        exchange.disconnect()

    def restart() -> None:
        proxy.upstream = start().base_url

    try:
        service = SynapseService(start().describe(), tmp_path)
        with service.client() as direct:
            file = direct.store(File(str(source), parent=direct.store(Project("restart"))))
        with faulty_proxy(service) as proxy:
            skip = 1 if size > MiB else 0
            proxy.fail("GET", DOWNLOADS, stop, skip=skip)
            proxy.fail("GET", DOWNLOADS, fault_proxy.call_first(restart), skip=skip + 1)
            options = proxy.endpoints(service.endpoints) | {"cache_root_dir": str(tmp_path / "c")}
            with service.client(**options) as syn:
                syn.max_threads = 1
                found = syn.get(file.id, downloadLocation=str(here))
            assert proxy.exhausted
    finally:
        for each in running:
            each.__exit__(None, None, None)
    assert (here / "data.bin").read_bytes() == source.read_bytes()
    assert found.path == str(here / "data.bin")
    assert [path.name for path in here.iterdir()] == ["data.bin"]
