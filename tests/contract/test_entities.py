"""Get, delete, move, print and show entities."""

import json
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


def test_an_id_an_entity_and_a_mapping_name_the_same(syn, stored):
    by_id = syn.get(stored.id, downloadFile=False)
    assert type(by_id) is File
    assert by_id.properties == stored.properties
    assert by_id.annotations == {"colour": ["red"]}
    for named in (stored, {"id": stored.id}, int(stored.id[3:])):
        assert syn.get(named, downloadFile=False).etag == by_id.etag


def test_the_class_is_that_of_the_type(syn, project, folder, stored):
    link = syn.store(Link(stored, parent=project))
    kinds = [type(syn.get(one.id, downloadFile=False)) for one in (project, folder, stored, link)]
    assert kinds == [Project, Folder, File, Link]
    assert all(issubclass(kind, Entity) for kind in kinds)


def test_a_name_and_a_parent_find_an_entity(syn, project, folder):
    assert syn.get({"name": "data", "parentId": project.id}).id == folder.id
    assert syn.get({"name": project.name}).id == project.id
    with pytest.raises(SynapseFileNotFoundError, match=f"no entity named 'x' in {folder.id}"):
        syn.get({"name": "x", "parentId": folder.id})


def test_versions_are_named_by_number_or_on_the_id(syn, stored):
    for old in (
        syn.get(stored.id, version=1),
        syn.get(f"{stored.id}.1"),
        syn.get(f"{stored.id}.2", version="1"),
    ):
        assert (old.versionNumber, old.colour) == (1, ["blue"])
        assert Path(old.path).read_text().startswith("1st")
    with pytest.raises(SynapseNotFoundError, match="404 POST"):
        syn.get(f"{stored.id}.9")


def test_content_comes_into_the_cache_or_where_it_is_wanted(client_of, stored, tmp_path):
    other = client_of("alice", cache_root_dir=str(tmp_path / "elsewhere"))
    cached = other.get(stored.id)
    assert Path(cached.path).read_text().startswith("2nd")
    assert cached.path.startswith(str(tmp_path / "elsewhere"))
    assert (cached.files, cached.cacheDir) == (["data.txt"], str(Path(cached.path).parent))
    placed = other.get(stored.id, downloadLocation=str(tmp_path / "wanted"))
    assert placed.path == str(tmp_path / "wanted" / "data.txt")
    assert placed.md5 == cached.md5 == stored.md5


def test_without_download_there_is_no_path(syn, stored):
    found = syn.get(stored.id, downloadFile=False)
    assert (found.path, found.cacheDir, found.files) == (None, None, [])
    assert (found.fileSize, found.contentType) == (40, "text/plain")


def test_collisions_are_treated_as_asked(client_of, stored, tmp_path):
    other = client_of("alice", cache_root_dir=str(tmp_path / "elsewhere"))

    def get(way):
        place = tmp_path / way
        place.mkdir()
        (place / "data.txt").write_text("mine")
        path = other.get(stored.id, downloadLocation=str(place), ifcollision=way).path
        return path and str(Path(path).relative_to(place)), (place / "data.txt").read_text()[:4]

    assert get("keep.local") == (None, "mine")
    assert get("overwrite.local") == ("data.txt", "2nd ")
    assert get("keep.both") == ("data(1).txt", "mine")


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"foo": 1}, TypeError, r"Unexpected \*\*kwargs: \{'foo': 1\}"),
        ({"ifcollision": "zzz"}, ValueError, '"zzz" is not a valid value for "ifcollision"'),
        ({"version": "v2"}, ValueError, "Invalid version number 'v2'"),
    ],
)
def test_bad_keywords_are_refused_before_anything_is_asked(
    in_process_client, calls, keywords, error, message
):
    with pytest.raises(error, match=message):
        in_process_client.get("syn1", **keywords)
    assert calls() == []


def test_a_file_is_no_place_to_download_to(in_process_client, calls, make_file):
    with pytest.raises(ValueError, match="downloadLocation should be a directory"):
        in_process_client.get("syn1", downloadLocation=str(make_file()))
    assert calls() == []


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ("syn12abc", SynapseFileNotFoundError, "neither a local file path"),
        ("no/such/file", SynapseFileNotFoundError, "Pass an ID such as 'syn123'"),
        (Project("new"), ValueError, "Cannot retrieve entity that has not been saved"),
        ({"parentId": "syn1"}, ValueError, "has not been saved"),
        (None, ValueError, "couldn't find id of None"),
    ],
)
def test_what_names_nothing_is_refused_before_anything_is_asked(
    in_process_client, calls, wanted, error, message
):
    with pytest.raises(error, match=message):
        in_process_client.get(wanted)
    assert calls() == []


def test_a_missing_entity_and_a_forbidden_one_say_so(syn, bob, folder):
    with pytest.raises(SynapseNotFoundError, match=r"404 POST .*\n.*trash can"):
        syn.get("syn999999999")
    with pytest.raises(SynapseForbiddenError, match="You lack READ access"):
        bob.get(folder.id)


def test_a_link_is_followed_when_asked(syn, project, stored):
    link = syn.store(Link(stored, parent=project))
    pinned = syn.store(Link(stored, 1, parent=syn.store(Folder("pins", parent=project))))
    assert syn.get(link.id).linksTo == {"targetId": stored.id}
    assert syn.get(link.id, followLink=True).id == stored.id
    followed = syn.get(pinned, followLink=True)
    assert (followed.versionNumber, Path(followed.path).read_text()[:3]) == (1, "1st")


