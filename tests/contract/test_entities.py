"""Tests of getting, deleting, moving, printing and opening entities."""

import json
import time
import webbrowser
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Entity, File, Folder, Link, Project
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseError,
    SynapseFileNotFoundError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseUnmetAccessRestrictions,
)


@pytest.fixture
def stored(syn, folder, make_file):
    """A file with two versions, which differ in content and annotations."""
    path = make_file(content=f"1st {uuid4()}")
    first = syn.store(File(str(path), parent=folder, colour="blue"))
    make_file(content=f"2nd {uuid4()}")
    first.colour = "red"
    return syn.store(first)


def test_get_accepts_id_entity_and_mapping(syn, stored):
    by_id = syn.get(stored.id, downloadFile=False)
    assert type(by_id) is File
    assert by_id.properties == stored.properties
    assert by_id.annotations == {"colour": ["red"]}
    for reference in (stored, {"id": stored.id}, int(stored.id[3:])):
        assert syn.get(reference, downloadFile=False).etag == by_id.etag


def test_get_returns_class_of_entity_type(syn, project, folder, stored):
    link = syn.store(Link(stored, parent=project))
    classes = [
        type(syn.get(one.id, downloadFile=False)) for one in (project, folder, stored, link)
    ]
    assert classes == [Project, Folder, File, Link]
    assert all(issubclass(one, Entity) for one in classes)


def test_get_finds_entity_by_name_and_parent(syn, project, folder):
    assert syn.get({"name": "data", "parentId": project.id}).id == folder.id
    assert syn.get({"name": project.name}).id == project.id
    with pytest.raises(SynapseFileNotFoundError, match=f"no entity named 'x' in {folder.id}"):
        syn.get({"name": "x", "parentId": folder.id})


def test_get_returns_requested_version(syn, stored):
    for old in (
        syn.get(stored.id, version=1),
        syn.get(f"{stored.id}.1"),
        syn.get(f"{stored.id}.2", version="1"),
    ):
        assert (old.versionNumber, old.colour) == (1, ["blue"])
        assert Path(old.path).read_text().startswith("1st")
    with pytest.raises(SynapseNotFoundError, match="404 POST"):
        syn.get(f"{stored.id}.9")


def test_get_downloads_to_cache_or_directory(client_of, stored, tmp_path):
    other = client_of("alice", cache_root_dir=str(tmp_path / "elsewhere"))
    cached = other.get(stored.id)
    assert Path(cached.path).read_text().startswith("2nd")
    assert cached.path.startswith(str(tmp_path / "elsewhere"))
    assert (cached.files, cached.cacheDir) == (["data.txt"], str(Path(cached.path).parent))
    in_directory = other.get(stored.id, downloadLocation=str(tmp_path / "chosen"))
    assert in_directory.path == str(tmp_path / "chosen" / "data.txt")
    assert in_directory.md5 == cached.md5 == stored.md5


def test_get_without_download_has_no_path(syn, stored):
    found = syn.get(stored.id, downloadFile=False)
    assert (found.path, found.cacheDir, found.files) == (None, None, [])
    assert (found.fileSize, found.contentType) == (40, "text/plain")


def test_get_applies_collision_policy(client_of, stored, tmp_path):
    other = client_of("alice", cache_root_dir=str(tmp_path / "elsewhere"))

    def get_with_policy(policy):
        directory = tmp_path / policy
        directory.mkdir()
        (directory / "data.txt").write_text("mine")
        path = other.get(stored.id, downloadLocation=str(directory), ifcollision=policy).path
        return path and str(Path(path).relative_to(directory)), (
            directory / "data.txt"
        ).read_text()[:4]

    assert get_with_policy("keep.local") == (None, "mine")
    assert get_with_policy("overwrite.local") == ("data.txt", "2nd ")
    assert get_with_policy("keep.both") == ("data(1).txt", "mine")


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"foo": 1}, TypeError, r"Unexpected \*\*kwargs: \{'foo': 1\}"),
        ({"ifcollision": "zzz"}, ValueError, '"zzz" is not a valid value for "ifcollision"'),
        ({"version": "v2"}, ValueError, "Invalid version number 'v2'"),
    ],
)
def test_get_rejects_invalid_keywords_before_any_request(
    in_process_client, calls, keywords, error, message
):
    with pytest.raises(error, match=message):
        in_process_client.get("syn1", **keywords)
    assert calls() == []


