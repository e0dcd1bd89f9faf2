"""Airflow plugin: operator links, pages, hook lineage, and the XCom form of entities and tables.

Airflow imports this module in every process that runs tasks.
"""

from typing import TYPE_CHECKING, Final

from airflow.sdk._shared.secrets_masker import redact as mask_secrets
from airflow.sdk.lineage import HookLineageReader
from airflow.sdk.plugins_manager import AirflowPlugin
from airflow.sdk.serde import allow_class

from synapse_workflows.client.core.redaction import register_masker
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import list_entity_classes
from synapse_workflows.client.model.tables import RowSetTable
from synapse_workflows.lineage import task_datasets, task_listener
from synapse_workflows.lineage.hook_instrumentation import instrument_hooks
from synapse_workflows.links import SynapseEntityLink
from synapse_workflows.ui.views import EXTERNAL_VIEWS, FASTAPI_APPS

if TYPE_CHECKING:
    from synapse_workflows.lineage.lineage_client import LineageClient

#: Classes whose objects tasks may return.
_RETURNED: Final[tuple[type, ...]] = (*list_entity_classes(), CsvFileTable, RowSetTable)


def _create_client() -> "LineageClient":
    """Return a client of the default connection."""
    from synapse_workflows.hooks.synapse import SynapseHook

    return SynapseHook().client


for returned_class in _RETURNED:
    allow_class(returned_class)
instrument_hooks()
task_listener.set_client_factory(_create_client)
# what Airflow masks in logs, such as passwords of connections, is masked in lineage, too
register_masker(lambda text: str(mask_secrets(text)))


class SynapsePlugin(AirflowPlugin):
    """Plugin that registers links and pages, and turns on Airflow's hook lineage collector.

    Without a plugin that reads hook lineage, Airflow does not collect it.
    """

    name = "synapse"
    operator_extra_links = [SynapseEntityLink()]  # noqa: RUF012 - defined by Airflow
    external_views = EXTERNAL_VIEWS
    fastapi_apps = FASTAPI_APPS
    hook_lineage_readers = [HookLineageReader]  # noqa: RUF012 - defined by Airflow
    listeners = [task_listener, task_datasets]  # noqa: RUF012 - defined by Airflow