def test_a_local_file_is_recognised_by_its_content(syn, stored, tmp_path):
    copy = tmp_path / "copy of it.txt"
    copy.write_bytes(Path(stored.path).read_bytes())
    found = syn.get(str(copy), limitSearch=stored.parentId)
    assert (found.id, found.versionNumber, found.path) == (stored.id, 2, str(copy))
    assert syn.cache.contains(found.dataFileHandleId, copy)


def test_the_first_of_several_with_that_content_is_taken_and_said(
    verbose_client, log_messages, folder, stored
):
    other = verbose_client.store(File(stored.path, parent=folder, name="the same"))
    assert verbose_client.get(stored.path).id == stored.id
    assert f"{stored.id}.2, {other.id}.1" in log_messages[-1]


def test_a_local_file_that_is_not_in_synapse_is_named(syn, make_file, stored):
    with pytest.raises(SynapseFileNotFoundError, match=r"new\.txt not found in Synapse"):
        syn.get(str(make_file("new.txt")))
    elsewhere = syn.store(Project(f"elsewhere {uuid4()}"))
    with pytest.raises(SynapseFileNotFoundError, match=f"in {elsewhere.id}"):
        syn.get(stored.path, limitSearch=elsewhere)


def test_reading_without_the_right_to_download_leaves_the_content(syn, bob, stored):
    syn.setPermissions(stored.id, bob.getUserProfile().ownerId, ["READ"], warn_if_inherits=False)
    found = bob.get(stored.id)
    assert (found.name, found.path, found.md5) == ("data.txt", None, None)


def test_restricted_content_needs_agreement(syn, folder, make_file):
    locked = syn.store(File(str(make_file()), parent=folder), isRestricted=True)
    with pytest.raises(SynapseUnmetAccessRestrictions, match=f"requirements on {locked.id}"):
        syn.get(locked.id)
    assert syn.get(locked.id, downloadFile=False).name == "data.txt"


def test_one_bundle_is_all_that_get_asks(in_process_client, calls, make_file):
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


def test_get_announces_what_was_really_read(syn, project, stored, events):
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
        Read(stored.id, 1, *file),
        Read(stored.id, 2, *file),
        Read(project.id, None, project.name, project.concreteType, "get"),
    ]


def test_what_failed_was_not_read(syn, events):
    with pytest.raises(SynapseNotFoundError):
        syn.get("syn999999999")
    assert events == []


def test_moving_keeps_versions_and_annotations_and_reads_nothing(syn, project, stored, events):
    place = syn.store(Folder("elsewhere", parent=project))
    events.clear()
    moved = syn.move(stored.id, place)
    assert (moved.parentId, moved.versionNumber, moved.colour) == (place.id, 2, ["red"])
    assert [one["id"] for one in syn.getChildren(place)] == [stored.id]
    assert events == []


def test_moving_asks_for_what_must_be_known_and_no_more(in_process_client, calls):
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


def test_moving_says_why_it_cannot(syn, bob, project, folder, stored):
    place = syn.store(Folder("elsewhere", parent=project))
    syn.store(File(stored.path, parent=place))
    with pytest.raises(SynapseConflictError, match=r"data\.txt already exists"):
        syn.move(stored, place)
    with pytest.raises(SynapseBadRequestError):
        syn.move(folder, stored)
    with pytest.raises(SynapseForbiddenError):
        bob.move(stored.id, place.id)
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        syn.move(stored, "elsewhere")


def test_deleted_entities_lie_in_the_trash_can(syn, folder, stored):
    assert syn.delete(stored) is None
    with pytest.raises(SynapseNotFoundError, match=f"{stored.id} is in trash can"):
        syn.get(stored.id)
    syn.delete(stored.id)
    syn.delete(folder.id)
    with pytest.raises(FileNotFoundError):
        syn.get(folder)


@pytest.mark.parametrize("way", ["argument", "id", "entity"])
def test_single_versions_are_deleted(syn, stored, way):
    match way:
        case "argument":
            syn.delete(stored.id, 2)
        case "id":
            syn.delete(f"{stored.id}.2")
        case "entity":
            syn.delete(stored, version="2")
    assert syn.get(stored.id, downloadFile=False).versionNumber == 1
    with pytest.raises(SynapseBadRequestError):
        syn.delete(stored.id, version=1)


def test_a_folder_has_no_version_to_delete(verbose_client, log_messages, folder):
    verbose_client.delete(folder, version=1)
    assert f"{folder.id} has no versions" in log_messages[-1]
    with pytest.raises(SynapseNotFoundError):
        verbose_client.get(folder.id)


def test_what_is_no_entity_cannot_be_deleted(in_process_client, calls):
    for thing in (7, None, {"id": "syn1"}):
        with pytest.raises(
            SynapseError, match=r"Can't delete a <class .*specify a Synapse object"
        ):
            in_process_client.delete(thing)
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        in_process_client.delete("data.txt")
    with pytest.raises(ValueError, match="couldn't find id"):
        in_process_client.delete(Project("new"))
    assert calls() == []


def test_only_who_may_deletes(bob, stored):
    with pytest.raises(SynapseForbiddenError):
        bob.delete(stored.id)


def test_print_entity_logs_sorted_json(verbose_client, log_messages, stored):
    verbose_client.printEntity(stored.id)
    shown = json.loads(log_messages[-1])
    assert (shown["id"], list(shown)) == (stored.id, sorted(shown))
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
