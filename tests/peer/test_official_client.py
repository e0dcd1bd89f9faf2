"""The official client works with the service, and both clients read the same."""

import hashlib
import random
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Activity, File, Folder, Project

SIZE = 30 * 2**20 + 7


@pytest.fixture(scope="module")
def big_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("big") / "reads.bin"
    path.write_bytes(random.Random(1).randbytes(SIZE))  # noqa: S311 - not a secret
    return path


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "source.csv"
    path.write_text(f"gene,count\nTP53,12\n{uuid4()},1\n")
    return path


@pytest.fixture
def folder(socket_client):
    project = socket_client.store(Project(f"peer {uuid4()}"))
    return socket_client.store(Folder("shared", parent=project))


def md5(path) -> str:
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def test_login_with_the_configuration_that_the_service_prints(official, socket_service):
    me = official("login")
    assert me == {"userName": "alice", "ownerId": socket_service.owner_id("alice")}


def test_creating_a_folder_twice_returns_the_same_folder(official):
    made = official("create", name=f"official {uuid4()}")
    assert made["project"].startswith("syn")
    assert made["again"] == made["folder"]


def test_large_file_with_annotations_and_provenance(
    official, big_file, source, folder, socket_client, tmp_path
):
    """Multipart upload by the official client, download by both; both read the same Activity."""
    stored = official(
        "store_with_provenance", parent=folder.id, path=str(big_file), source=str(source)
    )
    assert (stored["md5"], stored["size"]) == (md5(big_file), SIZE)
    assert stored["activity"]["used"] == [stored["source"]]
    assert stored["activity"]["executed"] == [
        ["https://github.com/example/aligner/blob/abc", "aligner"]
    ]

    elsewhere = official("get", id=stored["id"], directory=str(tmp_path / "elsewhere"))
    assert elsewhere["md5"] == md5(big_file)
    assert elsewhere["annotations"] == {
        "assay": ["rnaSeq"],
        "replicates": [3],
        "score": [0.5],
        "public": [True],
    }

    ours = socket_client.get(stored["id"], downloadLocation=str(tmp_path / "ours"))
    assert md5(ours.path) == md5(big_file)
    assert (ours.assay, ours.replicates, ours.public) == (["rnaSeq"], [3], [True])
    activity = socket_client.getProvenance(stored["id"])
    assert (activity["name"], activity["id"]) == ("align", stored["activity"]["id"])


def test_new_versions_are_listed(official, source, folder, socket_client, tmp_path):
    first = socket_client.store(File(str(source), parent=folder))
    source.write_text("gene,count\nTP53,13\n")
    second = official("new_version", id=first.id, path=str(source), comment="recounted")
    assert second["version"] == 2
    assert [number for number, _ in second["history"]] == [2, 1]
    assert second["history"][0][1] == "recounted"
    old = official("get", id=first.id, version=1, directory=str(tmp_path / "old"))
    assert (old["version"], old["md5"]) == (1, first.md5)


def test_official_client_reads_provenance_of_this_client(
    official, source, folder, socket_client, tmp_path
):
    raw = socket_client.store(File(str(source), parent=folder))
    result = tmp_path / "result.txt"
    result.write_text(str(uuid4()))
    stored = socket_client.store(
        File(str(result), parent=folder),
        activity=Activity(
            name="count",
            description="by our client",
            used=[raw],
            executed=[("https://example.org/count.py")],
        ),
    )
    seen = official("get", id=stored.id, directory=str(tmp_path / "seen"))
    assert seen["activity"] | {"id": None} == {
        "id": None,
        "name": "count",
        "description": "by our client",
        "used": [[raw.id, 1]],
        "executed": [["https://example.org/count.py", "https://example.org/count.py"]],
    }


def test_children_are_listed(official, source, folder, socket_client):
    socket_client.store(File(str(source), parent=folder))
    socket_client.store(Folder("inner", parent=folder))
    seen = official("children", id=folder.id, name="inner")
    assert seen["legacy"] == ["inner", "source.csv"]
    assert (seen["files"], seen["folders"]) == (["source.csv"], ["inner"])
    assert seen["found"] == socket_client.findEntityId("inner", folder)
    assert seen["missing"] is None


def test_permissions_of_the_official_client_apply(official, folder, socket_service, socket_client):
    """Bob can read the shared folder only."""
    bob = socket_service.client("bob")
    with pytest.raises(PermissionError):
        bob.get(folder.id)
    shared = official("permissions", id=folder.id, principal=socket_service.owner_id("bob"))
    assert shared["acl"] == ["DOWNLOAD", "READ"]
    assert "CHANGE_PERMISSIONS" in shared["mine"]
    assert bob.get(folder.id).name == "shared"
    assert socket_client.getPermissions(folder, "bob") == ["READ", "DOWNLOAD"]


def test_functions_of_the_2_x_interface(official, source, folder, socket_client, tmp_path):
    raw = socket_client.store(File(str(source), parent=folder))
    other = tmp_path / "legacy.txt"
    other.write_text(str(uuid4()))
    stored = official(
        "legacy_store",
        path=str(other),
        parent=folder.id,
        used=raw.id,
        executed="https://example.org/legacy.py",
        directory=str(tmp_path / "back"),
    )
    assert stored["used"] == [
        ["https://example.org/legacy.py", "https://example.org/legacy.py"],
        [raw.id, 1],
    ]
    assert (stored["activityName"], stored["md5"]) == ("legacy", md5(other))
    assert stored["fruit"] == ["apple"]


def test_deleted_entities_are_not_found_by_this_client(official, source, socket_client):
    project = socket_client.store(Project(f"doomed {uuid4()}"))
    file = socket_client.store(File(str(source), parent=project))
    gone = official("delete", file=file.id, project=project.id)
    assert f"Entity {file.id} is in trash can." in gone["error"]
    with pytest.raises(FileNotFoundError, match="trash can"):
        socket_client.get(project.id)
