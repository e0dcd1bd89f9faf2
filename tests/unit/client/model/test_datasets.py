"""Tests of the items of datasets and dataset collections."""

import pytest

from synapse_workflows import Dataset, DatasetCollection, File

ONE = {"entityId": "syn1", "versionNumber": 2}


@pytest.fixture
def dataset():
    return Dataset("d", parent="syn9", dataset_items=[ONE])


@pytest.mark.parametrize(
    "item",
    [
        {"entityId": "SYN3", "versionNumber": "4"},
        {"id": "syn3", "version": 4, "name": "reference of a task"},
        File(properties={"id": "syn3", "versionNumber": 4}),
        "syn3.4",
    ],
)
def test_items_can_be_given_in_several_forms(dataset, item):
    dataset.add_item(item)
    assert dataset.datasetItems == [ONE, {"entityId": "syn3", "versionNumber": 4}]
    assert (len(dataset), dataset.has_item("syn3"), dataset.has_item(item)) == (2, True, True)
    dataset.remove_item("syn1")
    dataset.remove_item("syn77")
    assert [one["entityId"] for one in dataset["items"]] == ["syn3"]


def test_item_of_the_same_entity_is_replaced_or_refused(dataset):
    dataset.add_items([{"entityId": "syn1", "versionNumber": 3}])
    assert dataset.datasetItems == [{"entityId": "syn1", "versionNumber": 3}]
    with pytest.raises(ValueError, match="Duplicate item found: syn1"):
        dataset.add_items(["syn5.1", "syn1.4"], force=False)
    assert dataset.datasetItems == [{"entityId": "syn1", "versionNumber": 3}]
    with pytest.raises(ValueError, match="Duplicate"):
        DatasetCollection("c", parent="syn9", dataset_items=["syn1.1", "syn1.2"])


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"entityId": "syn3"}, LookupError),
        ({"versionNumber": 3}, LookupError),
        ("syn3", LookupError),
        (File("/nowhere/x", parent="syn1"), LookupError),
        ({"entityId": "nonsense", "versionNumber": 3}, ValueError),
        ({"entityId": "syn3", "versionNumber": 0}, ValueError),
        (7, ValueError),
    ],
)
def test_invalid_items_raise_an_error(dataset, item, error):
    with pytest.raises(error):
        dataset.add_item(item)
    assert dataset.datasetItems == [ONE]


def test_items_and_folders_are_no_annotations(dataset):
    dataset.datasetItems = []
    dataset.add_folder("syn4")
    dataset.add_folders(["syn5", {"id": "syn6"}], force=False)
    assert (len(dataset), bool(dataset), dataset.annotations) == (0, True, {})
    assert (dataset.folders_to_add, dataset.force) == ({"syn4", "syn5", "syn6"}, False)
    with pytest.raises(ValueError, match="Not a list of Folder IDs: 'syn7'"):
        dataset.add_folders("syn7")
