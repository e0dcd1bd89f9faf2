"""The link from a task to what it read or stored."""

from typing import Any

from airflow.sdk import BaseOperatorLink


class SynapseEntityLink(BaseOperatorLink):
    """A button of the task that opens the entity on the Synapse portal.

    Airflow asks for the link in the worker, after the task, and keeps it as an XCom; the pages
    only read that.
    """

    name = "Synapse entity"

    @property
    def xcom_key(self) -> str:
        """Name the XCom that keeps the link."""
        return "synapse_entity_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's words
        """Tell where the entity is shown; empty when the task did not get that far."""
        return getattr(operator, "entity_url", None) or ""
