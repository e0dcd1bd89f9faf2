"""Lineage modes of hooks."""

import pytest

from synapse_workflows import SynapseHook


def test_invalid_lineage_mode_is_rejected():
    with pytest.raises(ValueError, match="'auto', 'declared', 'off'"):
        SynapseHook(lineage_mode="sometimes")


def test_lineage_mode_defaults_to_configuration(monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__LINEAGE_MODE", "off")
    assert SynapseHook().lineage_mode == "off"
    assert SynapseHook(lineage_mode="auto").lineage_mode == "auto"
