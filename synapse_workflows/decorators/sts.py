"""The decorator `@task.synapse_sts`."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from synapse_workflows.client.core.sts_tokens import StsPermission
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.hooks.sts_environment import DEFAULT_REGION
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_mode import (
    LineageMode,
    LineageModeName,
    check_lineage_required,
)
from synapse_workflows.links import OPERATOR_LINKS
from synapse_workflows.operator_arguments import InvalidArgumentError, check_choice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from synapse_workflows.hooks.sts_credentials import StsCredentials, StsCredentialSource

_SESSION: Final = "sts_session"
_ENVIRONMENT: Final = "sts_environment"
#: Arguments of the operator that a call of the task may give, also mapped.
_CALL_ARGUMENTS: Final = ("folder_id", "permission")


class _StsDecoratedOperator(DecoratedOperator, PythonOperator):
    """Operator of a function that is decorated with `@task.synapse_sts`."""

    custom_operator_name = "@task.synapse_sts"
    operator_extra_links = OPERATOR_LINKS
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
        min_remaining_life: timedelta | None = None,
        region_name: str = DEFAULT_REGION,
        lineage_mode: LineageModeName | None = None,
        lineage_required: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if lineage_mode is not None:
            LineageMode.resolve(lineage_mode)
        if lineage_required is not None:
            check_lineage_required(lineage_required)
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
        self.min_remaining_life = min_remaining_life
        self.region_name = region_name
        self.lineage_mode = lineage_mode
        self.lineage_required = lineage_required
        #: URL of the folder on the Synapse portal, for `SynapseEntityLink`.
        self.entity_url: str | None = None
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()

    def execute(self, context: "Context") -> Any:
        """Get the credentials and call the function with them; remove them from its result.

        Raises:
            InvalidArgumentError: There is no `folder_id`.
            StsScopeError: The folder has no credentials with this permission.
        """
        for name in _CALL_ARGUMENTS:
            if self.op_kwargs.get(name) is not None:
                setattr(self, name, self.op_kwargs[name])
        if self.folder_id is None:
            raise InvalidArgumentError(
                "Missing folder_id: pass it to @task.synapse_sts, or to the call of the task."
            )
        own = {name: getattr(self, name) for name in _CALL_ARGUMENTS}
        self.op_kwargs = {**self.op_kwargs, **own}
        hook = SynapseHook(
            self.synapse_conn_id,
            lineage_mode=self.lineage_mode,
            lineage_required=self.lineage_required,
        )
        self.entity_url = hook.get_entity_url(parse_entity_id(self.folder_id, "folder_id").id)
        wanted = inspect.signature(self.python_callable).parameters
        access: dict[str, Any] = {}
        issuers: list[StsCredentials | StsCredentialSource] = []
        with ExitStack() as stack:
            if _SESSION in wanted:
                session = hook.sts_session(**own, region_name=self.region_name)
                access[_SESSION] = session
                issuers.append(session.source)
            if _ENVIRONMENT in wanted:
                environment = hook.sts_environment(
                    **own,
                    region_name=self.region_name,
                    min_remaining_life=self.min_remaining_life,
                )
                access[_ENVIRONMENT] = stack.enter_context(environment)
                issuers.append(access[_ENVIRONMENT].credentials)
            result = self._call_function(cast("Context", {**context, **access}))
        for issuer in issuers:
            result = issuer.redact(result)
        return result

    def _call_function(self, context: "Context") -> Any:
        """Call the function; restore `op_kwargs`, to which `PythonOperator` adds its arguments.

        Callbacks and `dag.test()` read or serialize the operator after the task.
        """
        op_kwargs = self.op_kwargs
        try:
            return super().execute(context)
        finally:
            self.op_kwargs = op_kwargs


def synapse_sts_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a task with access to the S3 storage of a Synapse folder, as `@task.synapse_sts`.

    The function takes `sts_session`, a boto3 session whose credentials are renewed, or
    `sts_environment`, the environment of child processes, or both, by these names; see
    `SynapseHook.sts_session` and `SynapseHook.sts_environment`:

        @task.synapse_sts(folder_id="syn123", permission="read_write")
        def count_lines(key: str, sts_session) -> int:
            s3 = sts_session.client("s3")
            body = s3.get_object(Bucket=sts_session.bucket, Key=sts_session.key(key))["Body"]
            return sum(1 for line in body)

        count_lines.expand(key=["a.csv", "b.csv"])

    A call of the task may give `folder_id` and `permission`, also mapped:
    `count_lines.partial(key="a.csv").expand(folder_id=["syn1", "syn2"])`. The function gets these,
    too, if it has parameters of these names.

    Args:
        python_callable: The function.
        multiple_outputs: As for `@task`.
        kwargs: `folder_id` and `permission` (templated), `synapse_conn_id` (templated),
            `min_remaining_life`, `region_name`,
            `lineage_mode` and `lineage_required`, as for `SynapseStsBashOperator`, and arguments
            of `PythonOperator`.

    Raises:
        ValueError: The function does not take the credentials, or is a coroutine function.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        return task_decorator_factory(
            python_callable=_expose_arguments(function),
            multiple_outputs=multiple_outputs,
            decorated_operator_class=_StsDecoratedOperator,
            **kwargs,
        )

    return decorate if python_callable is None else decorate(python_callable)  # type: ignore[return-value]


def _expose_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with the signature of the task: credentials optional, `folder_id`."""
    parameters = inspect.signature(function).parameters
    _check_function(function, parameters)
    given = {_SESSION, _ENVIRONMENT, *_CALL_ARGUMENTS}
    exposed = [one for name, one in parameters.items() if name not in given]
    has_rest = bool(exposed) and exposed[-1].kind is inspect.Parameter.VAR_KEYWORD
    rest = [exposed.pop()] if has_rest else []
    optional = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in (_SESSION, _ENVIRONMENT, *_CALL_ARGUMENTS)
        if name in parameters or name in _CALL_ARGUMENTS
    ]
    signature = inspect.Signature([*exposed, *optional, *rest])

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = signature.bind(*args, **kwargs).arguments
        others = arguments.pop(rest[0].name, {}) if rest else {}
        known = {name: value for name, value in arguments.items() if name in parameters}
        return function(**known, **others)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _check_function(
    function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]
) -> None:
    name = getattr(function, "__name__", function)
    if not {_SESSION, _ENVIRONMENT} & set(parameters):
        raise ValueError(
            f"Invalid function {name!r}: a task of @task.synapse_sts has a parameter "
            f"{_SESSION!r} or {_ENVIRONMENT!r}."
        )
    if inspect.iscoroutinefunction(function):
        raise ValueError(
            f"Invalid function {name!r}: @task.synapse_sts takes no coroutine functions."
        )
    for one in parameters.values():
        if one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL):
            raise ValueError(
                f"Invalid function {name!r}: the parameter {one.name!r} cannot be given by name."
            )
