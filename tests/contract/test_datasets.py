"""Tests of datasets and dataset collections: items, columns, queries and snapshots."""

import pytest

from synapse_workflows import Column, Dataset, DatasetCollection, File, Folder
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.constants import DATASET

NAME = Column(name="name", columnType="STRING", maximumSize=256)


@pytest.fixture
def ant(syn, project, make_file):
    return syn.store(File(str(make_file()), parent=project, name="ant", legs=6))


def query_names(syn, source):
    return [row[-1] for row in syn.tableQuery(f"select name from {source} order by name")]


def create_object(_, project, file):
    return Dataset("d", [NAME], parent=project, dataset_items=[file], addDefaultViewColumns=False)


def create_mapping(syn, project, file):
    return {
        "concreteType": DATASET,
        "name": "d",
        "parentId": project.id,
        "columnIds": [syn.createColumns([NAME])[0].id],
        "items": [{"entityId": file.id, "versionNumber": 1}],
    }


@pytest.mark.parametrize("create", [create_object, create_mapping])
def test_dataset_snapshot_keeps_items(syn, project, ant, create):
    """The snapshot keeps its items, and deleting it keeps the current version."""
    dataset = syn.store(create(syn, project, ant))
    assert isinstance(dataset, Dataset)
    assert syn.create_snapshot_version(dataset, label="one") == 1
    changed = syn.get(dataset.id)
    changed.remove_item(ant)
    changed = syn.store(changed)
    assert next(one.name for one in syn.getColumns(changed)) == "name"
    assert query_names(syn, f"{dataset.id}.1") == ["ant"]
    assert query_names(syn, dataset.id) == []
    syn.delete(syn.get(dataset.id), version=1)
    assert syn.get(dataset.id).versionNumber == 2
    with pytest.raises(SynapseNotFoundError):
        syn.get(dataset.id, version=1)


def test_new_dataset_gets_default_columns_and_those_of_annotations(syn, project, ant):
    dataset = syn.store(
        Dataset("all", parent=project, dataset_items=[ant], ignoredAnnotationColumnNames=["x"])
    )
    names = [one.name for one in syn.getTableColumns(dataset)]
    assert (names[0], names[-1], "dataFileMD5Hex" in names) == ("id", "legs", True)
    assert (dataset["count"], len(dataset)) == (1, 1)
    assert query_names(syn, f"{dataset.id} where legs = 6") == ["ant"]
    assert syn.store(dataset).versionNumber == 1
    assert [one.name for one in syn.getTableColumns(dataset)] == names


def test_files_of_folders_are_added(syn, project, make_file, ant):
    folder = syn.store(Folder("outer", parent=project))
    inner = syn.store(Folder("inner", parent=folder))
    for name, parent in (("bee", folder), ("cat", inner)):
        syn.store(File(str(make_file()), parent=parent, name=name))
    dataset = syn.store(Dataset("found", parent=project, folders=[folder]))
    assert query_names(syn, dataset.id) == ["bee", "cat"]
    dataset.add_folder(project)
    dataset = syn.store(dataset)
    assert query_names(syn, dataset.id) == ["ant", "bee", "cat"]
    syn.store(File(str(make_file()), id=ant.id))
    dataset.add_folder(project, force=False)
    with pytest.raises(ValueError, match="Duplicate item"):
        syn.store(dataset)
    dataset.add_folder(project)
    stored = syn.store(dataset)
    assert {"entityId": ant.id, "versionNumber": 2} in stored.datasetItems
    assert not stored.folders_to_add


def test_dataset_collection(syn, project, ant):
    dataset = syn.store(Dataset("one", parent=project, dataset_items=[ant], status="draft"))
    number = syn.create_snapshot_version(dataset)
    collection = syn.store(
        DatasetCollection("release", parent=project, dataset_items=[f"{dataset.id}.{number}"])
    )
    assert isinstance(syn.get(collection.id), DatasetCollection)
    names = [one.name for one in syn.getTableColumns(collection)]
    assert (names[0], names[-1], "dataFileMD5Hex" in names) == ("id", "status", False)
    assert query_names(syn, collection.id) == ["one"]
    assert syn.create_snapshot_version(collection, label="r1") == 1
    collection = syn.get(collection.id)
    collection.empty()
    assert query_names(syn, syn.store(collection).id) == []
    assert query_names(syn, f"{collection.id}.1") == ["one"]
