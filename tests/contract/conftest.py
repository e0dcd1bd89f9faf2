"""Things to store, what went over the wire for them, and a network that fails on demand."""

import logging
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from support.fault_proxy import faulty_proxy

from synapse_workflows import Folder, Project

PREFIXES = {"/repo/v1": "", "/file/v1": "file:", "/auth/v1": "auth:"}


def shortened(method: str, path: str, status: int) -> str:
    for base, prefix in PREFIXES.items():
        path = path.replace(base, prefix, 1) if path.startswith(base) else path
    return f"{method} {path} {status}"


@pytest.fixture
def project(syn):
    """A project of alice's own."""
    return syn.store(Project(f"project {uuid4()}"))


@pytest.fixture
def folder(syn, project):
    """A folder in that project."""
    return syn.store(Folder("data", parent=project))


@pytest.fixture
def make_file(tmp_path) -> Callable[..., Path]:
    """Write a file with content that nobody stored before."""

    def make(name: str = "data.txt", content: str | None = None) -> Path:
        path = tmp_path / name
        path.write_text(f"{uuid4()}\n" if content is None else content)
        return path

    return make


@pytest.fixture
def heard(syn):
    """What alice's client announces, in order."""
    events = []
    syn.subscribe(events.append)
    return events


@pytest.fixture
def loud(client_of):
    """A client of alice that logs what it has to say."""
    return client_of("alice", silent=False)


@pytest.fixture
def said(loud):
    """What that client said, in order, and nobody else."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    loud.logger.addHandler(handler)
    yield messages
    loud.logger.removeHandler(handler)


@pytest.fixture
def quiet(in_process_service, tmp_path):
    """A client of alice without a socket, so that every call is noted when it returns."""
    with in_process_service.client("alice", cache_root_dir=str(tmp_path / "quiet")) as syn:
        yield syn


@pytest.fixture
def calls(quiet, recorders):
    """The calls since this was last asked, as `traces.md` writes them."""
    seen = {id(recorder): len(recorder.exchanges) for recorder in recorders}

    def since() -> list[str]:
        new = []
        for recorder in recorders:
            start = seen.get(id(recorder), 0)
            new += [shortened(*exchange) for exchange in recorder.exchanges[start:]]
            seen[id(recorder)] = len(recorder.exchanges)
        return new

    return since


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
