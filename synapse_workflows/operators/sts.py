"""Operators whose child processes have STS credentials of a Synapse folder."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperator, BaseOperatorLink

from synapse_workflows.client.core.sts_tokens import StsPermission
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.hooks.sts_environment import DEFAULT_REGION, StsEnvironment
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_mode import (
    LineageMode,
    LineageModeName,
    check_lineage_required,
)
from synapse_workflows.links import OPERATOR_LINKS
from synapse_workflows.openlineage_methods import OpenLineageMethods
from synapse_workflows.operator_arguments import check_choice

if TYPE_CHECKING:
    from airflow.sdk import Context

_FIELDS: Final = ("folder_id", "permission", "synapse_conn_id")


class SynapseStsMixin(OpenLineageMethods, BaseOperator):
    """Mixin for operators that start a process with STS credentials of a Synapse folder.

    The scope is checked before the work. The credentials are only in the environment of the
    process: in no rendered field, command line or log. They are removed from the result of the
    task, too. A subclass overrides `inject_credentials`.

    Args:
        folder_id: `syn123`, or a reference (templated).
        permission: `read_only` or `read_write` (templated).
        synapse_conn_id: The connection to Synapse (templated).
        min_remaining_life: Minimum time until the credentials expire, at most 12 hours; None for
            one hour.
        region_name: AWS region of the bucket.
        lineage_mode: `merge`, `replace`, `declared` or `off`; None for `[synapse] lineage_mode`.
        lineage_required: Whether the task fails if an Activity cannot be stored; None for the
            value of the connection, or of `[synapse] lineage_required`.
        kwargs: Arguments of the other base class.

    Raises:
        InvalidArgumentError: Unknown `permission`.
        ValueError: Invalid `lineage_mode` or `lineage_required`.
    """

    template_fields: Sequence[str] = _FIELDS
    operator_extra_links = OPERATOR_LINKS
    #: Name of the operator that the mixin is for; None for any.
    _operator_name: ClassVar[str | None] = None
    #: Names of subclasses of that operator that start their processes in another way.
    _unsupported_names: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Validate the other base classes, and add their template fields.

        Raises:
            TypeError: The operator would run without credentials: it comes before the mixin, or
                the mixin is for another operator.
        """
        super().__init_subclass__(**kwargs)
        _check_bases(cls)
        links = {link.name: link for base in cls.__mro__ for link in _list_links(base)}
        cls.operator_extra_links = tuple(links.values())
        declared = (base.__dict__.get("template_fields", ()) for base in cls.__mro__)
        cls.template_fields = tuple(dict.fromkeys(name for names in declared for name in names))

    def __init__(
        self,
        *,
        folder_id: Any,
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
        super().__init__(**kwargs)
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
        """Get the credentials, and run the operator with them.

        Raises:
            StsScopeError: The folder has no credentials with this permission.
        """
        hook = SynapseHook(
            self.synapse_conn_id,
            lineage_mode=self.lineage_mode,
            lineage_required=self.lineage_required,
        )
        self.entity_url = hook.get_entity_url(parse_entity_id(self.folder_id, "folder_id").id)
        with (
            hook.sts_environment(
                self.folder_id,
                self.permission,
                min_remaining_life=self.min_remaining_life,
                region_name=self.region_name,
                set_os_environ=False,
            ) as environment,
            self.inject_credentials(environment),
        ):
            self.log.info(
                "The process has %s credentials for %s, until %s",
                self.permission,
                environment.location.url,
                environment.credentials.expiration.isoformat(timespec="seconds"),
            )
            return environment.credentials.redact(super().execute(context))

    def inject_credentials(self, environment: StsEnvironment) -> AbstractContextManager[None]:
        """Return a block inside which the process that starts gets the credentials.

        Args:
            environment: The credentials. `environment.variables` are those of AWS clients alone.

        Raises:
            NotImplementedError: The class of the operator does not define this method.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define inject_credentials: derive it from "
            "SynapseStsBashOperator, SynapseStsDockerMixin or SynapseStsKubernetesMixin, or "
            "define the method."
        )


def _list_links(base: type) -> tuple[BaseOperatorLink, ...]:
    """Return the links that a class declares itself; a property is evaluated by Airflow only."""
    links = base.__dict__.get("operator_extra_links", ())
    return () if isinstance(links, property) else tuple(links)


def _check_bases(cls: type[SynapseStsMixin]) -> None:
    bases = cls.__mro__
    operators = [base for base in bases if _is_operator(base)]
    early = [one for one in operators if bases.index(one) < bases.index(SynapseStsMixin)]
    mixin = next(base for base in bases[1:] if issubclass(base, SynapseStsMixin)).__name__
    if early:
        name = early[0].__name__
        raise TypeError(
            f"Invalid base classes of {cls.__name__}: {name} comes before the mixin and would run "
            f"without credentials. Put the mixin first: class {cls.__name__}({mixin}, {name})."
        )
    names = {base.__name__ for base in bases}
    wanted, unsupported = cls._operator_name, sorted(cls._unsupported_names & names)
    if operators and wanted is not None and (wanted not in names or unsupported):
        raise TypeError(
            f"Invalid base classes of {cls.__name__}: {mixin} gives credentials to a {wanted}, "
            f"not to a {(unsupported or [operators[0].__name__])[0]}."
        )


def _is_operator(base: type) -> bool:
    """Return whether a class implements `execute` itself, not by extending another operator."""
    if base is BaseOperator or not issubclass(base, BaseOperator):
        return False
    if issubclass(base, SynapseStsMixin) or "execute" not in vars(base):
        return False
    return not any(_is_operator(one) for one in base.__mro__[1:])


class SynapseStsBashOperator(SynapseStsMixin, BashOperator):
    """Run a Bash command with STS credentials of a Synapse folder in its environment.

        SynapseStsBashOperator(
            task_id="sync",
            folder_id="syn123",
            permission="read_write",
            bash_command='aws s3 sync results "$SYNAPSE_STS_S3_LOCATION/results"',
        )

    The variables are those of `SynapseHook.sts_environment`. Credentials that the command prints
    are masked in the log and in the result. Inside the command, a line with an exit code other
    than 0 does not fail the task, unless it is the last one or the command has `set -e`.

    Args:
        bash_command: The command (templated).
        kwargs: Further arguments of `BashOperator` and of `SynapseStsMixin`.
    """

    _environment: StsEnvironment | None = None

    @contextmanager
    def inject_credentials(self, environment: StsEnvironment) -> Iterator[None]:
        """Add the credentials to the environment of the command inside this block."""
        self._environment = environment
        try:
            yield
        finally:
            self._environment = None

    def get_env(self, context: "Context") -> dict[str, str]:
        """Return the environment of the command."""
        env: dict[str, str] = super().get_env(context)
        return env if self._environment is None else self._environment.merge(env)
