"""Airflow plugin: operator links, pages, hook lineage, and the XCom form of entities and tables.

Airflow imports this module in every process that runs tasks, so it imports only what every task
needs.
"""

from typing import TYPE_CHECKING, Final

from airflow.sdk import serde
from airflow.sdk._shared.secrets_masker import redact as mask_secrets
from airflow.sdk.plugins_manager import AirflowPlugin

from synapse_workflows.client.core.text_maskers import register_masker
from synapse_workflows.lineage import task_listener
from synapse_workflows.lineage.import_finder import watch_imports
from synapse_workflows.links import SynapseEntityLink
from synapse_workflows.ui.views import EXTERNAL_VIEWS, FASTAPI_APPS

if TYPE_CHECKING:
    from airflow.sdk.lineage import HookLineageReader

    from synapse_workflows.lineage.lineage_client import LineageClient

#: Classes whose objects tasks may return, by module. They are not imported, as `allow_class` does:
#: the import would take longer than all else that the plugin does in a task without Synapse.
RETURNED_CLASSES: Final = {
    "csv_tables": ("CsvFileTable",),
    "datasets": ("Dataset", "DatasetCollection", "EntityRefCollection"),
    "entity": ("DockerRepository", "File", "Folder", "Link", "Project"),
    "entity_base": ("Entity",),
    "schemas": ("MaterializedView", "Schema", "SchemaBase"),
    "tables": ("RowSetTable",),
    "views": ("EntityViewSchema", "ScopedView", "SubmissionViewSchema", "ViewBase"),
}


def _create_client() -> "LineageClient":
    """Return a client of the default connection."""
    from synapse_workflows.hooks.synapse import SynapseHook

    return SynapseHook().client


for module, names in RETURNED_CLASSES.items():
    serde._extra_allowed.update(  # noqa: SLF001
        f"synapse_workflows.client.model.{module}.{name}" for name in names
    )
watch_imports()
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
    listeners = [task_listener]  # noqa: RUF012 - defined by Airflow

    @property
    def hook_lineage_readers(  # type: ignore[override] # Airflow only reads it
        self,
    ) -> "list[type[HookLineageReader]]":
        """The reader of hook lineage. Airflow asks for it when the first hook reports."""
        from airflow.sdk.lineage import HookLineageReader

        return [HookLineageReader]