def test_get_rejects_what_is_no_download_directory(in_process_client, calls, make_file):
    for location in (b"data", 5, True):
        with pytest.raises(ValueError, match=f"Invalid downloadLocation {location!r}"):
            in_process_client.get("syn1", downloadLocation=location)
    with pytest.raises(ValueError, match="downloadLocation should be a directory"):
        in_process_client.get("syn1", downloadLocation=str(make_file()))
    assert calls() == []


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ("syn12abc", SynapseFileNotFoundError, "neither a local file path"),
        ("no/such/file", SynapseFileNotFoundError, "Pass an ID such as 'syn123'"),
        (Project("new"), ValueError, "Cannot retrieve entity that has not been saved"),
        ({"parentId": "syn1"}, ValueError, "has not been saved"),
        (None, ValueError, "couldn't find id of None"),
    ],
)
def test_get_rejects_invalid_argument_before_any_request(
    in_process_client, calls, argument, error, message
):
    with pytest.raises(error, match=message):
        in_process_client.get(argument)
    assert calls() == []


def test_get_reports_missing_and_forbidden_entity(syn, bob, folder):
    with pytest.raises(SynapseNotFoundError, match=r"404 POST .*\n.*trash can"):
        syn.get("syn999999999")
    with pytest.raises(SynapseForbiddenError, match="You lack READ access"):
        bob.get(folder.id)


def test_get_follows_link_on_request(syn, project, stored):
    link = syn.store(Link(stored, parent=project))
    pinned = syn.store(Link(stored, 1, parent=syn.store(Folder("pins", parent=project))))
    assert syn.get(link.id).linksTo == {"targetId": stored.id}
    assert syn.get(link.id, followLink=True).id == stored.id
    followed = syn.get(pinned, followLink=True)
    assert (followed.versionNumber, Path(followed.path).read_text()[:3]) == (1, "1st")


def test_get_finds_entity_by_content_of_local_file(syn, stored, tmp_path):
    copy = tmp_path / "copy of it.txt"
    copy.write_bytes(Path(stored.path).read_bytes())
    found = syn.get(str(copy), limitSearch=stored.parentId)
    assert (found.id, found.versionNumber, found.path) == (stored.id, 2, str(copy))
    assert syn.cache.contains(found.dataFileHandleId, copy)


def test_get_uses_first_of_several_matching_files_and_warns(
    verbose_client, log_messages, folder, stored
):
    other = verbose_client.store(File(stored.path, parent=folder, name="the same"))
    assert verbose_client.get(stored.path).id == stored.id
    assert f"{stored.id}.2, {other.id}.1" in log_messages[-1]


def test_get_reports_local_file_that_is_not_in_synapse(syn, make_file, stored):
    with pytest.raises(SynapseFileNotFoundError, match=r"new\.txt not found in Synapse"):
        syn.get(str(make_file("new.txt")))
    elsewhere = syn.store(Project(f"elsewhere {uuid4()}"))
    with pytest.raises(SynapseFileNotFoundError, match=f"in {elsewhere.id}"):
        syn.get(stored.path, limitSearch=elsewhere)


def test_get_without_download_access_returns_metadata_only(syn, bob, stored):
    syn.setPermissions(stored.id, bob.getUserProfile().ownerId, ["READ"], warn_if_inherits=False)
    found = bob.get(stored.id)
    assert (found.name, found.path, found.md5) == ("data.txt", None, None)


def test_get_of_restricted_content_raises(syn, folder, make_file):
    locked = syn.store(File(str(make_file()), parent=folder), isRestricted=True)
    with pytest.raises(SynapseUnmetAccessRestrictions, match=f"requirements on {locked.id}"):
        syn.get(locked.id)
    assert syn.get(locked.id, downloadFile=False).name == "data.txt"


def test_get_sends_one_bundle_request(in_process_client, calls, make_file):
    parent = in_process_client.store(Project(f"calls {uuid4()}"))
    file = in_process_client.store(File(str(make_file()), parent=parent))
    calls()
    in_process_client.get(file.id)
    assert calls() == [f"POST /entity/{file.id}/bundle2 200"]
    in_process_client.get(f"{file.id}.1", downloadFile=False)
    assert calls() == [f"POST /entity/{file.id}/version/1/bundle2 200"]
    in_process_client.get(file.path, limitSearch=parent)
    assert calls() == [
        f"GET /entity/md5/{file.md5} 200",
        f"GET /entity/{file.id}/path 200",
        f"POST /entity/{file.id}/version/1/bundle2 200",
    ]


def test_get_emits_read_event_with_actual_version(syn, project, stored, events):
    syn.get(stored.id)
    syn.get(f"{stored.id}.1")
    link = syn.store(Link(stored, parent=project))
    events.clear()
    syn.get(stored.id)
    syn.get(f"{stored.id}.1", downloadFile=False)
    syn.get(link.id, followLink=True)
    syn.get(project.id)
    file = ("data.txt", stored.concreteType, "get")
    assert events == [
        Read(stored.id, 2, *file),
        Read(stored.id, 1, *file, is_lookup=True),
        Read(stored.id, 2, *file),
        Read(project.id, None, project.name, project.concreteType, "get", is_lookup=True),
    ]


def test_failed_get_emits_no_event(syn, events):
    with pytest.raises(SynapseNotFoundError):
        syn.get("syn999999999")
    assert events == []


