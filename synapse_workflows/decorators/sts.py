"""The decorator `@task.synapse_sts`."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from synapse_workflows.hooks.sts_environment import DEFAULT_REGION
from synapse_workflows.hooks.sts_tokens import StsPermission
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_mode import LineageMode, LineageModeName
from synapse_workflows.operator_arguments import InvalidArgumentError, check_choice

if TYPE_CHECKING:
    from airflow.sdk import Context

_SESSION: Final = "sts_session"
_ENVIRONMENT: Final = "sts_environment"
#: Arguments of the operator that a call of the task may give, also mapped.
_CALL_ARGUMENTS: Final = ("folder_id", "permission")


class _StsDecoratedOperator(DecoratedOperator, PythonOperator):
    """Operator of a function that is decorated with `@task.synapse_sts`."""

    custom_operator_name = "@task.synapse_sts"
    template_fields: Sequence[str] = (
        "folder_id",
        "permission",
        "synapse_conn_id",
        "op_args",
        "op_kwargs",
        "templates_dict",
    )

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        folder_id: Any = None,
        permission: StsPermission = "read_only",
        synapse_conn_id: str = SynapseHook.default_conn_name,
        region_name: str = DEFAULT_REGION,
        lineage_mode: LineageModeName | None = None,
        **kwargs: Any,
    ) -> None:
        if lineage_mode is not None:
            LineageMode.resolve(lineage_mode)
        if "{" not in str(permission):
            check_choice(permission, "permission", StsPermission)
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={
                "python_callable": python_callable,
                "op_args": op_args,
                "op_kwargs": op_kwargs,
            },
            **kwargs,
        )
        self.folder_id = folder_id
        self.permission = permission
        self.synapse_conn_id = synapse_conn_id
        self.region_name = region_name
        self.lineage_mode = lineage_mode
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()

    def execute(self, context: "Context") -> Any:
        """Call the function with credentials."""
        given = dict(self.op_kwargs)
        folder_id = given.get("folder_id", self.folder_id)
        permission = given.get("permission", self.permission)
        if folder_id is None:
            raise InvalidArgumentError(
                "Missing folder_id: pass it to @task.synapse_sts, or to the call of the task."
            )
        wrapped = self.python_callable.__wrapped__  # type: ignore[attr-defined]
        wanted = inspect.signature(wrapped).parameters
        taken = {name for name in _CALL_ARGUMENTS if name not in wanted}
        hook = SynapseHook(self.synapse_conn_id, lineage_mode=self.lineage_mode)
        options = {"region_name": self.region_name}
        with ExitStack() as stack:
            extra: dict[str, Any] = {}
            if _SESSION in wanted:
                extra[_SESSION] = hook.sts_session(folder_id, permission, **options)
            if _ENVIRONMENT in wanted:
                extra[_ENVIRONMENT] = stack.enter_context(
                    hook.sts_environment(folder_id, permission, **options)
                )
            if "folder_id" in wanted:
                extra["folder_id"] = folder_id
            if "permission" in wanted:
                extra["permission"] = permission
            arguments = {name: value for name, value in given.items() if name not in taken}
            self.op_kwargs = arguments
            self.python_callable = functools.partial(wrapped, **extra)
            return super().execute(context)
