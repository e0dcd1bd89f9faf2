"""Free TCP ports for servers that start later."""

import socket
from pathlib import Path

import pytest

from synapse_workflows import free_ports
from synapse_workflows.free_ports import find_free_ports, is_free_port


def test_ports_are_different_and_used_for_no_connections():
    ports = find_free_ports(100)
    assert len(set(ports)) == 100
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(limits.read_text().split()[0]) if limits.exists() else 49_152
    assert max(ports) < max(first, 32_768)
    assert min(ports) >= 10_000


def test_ports_in_use_are_not_found(monkeypatch):
    free, busy = find_free_ports(2)
    monkeypatch.setattr(free_ports, "_PORTS", (busy, free))
    with socket.create_server(("127.0.0.1", busy)):
        assert not is_free_port(busy)
        assert find_free_ports(1) == [free]
    assert is_free_port(busy)


@pytest.mark.parametrize("count", [0, 1, 8])
def test_number_of_ports(count):
    assert len(find_free_ports(count)) == count