def test_move_keeps_versions_and_annotations_and_emits_no_event(syn, project, stored, events):
    target = syn.store(Folder("elsewhere", parent=project))
    events.clear()
    moved = syn.move(stored.id, target)
    assert (moved.parentId, moved.versionNumber, moved.colour) == (target.id, 2, ["red"])
    assert [one["id"] for one in syn.getChildren(target)] == [stored.id]
    assert events == []


def test_move_sends_three_requests(in_process_client, calls):
    parent = in_process_client.store(Project(f"calls {uuid4()}"))
    one, other = (
        in_process_client.store(Folder(name, parent=parent)) for name in ("one", "other")
    )
    calls()
    in_process_client.move(one, other)
    assert calls() == [
        f"POST /entity/{one.id}/bundle2 200",
        f"PUT /entity/{one.id} 200",
        f"POST /entity/{one.id}/bundle2 200",
    ]


def test_move_reports_reason_of_failure(syn, bob, project, folder, stored):
    target = syn.store(Folder("elsewhere", parent=project))
    syn.store(File(stored.path, parent=target))
    with pytest.raises(SynapseConflictError, match=r"data\.txt already exists"):
        syn.move(stored, target)
    with pytest.raises(SynapseBadRequestError):
        syn.move(folder, stored)
    with pytest.raises(SynapseForbiddenError):
        bob.move(stored.id, target.id)
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        syn.move(stored, "elsewhere")


def test_delete_moves_entity_to_trash_can(syn, folder, stored):
    assert syn.delete(stored) is None
    with pytest.raises(SynapseNotFoundError, match=f"{stored.id} is in trash can"):
        syn.get(stored.id)
    syn.delete(stored.id)
    syn.delete(folder.id)
    with pytest.raises(FileNotFoundError):
        syn.get(folder)


@pytest.mark.parametrize("form", ["argument", "id", "entity"])
def test_delete_removes_one_version(syn, stored, form):
    match form:
        case "argument":
            syn.delete(stored.id, 2)
        case "id":
            syn.delete(f"{stored.id}.2")
        case "entity":
            syn.delete(stored, version="2")
    assert syn.get(stored.id, downloadFile=False).versionNumber == 1
    with pytest.raises(SynapseBadRequestError):
        syn.delete(stored.id, version=1)


def test_delete_of_folder_version_deletes_folder_and_warns(verbose_client, log_messages, folder):
    verbose_client.delete(folder, version=1)
    assert f"{folder.id} has no versions" in log_messages[-1]
    with pytest.raises(SynapseNotFoundError):
        verbose_client.get(folder.id)


def test_delete_rejects_other_objects(in_process_client, calls):
    for value in (7, None, {"id": "syn1"}):
        with pytest.raises(
            SynapseError, match=r"Can't delete a <class .*specify a Synapse object"
        ):
            in_process_client.delete(value)
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        in_process_client.delete("data.txt")
    with pytest.raises(ValueError, match="couldn't find id"):
        in_process_client.delete(Project("new"))
    assert calls() == []


def test_delete_requires_delete_access(bob, stored):
    with pytest.raises(SynapseForbiddenError):
        bob.delete(stored.id)


def test_print_entity_logs_sorted_json(verbose_client, log_messages, stored):
    verbose_client.printEntity(stored.id)
    logged = json.loads(log_messages[-1])
    assert (logged["id"], list(logged)) == (stored.id, sorted(logged))
    verbose_client.printEntity({"b": "ü", "a": 1}, ensure_ascii=False)
    assert log_messages[-1] == '{\n  "a": 1,\n  "b": "ü"\n}'
    verbose_client.printEntity(stored)
    assert log_messages[-1].startswith(f"File: data.txt ({stored.id})")


def test_onweb_opens_the_page_of_an_entity(syn, stored, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    syn.onweb(stored.id)
    syn.onweb(stored, subpageId=12)
    syn.onweb(stored.path)
    portal = f"{syn.portalEndpoint}#!"
    assert opened == [
        f"{portal}Synapse:{stored.id}",
        f"{portal}Wiki:{stored.id}/ENTITY/12",
        f"{portal}Synapse:{stored.id}",
    ]
    for arguments in ([""], [stored, ""], [stored, "a/b"]):
        with pytest.raises(ValueError, match="Invalid"):
            syn.onweb(*arguments)
    assert len(opened) == 3


def test_purged_file_is_downloaded_again(syn, folder, make_file):
    stored = syn.store(File(str(make_file()), parent=folder))
    syn.cache.remove(stored.dataFileHandleId)
    path = Path(syn.get(stored.id).path)
    content = path.read_bytes()
    assert syn.cache.contains(stored.dataFileHandleId, path)
    assert syn.cache.purge(before_date=time.time() + 60) == 1
    assert not path.exists()
    assert Path(syn.get(stored.id).path).read_bytes() == content
