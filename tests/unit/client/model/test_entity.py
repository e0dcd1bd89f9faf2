"""Entities: one mapping over properties, annotations and what is only known here."""

import copy
import json
import pickle

import pytest

from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.entity import (
    Entity,
    File,
    Folder,
    Link,
    Project,
    set_local_path,
)
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE, FILE, FOLDER, LINK, MODEL, PROJECT


def test_every_key_finds_its_namespace():
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


def test_items_and_attributes_are_the_same():
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
def test_missing_keys_are_missing_both_ways(make):
    entity = make()
    with pytest.raises(KeyError):
        entity["nothing"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = entity.nothing
    with pytest.raises(KeyError):
        del entity["nothing"]
    with pytest.raises(AttributeError):
        del entity.nothing


def test_local_state_is_not_iterated_and_not_stored():
    file = File("a.txt", parent="syn1")
    assert "path" in file
    assert not {"path", "md5", "synapseStore"} & set(file)


def test_annotations_can_be_replaced_as_a_whole():
    project = Project("p", annotations={"a": 1})
    project.annotations = {"b": 2}
    project.annotations.c = 3
    assert project.annotations == {"b": 2, "c": 3}
    assert project.b == 2


def test_what_the_service_knows_stays_a_property():
    """Keys of types or times that have no class here round-trip."""
    view = Entity.create({"concreteType": f"{MODEL}.table.MaterializedView", "columnIds": ["1"]})
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
def test_the_concrete_type_decides_on_the_class(properties, kind):
    entity = Entity.create(properties, {"a": [1]}, {})
    assert type(entity) is kind
    assert entity.properties.items() >= properties.items()
    assert entity.annotations == {"a": [1]}


def test_an_entity_given_to_create_is_copied_without_its_id():
    folder = Folder("data", parent="syn1", id="syn2", colour="blue")
    twin = Entity.create(folder)
    assert type(twin) is Folder
    assert "id" not in twin
    assert (twin.name, twin.colour) == ("data", "blue")
    twin.colour = "red"
    assert folder.colour == "blue"
    assert folder.id == "syn2"


@pytest.mark.parametrize("make", [Folder, File, lambda: Link("syn2")])
def test_what_needs_a_parent_says_so(make):
    with pytest.raises(SynapseMalformedEntityError, match="must have a parentId"):
        make()


def test_a_parent_may_be_an_entity_an_id_or_a_property():
    stored = Project("p", id="syn1")
    assert Folder("f", parent=stored).parentId == "syn1"
    assert Folder("f", parent="syn1").parentId == "syn1"
    assert Folder("f", properties={"parentId": "syn1"}).parentId == "syn1"
    assert Folder("f", parentId="syn1").parentId == "syn1"


def test_a_parent_must_be_stored_and_hold_others():
    with pytest.raises(SynapseMalformedEntityError, match="Has it been stored in Synapse"):
        Folder("f", parent=Project("new"))
    with pytest.raises(SynapseMalformedEntityError, match=r"file \(syn3\) cannot contain"):
        Folder("f", parent=File("a", parent="syn1", id="syn3"))


def test_a_link_points_to_an_entity_or_one_version_of_it():
    assert Link("syn2", parent="syn1").linksTo == {"targetId": "syn2"}
    pinned = {"targetId": "syn2", "targetVersionNumber": 3}
    assert Link("syn2", 3, "syn1").linksTo == pinned
    assert Link("syn2.3", parent="syn1").linksTo == pinned
    assert Link(Project("p", id="syn2"), parent="syn1").linksTo == {"targetId": "syn2"}
    with pytest.raises(SynapseMalformedEntityError, match="Must provide a target id"):
        Link(parent="syn1")


def test_uris_say_where_an_entity_lives():
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
def test_a_file_is_called_as_its_path_unless_named(path, name):
    assert File(path, parent="syn1").name == name
    assert File(path, parent="syn1", name="other").name == "other"
    assert File(path, properties={"parentId": "syn1", "name": "kept"}).name == "kept"


def test_aliases_live_in_the_file_handle():
    handle = {"id": "7", "contentMd5": "abc", "contentSize": 3, "contentType": "text/csv"}
    file = File(parent="syn1", local_state={"_file_handle": handle})
    assert (file.md5, file.fileSize, file.contentType) == ("abc", 3, "text/csv")
    assert file.externalURL is None
    file.contentType = "text/plain"
    assert file._file_handle["contentType"] == "text/plain"
    assert "contentType" not in file.annotations


def test_without_synapse_store_the_path_becomes_a_url(tmp_path):
    here = tmp_path / "my data.csv"
    file = File(str(here), parent="syn1", synapseStore=False)
    assert file.externalURL == here.as_uri()
    file = File("https://example.org/a.csv", parent="syn1", synapseStore=False, md5="abc")
    assert (file.externalURL, file.md5, file.name) == ("https://example.org/a.csv", "abc", "a.csv")


def test_a_new_path_of_an_external_file_is_another_content(tmp_path):
    file = File(
        "https://example.org/a.csv", parent="syn1", synapseStore=False, fileSize=3, md5="m"
    )
    file.path = str(tmp_path / "b.csv")
    assert file.externalURL == (tmp_path / "b.csv").as_uri()
    assert (file.md5, file.fileSize) == (None, None)


def test_an_external_handle_turns_storing_off_but_sftp_does_not():
    def store(url):
        handle = {"concreteType": EXTERNAL_FILE_HANDLE, "externalURL": url}
        return File(parent="syn1", local_state={"_file_handle": handle}).synapseStore

    assert store("https://example.org/a.csv") is False
    assert store("sftp://example.org/a.csv") is True


def test_placing_a_file_says_where_it_lies_and_changes_nothing_else():
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
def test_entities_pickle_and_copy(entity):
    for twin in (pickle.loads(pickle.dumps(entity)), copy.deepcopy(entity)):  # noqa: S301
        assert type(twin) is type(entity)
        assert twin == entity
        assert twin.local_state() == entity.local_state()


def test_text_shows_what_an_entity_is():
    folder = Folder("data", parent="syn1", id="syn2", colour="blue")
    assert str(folder).startswith("Folder: data (syn2)\n")
    assert "colour='blue'" in str(folder)
    assert repr(folder) == "Folder(name='data', id='syn2', parentId='syn1')"
    assert json.dumps(dict(folder))
