"""The Airflow plugin: what the provider adds to Airflow beside hooks and operators."""

from airflow.sdk.plugins_manager import AirflowPlugin

from synapse_workflows.links import SynapseEntityLink


class SynapsePlugin(AirflowPlugin):
    """Makes the link to the entity known to every part of Airflow."""

    name = "synapse"
    operator_extra_links = [SynapseEntityLink()]  # noqa: RUF012 - as Airflow declares it
