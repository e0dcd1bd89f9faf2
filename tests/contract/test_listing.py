"""Listing: children page by page, names and contents looked up."""

from itertools import islice
from uuid import uuid4

import pytest

from synapse_workflows import File, Folder, Link, Project
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseForbiddenError


@pytest.fixture
def full(syn, folder):
    """A folder with more children than fit on a page."""
    for number in range(57):
        syn.store(Folder(f"child {number:02}", parent=folder))
    return folder


def names(children):
    return [child["name"] for child in children]


def test_children_come_page_by_page_in_order(syn, full):
    listed = list(syn.getChildren(full))
    assert names(listed) == [f"child {number:02}" for number in range(57)]
    assert {child["type"].rpartition(".")[2] for child in listed} == {"Folder"}
    backwards = syn.getChildren(full.id, sortBy="CREATED_ON", sortDirection="DESC")
    assert names(backwards) == names(reversed(listed))


def test_pages_are_asked_for_when_they_are_reached(in_process_client, calls):
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


def test_kinds_can_be_chosen(syn, project, folder, make_file):
    file = syn.store(File(str(make_file()), parent=project))
    link = syn.store(Link(file, parent=folder))
    assert names(syn.getChildren(project)) == ["data", "data.txt"]
    assert names(syn.getChildren(project, includeTypes=["file"])) == ["data.txt"]
    assert names(syn.getChildren(folder, includeTypes=("link", "file"))) == [link.name]
    with pytest.raises(SynapseBadRequestError):
        next(syn.getChildren(project, includeTypes=[]))


def test_without_a_parent_projects_are_listed(syn, bob, project):
    mine = list(syn.getChildren(None, includeTypes=["project"]))
    assert project.id in [one["id"] for one in mine]
    assert project.id not in [one["id"] for one in bob.getChildren(None, includeTypes=["project"])]


def test_only_who_may_lists(bob, syn, folder):
    with pytest.raises(SynapseForbiddenError):
        list(bob.getChildren(folder.id))
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        next(syn.getChildren("data"))


def test_a_name_is_looked_up_in_its_place(syn, bob, project, folder):
    assert syn.findEntityId("data", project) == folder.id
    assert syn.findEntityId("data", project.id) == folder.id
    assert syn.findEntityId(project.name) == project.id
    assert syn.findEntityId("Data", project) is None
    assert syn.findEntityId("data") is None
    with pytest.raises(SynapseForbiddenError):
        bob.findEntityId(project.name)


def test_contents_are_looked_up_in_all_versions(syn, bob, folder, make_file):
    old = syn.store(File(str(make_file()), parent=folder))
    make_file()
    new = syn.store(syn.store(File(old.path, parent=folder)))
    assert [(one["id"], one["versionNumber"]) for one in syn.md5Query(old.md5)] == [(old.id, 1)]
    assert {one["versionNumber"] for one in syn.md5Query(new.md5)} == {2, 3}
    assert bob.md5Query(old.md5) == []
    assert syn.md5Query("0" * 32) == []
