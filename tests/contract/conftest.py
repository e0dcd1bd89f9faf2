"""Things to store, and what went over the wire to store them."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

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
