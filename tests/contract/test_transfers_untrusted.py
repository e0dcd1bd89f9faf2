"""Files of other users and of other services, and caches that cannot be used."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synapse_workflows import Column, File, Project, Schema, Table
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseDownloadError,
    SynapseForbiddenError,
)
from synapse_workflows.constants import FILE
from synapse_workflows.testing import in_process


@pytest.fixture
def two_services(tmp_path):
    """Clients of two services that share one cache, and the project of each."""
    cache = str(tmp_path / "shared cache")
    with in_process(tmp_path / "one") as one, in_process(tmp_path / "two") as two:
        clients = [service.client("alice", cache_root_dir=cache) for service in (one, two)]
        yield [(syn, syn.store(Project("shared"))) for syn in clients]
        for syn in clients:
            syn.close()


@pytest.fixture
def shared(bob, syn, project):
    """A project of alice that bob may change; both caches are shared by the clients."""
    owner = bob.getUserProfile()["ownerId"]
    syn.setPermissions(project, owner, ["READ", "DOWNLOAD", "CREATE", "UPDATE"])
    return project


def link_to(syn, location, parent):
    """Store a file entity whose content is external; return its ID."""
    handle = syn.uploadFileHandle(str(location), parent, synapseStore=False)
    body = {"concreteType": FILE, "parentId": parent.id, "dataFileHandleId": handle["id"]}
    return syn.restPOST("/entity", body=json.dumps(body))["id"]


def test_one_cache_with_two_services(two_services, tmp_path):
    found = []
    for number, (syn, project) in enumerate(two_services):
        path = tmp_path / str(number) / "data.txt"
        path.parent.mkdir()
        path.write_text(f"content of service {number}")
        stored = syn.store(File(str(path), parent=project))
        path.unlink()
        found.append((syn, stored.id, stored.dataFileHandleId, path.parent))
    assert found[0][2] == found[1][2]  # both services use the same IDs
    for _ in range(2):
        for number, (syn, entity, _, directory) in enumerate(found):
            expected = f"content of service {number}"
            assert Path(syn.get(entity).path).read_text() == expected
            copy = syn.get(entity, downloadLocation=str(directory / "copy")).path
            assert Path(copy).read_text() == expected


def test_queries_of_two_services_with_one_cache(two_services):
    tables = []
    for number, (syn, project) in enumerate(two_services):
        columns = [Column(name="n", columnType="INTEGER")]
        rows = [[100 + number]]
        tables.append((syn, syn.store(Table(Schema("t", columns, parent=project), rows)).tableId))
    for _ in range(2):
        for number, (syn, table) in enumerate(tables):
            rows = list(syn.tableQuery(f"select n from {table}"))
            assert [row[-1] for row in rows] == [100 + number]


@pytest.mark.parametrize("name", [".cacheMap", ".cacheMap.lock", ".cacheMap.1.tmp", "NUL"])
def test_name_of_a_shared_file_does_no_harm_to_the_cache(syn, folder, tmp_path, name):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    poisoned = f'{{"{secret}": "2000-01-01T00:00:00.000Z"}}'
    path = tmp_path / name
    path.write_text(poisoned)
    stored = syn.store(File(str(path), parent=folder))
    path.unlink()
    for _ in range(2):
        found = syn.get(stored.id)
        assert found.name == name
        assert Path(found.path).name == f"_{name}"
        assert Path(found.path).read_text() == poisoned
    assert syn.cache.get(stored.dataFileHandleId) == found.path


def test_local_file_in_a_handle_of_another_user_is_refused(syn, bob, shared):
    for location in ("/proc/self/environ", "/etc/hostname", "file://localhost/etc/passwd"):
        entity = link_to(bob, location, shared)
        with pytest.raises(SynapseDownloadError, match="Refused to read file:"):
            syn.get(entity)
        assert syn.get(entity, downloadFile=False).path is None


def test_local_file_in_an_own_handle_is_used(syn, shared, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("mine")
    entity = link_to(syn, path, shared)
    syn.cache.remove(syn.get(entity, downloadFile=False).dataFileHandleId)
    assert syn.get(entity).path == str(path)


def test_id_wins_over_a_local_file_of_the_same_name(syn, folder, make_file, tmp_path, monkeypatch):
    stored = syn.store(File(str(make_file()), parent=folder))
    (tmp_path / stored.id).write_text("a file of another user")
    monkeypatch.chdir(tmp_path)
    assert syn.get(stored.id, downloadFile=False).id == stored.id
    with pytest.raises(FileNotFoundError, match="not found in Synapse"):
        syn.get(f"./{stored.id}")


def test_user_name_in_the_configuration_must_own_the_token(service, client_of, tmp_path):
    config = tmp_path / "config"
    text = f"[authentication]\nusername = {{}}\nauthtoken = {service.token('alice')}\n"
    syn = client_of(None, configPath=str(config))
    config.write_text(text.format("bob"))
    syn = client_of(None, configPath=str(config))
    with pytest.raises(SynapseAuthenticationError, match="belongs to alice, not to bob"):
        syn.login(silent=True)
    assert syn.credentials is None
    config.write_text(text.format("alice"))
    syn = client_of(None, configPath=str(config))
    syn.login(silent=True)
    assert syn.username == "alice"


@pytest.mark.parametrize("result_format", ["csv", "rowset"])
def test_table_query_needs_the_download_scope(client_of, syn, project, result_format):
    columns = [Column(name="n", columnType="INTEGER")]
    table = syn.store(Table(Schema("scopes", columns, parent=project), [[1]])).tableId
    body = json.dumps({"name": f"view only {os.urandom(4).hex()}", "scope": ["view"]})
    token = syn.restPOST("/personalAccessToken", body=body, endpoint=syn.authEndpoint)["token"]
    viewer = client_of(None)
    viewer.login(authToken=token, silent=True)
    assert viewer.get(table).id == table
    with pytest.raises(SynapseForbiddenError, match="scope"):
        viewer.tableQuery(f"select n from {table}", resultsAs=result_format)


def test_cache_that_is_deleted_while_it_is_used(syn, folder, make_file, tmp_path):
    for number in range(3):
        stored = syn.store(File(str(make_file(f"{number}.txt")), parent=folder))
        syn.cache.remove(stored.dataFileHandleId)
        path = syn.get(stored.id).path
        assert Path(path).is_relative_to(syn.cache.cache_root_dir)
        assert Path(path).exists()
        shutil.rmtree(syn.cache.cache_root_dir)
    assert syn.get(stored.id, downloadLocation=str(tmp_path / "here")).path


@pytest.mark.parametrize("kind", ["file", "proc"])
def test_cache_that_cannot_be_written(client_of, folder, make_file, tmp_path, kind):
    (tmp_path / "file").write_text("not a directory")
    root = {"file": str(tmp_path / "file" / "cache"), "proc": "/proc/cache"}[kind]
    syn = client_of("alice", cache_root_dir=root)
    path = make_file()
    stored = syn.store(File(str(path), parent=folder))
    found = syn.get(stored.id, downloadLocation=str(tmp_path / "here"))
    assert Path(found.path).read_text() == path.read_text()
    with pytest.raises(SynapseDownloadError, match="another download location or cache"):
        syn.get(stored.id)


FULL_DISK = """
import resource, sys
from synapse_workflows import Synapse
*endpoints, cache, token, entity, target = sys.argv[1:]
syn = Synapse(*endpoints, skip_checks=True, silent=True, configPath="none", cache_root_dir=cache)
syn.login(authToken=token, silent=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
syn.get(entity, downloadLocation=target or None)
"""


@pytest.mark.parametrize("target", ["cache", "directory"])
def test_full_disk_leaves_no_files(socket_service, socket_client, tmp_path, target):
    project = socket_client.store(Project(f"full {os.urandom(4).hex()}"))
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(100_000))
    stored = socket_client.store(File(str(path), parent=project))
    place = tmp_path / "place"
    cache = place if target == "cache" else tmp_path / "other cache"
    directory = "" if target == "cache" else str(place)
    arguments = [*socket_service.endpoints.values(), str(cache), socket_service.token("alice")]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments, stored.id, directory],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SynapseDownloadError: Not enough disk space" in done.stderr
    left = [each for each in place.rglob("*") if each.is_file() and each.suffix != ".lock"]
    assert left == []
