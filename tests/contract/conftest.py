"""Fixtures of the contract tests: entities to work on, recorded calls and a faulty network."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from support.fault_proxy import faulty_proxy

from synapse_workflows import Folder, Project

PREFIXES = {"/repo/v1": "", "/file/v1": "file:", "/auth/v1": "auth:"}


def format_exchange(method: str, path: str, status: int) -> str:
    """Return an exchange as `METHOD path status`, with a short prefix for the service."""
    for base, prefix in PREFIXES.items():
        path = path.replace(base, prefix, 1) if path.startswith(base) else path
    return f"{method} {path} {status}"


@pytest.fixture
def project(syn):
    """A new project of alice."""
    return syn.store(Project(f"project {uuid4()}"))


@pytest.fixture
def folder(syn, project):
    """A folder in that project."""
    return syn.store(Folder("data", parent=project))


@pytest.fixture
def make_file(tmp_path) -> Callable[..., Path]:
    """Return a function that writes a file, by default with unique content."""

    def make(name: str = "data.txt", content: str | None = None) -> Path:
        path = tmp_path / name
        path.write_text(f"{uuid4()}\n" if content is None else content)
        return path

    return make


@pytest.fixture
def in_parallel(client_of):
    """Run a function in parallel, with another client of alice for each call; return results."""

    def run(function, count=16):
        clients = [client_of("alice") for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(function, clients, range(count)))

    return run


@pytest.fixture
def events(syn):
    """Lineage events of alice's client, in order."""
    received = []
    syn.subscribe(received.append)
    return received


@pytest.fixture
def verbose_client(client_of):
    """A client of alice that logs to its logger."""
    return client_of("alice", silent=False)


@pytest.fixture
def log_messages(verbose_client):
    """Messages logged by `verbose_client`, in order."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    verbose_client.logger.addHandler(handler)
    yield messages
    verbose_client.logger.removeHandler(handler)


@pytest.fixture
def in_process_client(in_process_service, tmp_path):
    """A client of alice without a socket: each call is recorded before it returns."""
    cache = str(tmp_path / "in-process-cache")
    with in_process_service.client("alice", cache_root_dir=cache) as syn:
        yield syn


@pytest.fixture
def calls(in_process_client, recorders):
    """Return a function that lists the calls since its last use, as `METHOD path status`."""
    seen = {id(recorder): len(recorder.exchanges) for recorder in recorders}

    def since() -> list[str]:
        new = []
        for recorder in recorders:
            start = seen.get(id(recorder), 0)
            new += [format_exchange(*exchange) for exchange in recorder.exchanges[start:]]
            seen[id(recorder)] = len(recorder.exchanges)
        return new

    return since


@pytest.fixture
def proxy(socket_service):
    """A proxy in front of the service; fails the test if a planned fault did not occur."""
    with faulty_proxy(socket_service) as proxy:
        yield proxy
        assert proxy.exhausted, "a planned fault did not occur"


@pytest.fixture
def proxied(socket_service, proxy, tmp_path):
    """Return a function that creates clients of alice whose requests go through the proxy."""
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
