"""A network that fails on demand, between clients and the service."""

import pytest
from contract.faults import faulty_proxy


@pytest.fixture
def proxy(socket_service):
    """A proxy in front of the service; what is told to go wrong must have gone wrong."""
    with faulty_proxy(socket_service) as proxy:
        yield proxy
        assert proxy.exhausted, "what should go wrong did not"


@pytest.fixture
def proxied(socket_service, proxy, tmp_path):
    """Make clients of alice that speak through the proxy."""
    made = []

    def make(**options):
        settings = {
            **proxy.endpoints(socket_service.endpoints),
            "cache_root_dir": str(tmp_path / "cache"),
            "timeout": (5.0, 10.0),
        }
        made.append(socket_service.client("alice", **(settings | options)))
        return made[-1]

    yield make
    for syn in made:
        syn.close()
