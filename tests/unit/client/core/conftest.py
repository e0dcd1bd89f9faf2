"""Fixtures: an empty home directory, clients with quick retries, and a faulty server."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import keyring
import pytest
import responses
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.synapse import Synapse

REPO = "https://repo.example.org/repo/v1"
QUICK = RetryPolicy(attempts=4, total=5, wait=0.001, max_wait=0.002)


class MemoryKeyring(KeyringBackend):
    """Keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.passwords = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        try:
            del self.passwords[service, username]
        except KeyError:
            raise PasswordDeleteError("none") from None


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home directory, without environment variables of Synapse."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AUTH_TOKEN", "PROFILE", "TOKEN_AWS_SSM_PARAMETER_NAME"):
        monkeypatch.delenv(f"SYNAPSE_{name}", raising=False)
    return tmp_path


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """Mock of the responses of a Synapse at REPO."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def make(home) -> Iterator[Callable[..., Synapse]]:
    clients = []

    def client(token: str | None = None, repo: str = REPO, **settings) -> Synapse:
        settings = {"skip_checks": True, "retry": QUICK, **settings}
        syn = Synapse(repo, repo.replace("repo/v1", "auth/v1"), repo, "https://www.x/", **settings)
        syn.credentials = Token(token, "alice") if token else None
        clients.append(syn)
        return syn

    yield client
    for syn in clients:
        syn.close()


@pytest.fixture
def syn(make) -> Synapse:
    return make("secret-token-of-alice")


@pytest.fixture
def faulty_server():
    """Server on loopback that handles each connection with the next of some functions."""
    servers = []

    def serve(*handlers: Callable[[socket.socket], None]) -> tuple[str, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        received: list[bytes] = []

        def work() -> None:
            for handle in handlers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    received.append(read_request(connection))
                    with suppress(OSError):
                        handle(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        servers.append((listener, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/repo/v1", received

    yield serve
    for listener, thread in servers:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
