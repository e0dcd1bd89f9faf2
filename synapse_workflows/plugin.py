"""Airflow plugin that registers the operator link and the XCom form of entities and tables.

Airflow imports this module in every process that runs tasks.
"""

from typing import Final

from airflow.sdk.plugins_manager import AirflowPlugin
from airflow.sdk.serde import allow_class

from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import list_entity_classes
from synapse_workflows.client.model.tables import RowSetTable
from synapse_workflows.links import SynapseEntityLink

#: Classes whose objects tasks may return.
_RETURNED: Final[tuple[type, ...]] = (*list_entity_classes(), CsvFileTable, RowSetTable)
for returned_class in _RETURNED:
    allow_class(returned_class)


class SynapsePlugin(AirflowPlugin):
    """Plugin that registers `SynapseEntityLink`."""

    name = "synapse"
    operator_extra_links = [SynapseEntityLink()]  # noqa: RUF012 - defined by Airflow
