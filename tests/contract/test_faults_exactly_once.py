"""Lost responses, concurrent writers and full disks: no duplicates and no lost data."""

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
    return socket_client.store(Project(name=f"exactly once {time.time_ns()}"))


@pytest.fixture
def make(project, tmp_path):
    """Functions that create equal new entities."""
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")
    return {
        "folder": lambda: Folder("box", parent=project),
        "file": lambda: File(str(path), parent=project),
    }


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_lost_response_to_a_create_causes_no_second_entity(
    proxied, socket_client, project, proxy, make, kind
):
    syn = proxied()
    proxy.fail("POST", CREATE, fault_proxy.lose_response)
    with pytest.raises(SynapseConnectionError, match="POST /entity"):
        syn.store(make[kind]())
    children = list(socket_client.getChildren(project))
    stored = syn.store(make[kind]())
    assert [child["id"] for child in children] == [stored.id]
    assert [child["id"] for child in socket_client.getChildren(project)] == [stored.id]


def test_create_is_retried_after_a_503(proxied, socket_client, project, proxy, make):
    proxy.fail("POST", CREATE, fault_proxy.respond(503), times=2)
    proxied().store(make["folder"]())
    assert [each["name"] for each in socket_client.getChildren(project)] == ["box"]


def test_create_is_not_retried_after_a_500(proxied, proxy, make):
    proxy.fail("POST", CREATE, fault_proxy.respond(500))
    with pytest.raises(SynapseServerError, match="500"):
        proxied().store(make["folder"]())
    assert proxy.count("POST", CREATE) == 1


def test_update_after_a_lost_response_is_applied_once(proxied, project, proxy, make):
    syn = proxied()
    file = syn.store(make["file"]())
    file.versionComment = "second"
    proxy.fail("PUT", f"/entity/{file.id}", fault_proxy.lose_response)
    with pytest.raises(SynapseStaleError):
        syn.store(file)
    assert syn.get(file.id, downloadFile=False).versionNumber == 2


def test_second_writer_with_the_same_etag_gets_an_error(proxied, tmp_path, project):
    first, second = proxied(), proxied(cache_root_dir=str(tmp_path / "other"))
    mine, theirs = first.get(project.id), second.get(project.id)
    mine.name, theirs.name = f"{project.name} mine", f"{project.name} theirs"
    first.store(mine)
    with pytest.raises(SynapseStaleError, match="412"):
        second.store(theirs)
    assert first.get(project.id).name == f"{project.name} mine"


@pytest.mark.parametrize(("size", "limit"), [(17 * MiB, 10 * MiB), (300_000, 200_000)])
def test_full_disk_during_a_download_raises(
    socket_service, socket_client, project, tmp_path, size, limit
):
    """A limit of the file size has the same effect as a full disk."""
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
