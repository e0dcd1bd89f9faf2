"""Tests of entities: properties, annotations and local state in one mapping."""

import copy
import json
import pickle

import pytest

from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.entity import (
    DockerRepository,
    Entity,
    File,
    Folder,
    Link,
    Project,
    set_local_path,
)
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE, FILE, FOLDER, LINK, MODEL, PROJECT


def test_keys_are_assigned_to_namespaces():
    file = File("dir/a.txt", parent="syn1", description="d", colour="blue", contentType="text/x")
    file.species = ["mouse"]
    file["versionLabel"] = "first"
    assert file.properties == {
        "concreteType": FILE,
        "name": "a.txt",
        "parentId": "syn1",
        "description": "d",
        "versionLabel": "first",
    }
    assert file.annotations == {"colour": "blue", "species": ["mouse"]}
    assert (file.path, file.cacheDir, file.files) == ("dir/a.txt", "dir", ["a.txt"])


def test_items_are_attributes():
    folder = Folder("data", parent="syn1", colour="blue")
    assert folder.name == folder["name"] == folder.get("name") == "data"
    assert folder.colour == folder["colour"]
    assert set(folder) == set(folder.keys()) == {"concreteType", "name", "parentId", "colour"}
    assert len(folder) == 4
    assert "colour" in folder
    assert folder.has_key("name")
    del folder["colour"]
    del folder.name
    assert dict(folder) == {"concreteType": FOLDER, "parentId": "syn1"}


@pytest.mark.parametrize("make", [lambda: Project("p"), lambda: File("x", parent="syn1")])
def test_missing_key_raises_key_error_and_attribute_error(make):
    entity = make()
    with pytest.raises(KeyError):
        entity["nothing"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = entity.nothing
    with pytest.raises(KeyError):
        del entity["nothing"]
    with pytest.raises(AttributeError):
        del entity.nothing


def test_iteration_excludes_local_state():
    file = File("a.txt", parent="syn1")
    assert "path" in file
    assert not {"path", "md5", "synapseStore"} & set(file)


def test_annotations_can_be_replaced():
    project = Project("p", annotations={"a": 1})
    project.annotations = {"b": 2}
    project.annotations.c = 3
    assert project.annotations == {"b": 2, "c": 3}
    assert project.b == 2


def test_properties_returned_by_synapse_stay_properties():
    """Unknown keys of newer types round-trip."""
    view = Entity.create({"concreteType": f"{MODEL}.table.VirtualTable", "columnIds": ["1"]})
    view.columnIds = ["1", "2"]
    view.colour = "blue"
    assert type(view) is Entity
    assert view.properties["columnIds"] == ["1", "2"]
    assert view.annotations == {"colour": "blue"}


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"concreteType": PROJECT}, Project),
        ({"concreteType": FOLDER, "parentId": "syn1"}, Folder),
        ({"concreteType": FILE, "parentId": "syn1"}, File),
        ({"concreteType": LINK, "parentId": "syn1", "linksTo": {"targetId": "syn2"}}, Link),
        ({"concreteType": f"{MODEL}.Unheard"}, Entity),
        ({}, Entity),
    ],
)
def test_concrete_type_determines_class(properties, kind):
    entity = Entity.create(properties, {"a": [1]}, {})
    assert type(entity) is kind
    assert entity.properties.items() >= properties.items()
    assert entity.annotations == {"a": [1]}


def test_create_copies_entity_without_id():
    folder = Folder("data", parent="syn1", id="syn2", colour="blue")
    copied = Entity.create(folder)
    assert type(copied) is Folder
    assert "id" not in copied
    assert (copied.name, copied.colour) == ("data", "blue")
    copied.colour = "red"
    assert folder.colour == "blue"
    assert folder.id == "syn2"


@pytest.mark.parametrize("make", [Folder, File, lambda: Link("syn2")])
def test_missing_parent_raises_error(make):
    with pytest.raises(SynapseMalformedEntityError, match="must have a parentId"):
        make()


def test_parent_can_be_entity_id_or_property():
    stored = Project("p", id="syn1")
    assert Folder("f", parent=stored).parentId == "syn1"
    assert Folder("f", parent="syn1").parentId == "syn1"
    assert Folder("f", properties={"parentId": "syn1"}).parentId == "syn1"
    assert Folder("f", parentId="syn1").parentId == "syn1"


def test_parent_must_be_stored_container():
    with pytest.raises(SynapseMalformedEntityError, match="Has it been stored in Synapse"):
        Folder("f", parent=Project("new"))
    with pytest.raises(SynapseMalformedEntityError, match=r"file \(syn3\) cannot contain"):
        Folder("f", parent=File("a", parent="syn1", id="syn3"))


