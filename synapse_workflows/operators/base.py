"""Base class of the Synapse operators."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.exceptions import AirflowTaskTimeout

from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_mode import (
    LineageMode,
    LineageModeName,
    check_lineage_required,
)
from synapse_workflows.lineage.lineage_settings import LineageSettings, RecordParams
from synapse_workflows.links import OPERATOR_LINKS
from synapse_workflows.openlineage_methods import OpenLineageMethods
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    TemplateValues,
    is_template,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseOperator(OpenLineageMethods, TemplateValues, BaseOperator):
    """Base class of operators that use a Synapse connection.

    Permanent errors fail the task without a retry, unless another `retry_policy` is given. Each
    item of a result is also a separate XCom, for example `task.output["path"]`, unless
    `multiple_outputs=False`.

    Args:
        synapse_conn_id: The Airflow connection (templated).
        lineage_mode: `merge`, `replace`, `declared` or `off`; None for the mode of the connection,
            or of `[synapse] lineage_mode` of the Airflow configuration.
        lineage_required: Whether the task fails if its Activity cannot be stored; None for the
            value of the connection, or of `[synapse] lineage_required`.
        record_params: Whether the description of the Activity lists the parameters and the
            `conf` of the run, without secrets: True, False, or a list of names; None for the value
            of the connection, or of `[synapse] record_params`.
        code_parent_id: Folder or project in which code without a permanent URL is stored, as a
            File with a version for each content (templated); None for the value of the
            connection, or of `[synapse] code_parent_id`.
        kwargs: Arguments of `BaseOperator`.

    Raises:
        ValueError: Invalid `lineage_mode`, `lineage_required`, `record_params` or
            `code_parent_id`.
    """

    template_fields: Sequence[str] = ("synapse_conn_id", "code_parent_id")
    #: Fields that contain content or sources. A task depends on the tasks whose XComs these fields
    #: reference. None means all template fields.
    data_fields: ClassVar[Sequence[str] | None] = None
    operator_extra_links = OPERATOR_LINKS
    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        synapse_conn_id: str = SynapseHook.default_conn_name,
        lineage_mode: LineageModeName | None = None,
        lineage_required: bool | None = None,
        record_params: RecordParams | None = None,
        code_parent_id: Any = None,
        **kwargs: Any,
    ) -> None:
        if lineage_mode is not None:
            LineageMode.resolve(lineage_mode)
        if lineage_required is not None:
            check_lineage_required(lineage_required)
        is_rendered = isinstance(code_parent_id, XComArg) or is_template(code_parent_id)
        LineageSettings.parse(record_params, None if is_rendered else code_parent_id)
        super().__init__(**({"multiple_outputs": True} | kwargs))
        self.synapse_conn_id = synapse_conn_id
        self.lineage_mode = lineage_mode
        self.lineage_required = lineage_required
        self.record_params = record_params
        self.code_parent_id = code_parent_id
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()
        #: URL of the entity on the Synapse portal, for `SynapseEntityLink`.
        self.entity_url: str | None = None

    @cached_property
    def hook(self) -> SynapseHook:
        """The hook of the connection.

        Raises:
            InvalidArgumentError: The rendered `code_parent_id` is invalid.
        """
        try:
            LineageSettings.parse(code_parent_id=self.code_parent_id)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from error
        return SynapseHook(
            self.synapse_conn_id,
            lineage_mode=self.lineage_mode,
            lineage_required=self.lineage_required,
            record_params=self.record_params,
            code_parent_id=self.code_parent_id,
        )

    def on_kill(self) -> None:
        """Stop the work of a task that is terminated: transfers, waits and requests.

        Airflow calls this method in the signal handler, and after an `execution_timeout`, which
        has stopped the work itself. Synapse has no request that cancels a job: a job that has
        started continues, and a retry waits for it.

        Raises:
            SystemExit: The task was terminated by a signal. The error ends the work in the main
                thread, which cancels the transfers in other threads; Airflow retries the task.
        """
        if not isinstance(sys.exception(), AirflowTaskTimeout):
            self.log.warning("The task was terminated by a signal; stopping its work")
            raise SystemExit(128 + signal.SIGTERM)

    def set_entity_url(self, entity_id: str, version: int | None = None) -> None:
        """Set the target of the task's link. No login is needed."""
        self.entity_url = self.hook.get_entity_url(entity_id, version)

    @contextmanager
    def entity_link(self, entity_id: str, version: int | None = None) -> Iterator[None]:
        """Link the task to an entity, even if the block fails, unless the entity is not found."""
        self.set_entity_url(entity_id, version)
        try:
            yield
        except SynapseNotFoundError:
            self.entity_url = None
            raise

    def push_items(self, context: "Context", result: Mapping[str, Any]) -> None:
        """Push each item of a result as an XCom, for `task.output["path"]`. Skip None values."""
        if self.multiple_outputs and self.do_xcom_push:
            for key, value in result.items():
                if value is not None:
                    context["ti"].xcom_push(key, value)
        self.multiple_outputs = False  # the items are pushed; Airflow would also push None values

    def set_map_index_name(self, context: "Context", name: str) -> None:
        """Name a mapped instance in the web UI, unless the task has a `map_index_template`."""
        index = context["ti"].map_index
        if index is not None and index >= 0 and not context.get("map_index_template"):
            values = cast("dict[str, Any]", context)
            values["map_index_template"] = "{{ synapse_entity_name }}"
            values["synapse_entity_name"] = name
