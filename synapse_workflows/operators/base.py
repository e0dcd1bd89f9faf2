"""What all operators of this provider have in common."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator

from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model import ids
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.links import SynapseEntityLink


class SynapseOperator(BaseOperator):
    """An operator that works through one Airflow connection to Synapse.

    Failures that a retry cannot mend fail the task at once, unless another `retry_policy` is
    given.

    Args:
        synapse_conn_id: the connection (templated).
        lineage_mode: `auto`, `declared` or `off`; None means `[synapse] lineage_mode`.
        kwargs: what every operator takes.
    """

    template_fields: Sequence[str] = ("synapse_conn_id",)
    operator_extra_links = (SynapseEntityLink(),)
    ui_color = "#d8ecf3"
    retry_policy: Any

    def __init__(
        self,
        *,
        synapse_conn_id: str = SynapseHook.default_conn_name,
        lineage_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.synapse_conn_id = synapse_conn_id
        self.lineage_mode = lineage_mode
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()
        #: Where the entity of this run is shown; for the link of the task.
        self.entity_url: str | None = None

    @cached_property
    def hook(self) -> SynapseHook:
        """The hook of the task's connection."""
        return SynapseHook(self.synapse_conn_id, lineage_mode=self.lineage_mode)

    def show(self, reference: Mapping[str, Any]) -> None:
        """Let the link of the task lead to an entity."""
        portal = self.hook.client.portalEndpoint.rstrip("/")
        version = f".{reference['version']}" if reference["version"] else ""
        self.entity_url = f"{portal}/Synapse:{reference['id']}{version}"


def parse_entity_id(value: Any, what: str) -> VersionedId:
    """Read an entity's id, or the id of a reference that another task returned.

    Args:
        value: `syn123`, `syn123.4`, or a reference.
        what: the argument it was given for.

    Raises:
        SynapseMalformedEntityError: It is none; nothing is asked of Synapse.
    """
    if isinstance(value, Mapping) and "id" in value:
        return VersionedId(str(value["id"]), value.get("version"))
    try:
        return ids.parse_entity_id(value)
    except ValueError as wrong:
        raise SynapseMalformedEntityError(f"{what}: {wrong}") from wrong


def parse_unversioned_id(value: Any, what: str) -> str:
    """Read the id of what is meant as it is now; a reference may say which version it was.

    Args:
        value: `syn123`, or a reference.
        what: the argument it was given for.

    Raises:
        SynapseMalformedEntityError: It is none, or a text that names a version.
    """
    named = parse_entity_id(value, what)
    if isinstance(value, str) and named.version is not None:
        raise SynapseMalformedEntityError(
            f"{what}: {value} is a version, which never changes any more; {named.id} is what "
            "it is a version of"
        )
    return named.id