def test_link_target_can_have_version():
    assert Link("syn2", parent="syn1").linksTo == {"targetId": "syn2"}
    pinned = {"targetId": "syn2", "targetVersionNumber": 3}
    assert Link("syn2", 3, "syn1").linksTo == Link("syn2", "3", "syn1").linksTo == pinned
    with pytest.raises(ValueError, match="Invalid version number 'x'"):
        Link("syn2", "x", "syn1")
    assert Link("syn2.3", parent="syn1").linksTo == pinned
    assert Link(Project("p", id="syn2"), parent="syn1").linksTo == {"targetId": "syn2"}
    with pytest.raises(SynapseMalformedEntityError, match="Must provide a target id"):
        Link(parent="syn1")


def test_docker_repository_needs_its_name():
    made = DockerRepository("quay.io/lab/image", parent="syn1")
    assert made.properties["repositoryName"] == "quay.io/lab/image"
    fetched = Entity.create({**made.properties, "id": "syn2", "isManaged": False})
    assert isinstance(fetched, DockerRepository)
    with pytest.raises(SynapseMalformedEntityError, match="must have a repositoryName"):
        DockerRepository(parent="syn1")


def test_uris_of_entity():
    file = File("a", parent="syn1", id="syn2")
    assert (file.postURI(), file.putURI()) == ("/entity", "/entity/syn2")
    assert file.deleteURI() == "/entity/syn2"
    assert file.deleteURI(3) == "/entity/syn2/version/3"
    assert Project("p", id="syn1").deleteURI(3) == "/entity/syn1"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/reads.fq.gz", "reads.fq.gz"),
        ("https://example.org/data/my%20reads.fq?x=1", "my reads.fq"),
        ("file:///data/reads.fq", "reads.fq"),
        ("reads/", "reads"),
    ],
)
def test_file_name_defaults_to_name_of_path(path, name):
    assert File(path, parent="syn1").name == name
    assert File(path, parent="syn1", name="other").name == "other"
    assert File(path, properties={"parentId": "syn1", "name": "kept"}).name == "kept"


def test_file_handle_keys_are_items_of_file():
    handle = {"id": "7", "contentMd5": "abc", "contentSize": 3, "contentType": "text/csv"}
    file = File(parent="syn1", local_state={"_file_handle": handle})
    assert (file.md5, file.fileSize, file.contentType) == ("abc", 3, "text/csv")
    assert file.externalURL is None
    file.contentType = "text/plain"
    assert file._file_handle["contentType"] == "text/plain"
    assert "contentType" not in file.annotations


def test_path_becomes_url_without_synapse_store(tmp_path):
    here = tmp_path / "my data.csv"
    file = File(str(here), parent="syn1", synapseStore=False)
    assert file.externalURL == here.as_uri()
    file = File("https://example.org/a.csv", parent="syn1", synapseStore=False, md5="abc")
    assert (file.externalURL, file.md5, file.name) == ("https://example.org/a.csv", "abc", "a.csv")


def test_new_path_of_external_file_resets_md5_and_size(tmp_path):
    file = File(
        "https://example.org/a.csv", parent="syn1", synapseStore=False, fileSize=3, md5="m"
    )
    file.path = str(tmp_path / "b.csv")
    assert file.externalURL == (tmp_path / "b.csv").as_uri()
    assert (file.md5, file.fileSize) == (None, None)


def test_external_file_handle_disables_synapse_store_except_for_sftp():
    def store(url):
        handle = {"concreteType": EXTERNAL_FILE_HANDLE, "externalURL": url}
        return File(parent="syn1", local_state={"_file_handle": handle}).synapseStore

    assert store("https://example.org/a.csv") is False
    assert store("sftp://example.org/a.csv") is True


def test_set_local_path_changes_local_state_only():
    file = File("https://example.org/a.csv", parent="syn1", synapseStore=False)
    set_local_path(file, "/cache/1/a.csv")
    assert (file.path, file.cacheDir, file.files) == ("/cache/1/a.csv", "/cache/1", ["a.csv"])
    assert file.externalURL == "https://example.org/a.csv"
    set_local_path(file, None)
    assert (file.path, file.cacheDir, file.files) == (None, None, [])


@pytest.mark.parametrize(
    "entity",
    [Project("p", id="syn1", colour="blue"), File("a.txt", parent="syn1", md5="abc", n=[1])],
)
def test_entities_can_be_pickled_and_copied(entity):
    for copied in (pickle.loads(pickle.dumps(entity)), copy.deepcopy(entity)):  # noqa: S301
        assert type(copied) is type(entity)
        assert copied == entity
        assert copied.local_state() == entity.local_state()


def test_str_contains_properties_and_annotations():
    folder = Folder("data", parent="syn1", id="syn2", colour="blue")
    assert str(folder).startswith("Folder: data (syn2)\n")
    assert "colour='blue'" in str(folder)
    assert repr(folder) == "Folder(name='data', id='syn2', parentId='syn1')"
    assert json.dumps(dict(folder))
