"""Tests of storing one entity from several clients, and of rejected stores."""

import hashlib
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import File, Folder, Project
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseNotFoundError,
    SynapseStaleError,
)


def md5(path) -> str:
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def path(make_file) -> Path:
    return make_file()


@pytest.fixture
def file(syn, folder, path):
    return syn.store(File(str(path), parent=folder, colour="blue"))


def test_parallel_get_or_create_returns_one_entity(syn, in_parallel):
    name = f"parallel {uuid4()}"
    projects = in_parallel(lambda one, _: one.store(Project(name)))
    assert len({project.id for project in projects}) == 1
    folders = in_parallel(lambda one, _: one.store(Folder("f", parent=projects[0], colour="red")))
    assert len({folder.id for folder in folders}) == 1
    assert syn.get(folders[0].id).colour == ["red"]


def test_parallel_stores_of_a_folder_keep_all_annotations(syn, folder, in_parallel):
    def store(one, number):
        return one.store(Folder("f", parent=folder.parentId, **{f"key{number}": number})).id

    (found,) = set(in_parallel(store))
    assert syn.get_annotations(found) == {f"key{number}": [number] for number in range(16)}


def test_parallel_stores_of_one_name_return_own_versions(syn, folder, in_parallel, tmp_path):
    """Each version has the content, annotations, comment and Activity of one call."""

    def store(one, number):
        path = tmp_path / str(number) / "latest.txt"
        path.parent.mkdir()
        path.write_text(f"{uuid4()} {number}")
        entity = File(str(path), parent=folder, number=number, versionComment=f"c{number}")
        return number, one.store(entity, used=f"https://x.org/{number}"), md5(path)

    stored = in_parallel(store)
    assert len({entity.versionNumber for _, entity, _ in stored}) == len(stored)
    for number, entity, content_md5 in stored:
        version = syn.get(entity.id, version=entity.versionNumber, downloadFile=False)
        for one in (entity, version):
            assert (one.md5, one.number, one.versionComment) == (
                content_md5,
                [number],
                f"c{number}",
            )
        assert syn.getProvenance(entity)["used"][0]["url"] == f"https://x.org/{number}"


def test_stale_etag_of_argument_is_not_retried(syn, folder, file):
    syn.store(File(file.path, parent=folder))
    with pytest.raises(SynapseStaleError):
        syn.store(file)


def test_comment_is_on_every_version(syn, folder, make_file, path):
    for force in (True, False):
        for number in range(3):
            make_file()
            entity = File(str(path), parent=folder, versionComment=f"{force} {number}")
            stored = syn.store(entity, forceVersion=force)
            assert stored.versionComment == f"{force} {number}"
    assert (stored.versionNumber, stored.versionLabel) == (6, "6")


def test_unchanged_file_keeps_its_comment(syn, folder, path):
    first = syn.store(File(str(path), parent=folder, versionComment="first"))
    again = syn.store(File(str(path), parent=folder), forceVersion=False)
    assert (again.versionNumber, again.versionComment, again.etag) == (1, "first", first.etag)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({}, {"used": "syn999999999"}),
        ({"annotations": {"versionLabel": "x"}}, {"used": "https://x.org"}),
        ({}, {"used": "https://x.org", "versionLabel": "1"}),
    ],
    ids=["used", "annotation", "label"],
)
def test_rejected_store_leaves_no_version_and_no_activity(
    syn, folder, file, make_file, values, options
):
    before = syn.restPOST("/activity", "{}")["id"]
    make_file()
    with pytest.raises(SynapseError):
        syn.store(File(file.path, parent=folder, **values), **options)
    assert syn.get(file.id, downloadFile=False).versionNumber == 1
    for number in range(int(before) + 1, int(syn.restPOST("/activity", "{}")["id"])):
        with pytest.raises(SynapseNotFoundError):
            syn.restGET(f"/activity/{number}")
