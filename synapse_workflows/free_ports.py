"""Free TCP ports of the loopback interface, for servers that start later."""

import secrets
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
#: Linux, macOS and Windows choose none of these ports for connections and for servers on port 0.
_PORTS: Final = range(10_000, 32_768)


def find_free_port() -> int:
    """Return a free TCP port of the loopback interface; see `find_free_ports`."""
    return find_free_ports(1)[0]


def find_free_ports(count: int) -> list[int]:
    """Return different free TCP ports of the loopback interface.

    They stay free until a server listens on them, unless another process asks for the same
    number: the operating system chooses none of them by itself.
    """
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(_PORTS)
        if port not in found and is_free_port(port):
            found.append(port)
    return found


def is_free_port(port: int) -> bool:
    """Return whether no process listens on a TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
