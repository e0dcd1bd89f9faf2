"""Tests of listing children, and of looking up entities by name and MD5."""

from itertools import islice
from uuid import uuid4

import pytest

from synapse_workflows import File, Folder, Link, Project
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseForbiddenError


@pytest.fixture
def full_folder(syn, folder):
    """A folder with more children than fit on a page."""
    for number in range(57):
        syn.store(Folder(f"child {number:02}", parent=folder))
    return folder


def names(children):
    return [child["name"] for child in children]


def test_get_children_returns_all_pages_in_order(syn, full_folder):
    listed = list(syn.getChildren(full_folder))
    assert names(listed) == [f"child {number:02}" for number in range(57)]
    assert {child["type"].rpartition(".")[2] for child in listed} == {"Folder"}
    backwards = syn.getChildren(full_folder.id, sortBy="CREATED_ON", sortDirection="DESC")
    assert names(backwards) == names(reversed(listed))


def test_get_children_fetches_pages_lazily(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    for number in range(51):
        in_process_client.store(Folder(str(number), parent=project))
    calls()
    children = in_process_client.getChildren(project)
    assert calls() == []
    list(islice(children, 50))
    assert calls() == ["POST /entity/children 200"]
    assert len(list(children)) == 1
    assert calls() == ["POST /entity/children 200"]


def test_get_children_filters_by_type(syn, project, folder, make_file):
    file = syn.store(File(str(make_file()), parent=project))
    link = syn.store(Link(file, parent=folder))
    assert names(syn.getChildren(project)) == ["data", "data.txt"]
    assert names(syn.getChildren(project, includeTypes=["file"])) == ["data.txt"]
    assert names(syn.getChildren(folder, includeTypes=("link", "file"))) == [link.name]
    with pytest.raises(SynapseBadRequestError):
        next(syn.getChildren(project, includeTypes=[]))
    for types in ("file", None, 5):
        with pytest.raises(ValueError, match=f"Invalid includeTypes {types!r}: expected a list"):
            next(syn.getChildren(project, includeTypes=types))


def test_get_children_without_parent_lists_projects(syn, bob, project):
    projects = list(syn.getChildren(None, includeTypes=["project"]))
    assert project.id in [one["id"] for one in projects]
    assert project.id not in [one["id"] for one in bob.getChildren(None, includeTypes=["project"])]


def test_get_children_requires_read_access_and_valid_id(bob, syn, folder):
    with pytest.raises(SynapseForbiddenError):
        list(bob.getChildren(folder.id))
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        next(syn.getChildren("data"))


def test_find_entity_id_by_name_and_parent(syn, bob, project, folder):
    assert syn.findEntityId("data", project) == folder.id
    assert syn.findEntityId("data", project.id) == folder.id
    assert syn.findEntityId(project.name) == project.id
    assert syn.findEntityId("Data", project) is None
    assert syn.findEntityId("data") is None
    with pytest.raises(SynapseForbiddenError):
        bob.findEntityId(project.name)


def test_md5_query_finds_all_versions(syn, bob, folder, make_file):
    old = syn.store(File(str(make_file()), parent=folder))
    make_file()
    new = syn.store(syn.store(File(old.path, parent=folder)))
    assert [(one["id"], one["versionNumber"]) for one in syn.md5Query(old.md5)] == [(old.id, 1)]
    assert {one["versionNumber"] for one in syn.md5Query(new.md5)} == {2, 3}
    assert bob.md5Query(old.md5) == []
    assert syn.md5Query(uuid4().hex) == []
    for md5 in ("", None, 5):
        with pytest.raises(ValueError, match=f"Invalid md5 {md5!r}: expected 32 hexadecimal"):
            syn.md5Query(md5)
