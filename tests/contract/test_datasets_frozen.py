"""Datasets: stored as other entities are, and frozen as views are."""

import pytest

from synapse_workflows import Column, File
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.schemas import Dataset
from synapse_workflows.constants import DATASET

NAME = Column(name="name", columnType="STRING", maximumSize=256)


def as_object(_, project, file):
    item = {"entityId": file.id, "versionNumber": 1}
    return Dataset("d", [NAME], parent=project, items=[item])


def as_mapping(syn, project, file):
    return {
        "concreteType": DATASET,
        "name": "d",
        "parentId": project.id,
        "columnIds": [syn.createColumns([NAME])[0].id],
        "items": [{"entityId": file.id, "versionNumber": 1}],
    }


@pytest.mark.parametrize("made", [as_object, as_mapping])
def test_a_dataset_is_frozen_as_views_are(syn, project, make_file, made):
    """Deleting one version of it leaves the others."""
    file = syn.store(File(str(make_file()), parent=project, name="ant"))
    dataset = syn.store(made(syn, project, file))
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
