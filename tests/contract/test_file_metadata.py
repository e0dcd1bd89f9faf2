"""Changes of the names and the content type of real files."""

from pathlib import Path

import pytest

from synapse_workflows import File
from synapse_workflows.client.errors import SynapseConflictError, SynapseForbiddenError


@pytest.fixture
def syn(socket_client):
    """A client of alice over a socket."""
    return socket_client


@pytest.fixture
def service(socket_service):
    """The service over a socket only."""
    return socket_service


@pytest.fixture
def file(syn, folder, make_file):
    return syn.store(File(str(make_file("data.txt")), parent=folder, note="kept"))


def test_names_and_content_type_are_changed(syn, file, tmp_path):
    changed = syn.change_file_metadata(
        file, download_name="table.csv", content_type="text/csv", name="other"
    )
    assert (changed.name, changed.versionNumber, changed.note) == ("other", 2, ["kept"])
    assert (changed.contentType, changed.md5) == ("text/csv", file.md5)
    found = syn.get(file.id, downloadLocation=str(tmp_path / "download"))
    assert Path(found.path).name == "table.csv"
    assert Path(found.path).read_bytes() == Path(file.path).read_bytes()
    again = syn.change_file_metadata(file.id, download_name="table.csv", name="other")
    assert again.etag == changed.etag


def test_current_version_is_changed(syn, file):
    changed = syn.change_file_metadata(file, content_type="text/csv", force_version=False)
    assert (changed.versionNumber, changed.contentType) == (1, "text/csv")


def test_parallel_changes_are_all_made(syn, file, in_parallel):
    names = [f"name{index}.txt" for index in range(4)]
    changed = in_parallel(
        lambda client, index: client.change_file_metadata(file.id, download_name=names[index]), 4
    )
    # a change that is repeated deletes its version, whose number is not used again
    versions = syn.restGET(f"/entity/{file.id}/version")["results"]
    stored = sorted(one["versionNumber"] for one in versions)
    assert stored == [1, *sorted(one.versionNumber for one in changed)]
    assert sorted(one._file_handle["fileName"] for one in changed) == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"download_name": ""}, "Invalid download_name '': expected text"),
        ({"download_name": "../data.txt"}, "Invalid download_name '../data.txt': .* without / "),
        ({"download_name": 5}, "Invalid download_name 5"),
        ({"content_type": " "}, "Invalid content_type ' '"),
        ({"content_type": "text/csv\nX: y"}, "Invalid content_type .* in one line"),
        ({"name": 5}, "Invalid name 5 of the file: it is not a string"),
    ],
)
def test_invalid_names_and_content_types(syn, options, message):
    with pytest.raises(ValueError, match=message):
        syn.change_file_metadata("syn1", **options)


def test_changes_that_are_refused(syn, bob, project, folder, file, make_file):
    other = syn.store(File(str(make_file("other.txt")), parent=folder))
    with pytest.raises(SynapseConflictError):
        syn.change_file_metadata(file, name=other.name)
    with pytest.raises(ValueError, match="it is a folder"):
        syn.change_file_metadata(folder, name="x")
    with pytest.raises(ValueError, match="only the current version of a file can be changed"):
        syn.change_file_metadata(f"{file.id}.1", name="x")
    syn.setPermissions(project, bob.getUserProfile()["ownerId"], ["READ"])
    with pytest.raises(SynapseForbiddenError, match="No permission to download"):
        bob.change_file_metadata(file.id, content_type="text/csv")
    assert syn.get(file.id, downloadFile=False).versionNumber == 1
