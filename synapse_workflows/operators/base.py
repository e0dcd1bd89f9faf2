"""Base class of the Synapse operators."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_mode import LineageModeName
from synapse_workflows.links import SynapseEntityLink


class SynapseOperator(BaseOperator):
    """Base class of operators that use a Synapse connection.

    Permanent errors fail the task without a retry, unless another `retry_policy` is given.

    Args:
        synapse_conn_id: the Airflow connection (templated).
        lineage_mode: `auto`, `declared` or `off`; None for `[synapse] lineage_mode` of the
            Airflow configuration.
        kwargs: arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = ("synapse_conn_id",)
    #: Fields that carry content or sources: a task depends on the tasks whose XComs these fields
    #: reference. None for all template fields.
    data_fields: ClassVar[Sequence[str] | None] = None
    operator_extra_links = (SynapseEntityLink(),)
    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        synapse_conn_id: str = SynapseHook.default_conn_name,
        lineage_mode: LineageModeName | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.synapse_conn_id = synapse_conn_id
        self.lineage_mode = lineage_mode
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()
        #: URL of the entity on the Synapse portal, for `SynapseEntityLink`.
        self.entity_url: str | None = None

    @cached_property
    def hook(self) -> SynapseHook:
        """The hook of the connection."""
        return SynapseHook(self.synapse_conn_id, lineage_mode=self.lineage_mode)

    def set_entity_url(self, reference: Mapping[str, Any]) -> None:
        """Set the target of the task's link to the entity of a reference."""
        portal = self.hook.client.portalEndpoint.rstrip("/")
        version = f".{reference['version']}" if reference["version"] else ""
        self.entity_url = f"{portal}/Synapse:{reference['id']}{version}"
