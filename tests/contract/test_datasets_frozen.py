"""Datasets: a type of entity without a class of its own here, that can be frozen."""

import pytest

from synapse_workflows import Entity, File
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.vocabulary import DATASET


def test_a_dataset_is_frozen_as_views_are(syn, project, make_file):
    """Deleting one version of it leaves the others."""
    file = syn.store(File(str(make_file()), parent=project, name="ant"))
    properties = {
        "concreteType": DATASET,
        "name": "d",
        "parentId": project.id,
        "columnIds": [syn.createColumn("name", "STRING", 256).id],
        "items": [{"entityId": file.id, "versionNumber": 1}],
    }
    dataset = syn.store(Entity(properties))
    assert syn.create_snapshot_version(dataset, label="one") == 1
    changed = syn.get(dataset.id)
    changed.properties["items"] = []
    syn.store(changed)
    assert [row[-1] for row in syn.tableQuery(f"select name from {dataset.id}.1")] == ["ant"]
    assert list(syn.tableQuery(f"select name from {dataset.id}")) == []
    syn.delete(syn.get(dataset.id), version=1)
    assert syn.get(dataset.id).versionNumber == 2
    with pytest.raises(SynapseNotFoundError):
        syn.get(dataset.id, version=1)
