"""Answers that get lost, writers that race, disks that are full: nothing twice, nothing lost."""

import os
import subprocess
import sys
import time

import pytest
from support import fault_proxy

from synapse_workflows import File, Folder, Project
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseServerError,
    SynapseStaleError,
)

MiB = 1024 * 1024
CREATE = "/repo/v1/entity$"

FULL_DISK = """
import resource, sys
from synapse_workflows import Synapse
*endpoints, cache, token, entity, place, limit = sys.argv[1:]
syn = Synapse(*endpoints, skip_checks=True, silent=True, configPath="none", cache_root_dir=cache)
syn.login(authToken=token, silent=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    syn.get(entity, downloadLocation=place)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(name=f"once {time.time_ns()}"))


@pytest.fixture
def make(project, tmp_path):
    """Describe the same new entity again and again."""
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")
    return {
        "folder": lambda: Folder("box", parent=project),
        "file": lambda: File(str(path), parent=project),
    }


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_create_whose_answer_is_lost_makes_no_second_entity(
    proxied, socket_client, project, proxy, make, kind
):
    syn = proxied()
    proxy.fail("POST", CREATE, fault_proxy.lose_answer)
    with pytest.raises(SynapseConnectionError, match="POST /entity"):
        syn.store(make[kind]())
    made = list(socket_client.getChildren(project))
    again = syn.store(make[kind]())
    assert [child["id"] for child in made] == [again.id]
    assert [child["id"] for child in socket_client.getChildren(project)] == [again.id]


def test_a_create_that_was_refused_is_made_once_it_is_taken(
    proxied, socket_client, project, proxy, make
):
    proxy.fail("POST", CREATE, fault_proxy.answer(503), times=2)
    proxied().store(make["folder"]())
    assert [each["name"] for each in socket_client.getChildren(project)] == ["box"]


def test_a_create_that_may_have_happened_is_not_repeated(proxied, proxy, make):
    proxy.fail("POST", CREATE, fault_proxy.answer(500))
    with pytest.raises(SynapseServerError, match="500"):
        proxied().store(make["folder"]())
    assert proxy.count("POST", CREATE) == 1


def test_an_update_whose_answer_is_lost_is_not_made_twice(proxied, project, proxy, make):
    syn = proxied()
    file = syn.store(make["file"]())
    file.versionComment = "second"
    proxy.fail("PUT", f"/entity/{file.id}", fault_proxy.lose_answer)
    with pytest.raises(SynapseStaleError):
        syn.store(file)
    assert syn.get(file.id, downloadFile=False).versionNumber == 2


def test_of_two_writers_with_one_etag_the_second_is_told(proxied, tmp_path, project):
    first, second = proxied(), proxied(cache_root_dir=str(tmp_path / "other"))
    mine, theirs = first.get(project.id), second.get(project.id)
    mine.name, theirs.name = f"{project.name} mine", f"{project.name} theirs"
    first.store(mine)
    with pytest.raises(SynapseStaleError, match="412"):
        second.store(theirs)
    assert first.get(project.id).name == f"{project.name} mine"


@pytest.mark.parametrize(("size", "limit"), [(17 * MiB, 10 * MiB), (300_000, 200_000)])
def test_a_disk_that_is_full_while_downloading(
    socket_service, socket_client, project, tmp_path, size, limit
):
    """A process may write no file above a limit: to it, the disk is full there."""
    source, here = tmp_path / "data.bin", tmp_path / "here"
    source.write_bytes(os.urandom(size))
    file = socket_client.store(File(str(source), parent=project))
    arguments = [
        *socket_service.endpoints.values(),
        tmp_path / "cache of another process",
        socket_service.token("alice"),
        file.id,
        here,
        limit,
    ]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(
        f"SynapseDownloadError Not enough disk space for {here}/data.bin"
    )
    assert "are free in" in done.stdout
    assert list(here.iterdir()) == []
