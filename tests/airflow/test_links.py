"""Operator link to an entity."""

from synapse_workflows import SynapseEntityLink
from synapse_workflows.plugin import SynapsePlugin


def test_plugin_registers_entity_link():
    (link,) = SynapsePlugin.operator_extra_links
    assert isinstance(link, SynapseEntityLink)
    assert link.xcom_key == "synapse_entity_link"
