"""Operator link to an entity on the Synapse portal."""

from typing import Any

from airflow.sdk import BaseOperatorLink


class SynapseEntityLink(BaseOperatorLink):
    """Link of a task to the entity that it read or stored.

    The worker calls `get_link` after the task, and Airflow stores the URL as an XCom. The web UI
    reads only the XCom.
    """

    name = "Synapse entity"

    @property
    def xcom_key(self) -> str:
        """Key of the XCom that stores the URL."""
        return "synapse_entity_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - defined by Airflow
        """Return the URL of the entity; empty if the task failed before the URL was known."""
        return getattr(operator, "entity_url", None) or ""
