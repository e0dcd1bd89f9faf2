"""Tests of storing datasets, and of their snapshots."""

import pytest

from synapse_workflows import Column, File
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.schemas import Dataset
from synapse_workflows.constants import DATASET

NAME = Column(name="name", columnType="STRING", maximumSize=256)


def create_object(_, project, file):
    item = {"entityId": file.id, "versionNumber": 1}
    return Dataset("d", [NAME], parent=project, items=[item])


def create_mapping(syn, project, file):
    return {
        "concreteType": DATASET,
        "name": "d",
        "parentId": project.id,
        "columnIds": [syn.createColumns([NAME])[0].id],
        "items": [{"entityId": file.id, "versionNumber": 1}],
    }


@pytest.mark.parametrize("create", [create_object, create_mapping])
def test_dataset_snapshot_keeps_items(syn, project, make_file, create):
    """The snapshot keeps its items, and deleting it keeps the current version."""
    file = syn.store(File(str(make_file()), parent=project, name="ant"))
    dataset = syn.store(create(syn, project, file))
    assert isinstance(dataset, Dataset)
    assert syn.create_snapshot_version(dataset, label="one") == 1
    changed = syn.get(dataset.id)
    changed["items"] = []
    changed = syn.store(changed)
    assert [one.name for one in syn.getColumns(changed)] == ["name"]
    assert [row[-1] for row in syn.tableQuery(f"select name from {dataset.id}.1")] == ["ant"]
    assert list(syn.tableQuery(f"select name from {dataset.id}")) == []
    syn.delete(syn.get(dataset.id), version=1)
    assert syn.get(dataset.id).versionNumber == 2
    with pytest.raises(SynapseNotFoundError):
        syn.get(dataset.id, version=1)
