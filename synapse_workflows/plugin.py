"""Airflow plugin that registers the operator link."""

from airflow.sdk.plugins_manager import AirflowPlugin

from synapse_workflows.links import SynapseEntityLink


class SynapsePlugin(AirflowPlugin):
    """Plugin that registers `SynapseEntityLink`."""

    name = "synapse"
    operator_extra_links = [SynapseEntityLink()]  # noqa: RUF012 - defined by Airflow
