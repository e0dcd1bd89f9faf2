"""Synapse entities as Airflow assets."""

import pytest
from airflow.sdk import Asset

from synapse_workflows import synapse_asset
from synapse_workflows.assets import create_asset, entity_id_from_uri


@pytest.mark.parametrize("written", ["syn://syn12", "SYN://syn12/", "syn://conn@syn12"])
def test_uri_is_normalized(written):
    assert Asset(written).uri == "syn://syn12"


def test_asset_ignores_version():
    assert synapse_asset("syn12.3") == synapse_asset("syn12") == Asset("syn://syn12")
    assert create_asset(entity_id="syn12", version=3).extra == {"version": 3}


@pytest.mark.parametrize(
    "path", ["syn://conn@syn1/a.txt", "syn://x@", "syn:///", "syn://not-an-id/b"]
)
def test_invalid_uri_does_not_raise(path):
    assert Asset("named", path).uri.startswith("syn:")


def test_entity_id_from_uri_returns_id_or_none():
    assert entity_id_from_uri("syn://syn12") == "syn12"
    assert entity_id_from_uri("syn://syn12.3") == "syn12.3"
    assert entity_id_from_uri("syn://syn12/a.txt") is None
    assert entity_id_from_uri("s3://syn12") is None
    with pytest.raises(ValueError, match="Invalid Synapse ID 'nonsense'"):
        synapse_asset("nonsense")


def test_openlineage_dataset_has_entity_id():
    facet = pytest.importorskip("openlineage.client.event_v2")
    from synapse_workflows.openlineage_assets import convert_asset_to_openlineage

    dataset = convert_asset_to_openlineage(synapse_asset("syn12"), None)
    assert isinstance(dataset, facet.Dataset)
    assert (dataset.namespace, dataset.name) == ("syn://www.synapse.org", "syn12")
