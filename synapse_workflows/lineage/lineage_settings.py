"""Settings of the content of Activities: recorded parameters, and the folder of stored code."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from airflow.sdk import conf
from airflow.sdk._shared.secrets_masker import redact

from synapse_workflows.client.core.redaction import redact_text
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.provenance.parameters import (
    CONF_PREFIX,
    PARAMETERS_PREFIX,
    format_parameters,
)

_log: Final = logging.getLogger(__name__)
#: All parameters, none, or those with these names.
RecordParams = bool | Sequence[str]
#: Maximum number of characters of the names of parameters in the log.
_MAX_LOGGED: Final = 1000
_FLAGS = {"true": True, "false": False, "": False}


@dataclass(frozen=True)
class LineageSettings:
    """Settings of the content of Activities.

    Args:
        record_params: Whether the description of an Activity lists the parameters and the `conf`
            of the run: all, none, or those with these names. None if it is not set.
        code_parent_id: ID of the folder or project in which code without a permanent URL is
            stored; None if it is not set.
    """

    record_params: bool | tuple[str, ...] | None = None
    code_parent_id: str | None = None

    @classmethod
    def parse(cls, record_params: Any = None, code_parent_id: Any = None) -> Self:
        """Check the values of arguments, or of the extra of a connection.

        Args:
            record_params: True, False, a list of names, or a text with names and commas; None or
                an empty text if it is not set.
            code_parent_id: `syn123`; None or an empty text if it is not set.

        Raises:
            ValueError: A value is invalid.
        """
        is_set = record_params is not None and record_params != ""
        return cls(
            _parse_record_params(record_params) if is_set else None,
            _parse_parent(code_parent_id) if code_parent_id else None,
        )

    @classmethod
    def from_config(cls) -> Self:
        """Return the settings in the section `[synapse]` of the Airflow configuration.

        Raises:
            ValueError: A value is invalid.
        """
        return cls.parse(
            conf.get("synapse", "record_params", fallback=None),
            conf.get("synapse", "code_parent_id", fallback=None),
        )

    def __or__(self, other: "LineageSettings") -> "LineageSettings":
        """Return these settings, with those of another object where they are not set."""
        params = other.record_params if self.record_params is None else self.record_params
        return LineageSettings(params, self.code_parent_id or other.code_parent_id)

    def describe_run(self, context: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the lines with the parameters and the `conf` of a run, without secrets.

        Args:
            context: Context of the running task.
        """
        if not self.record_params:
            return ()
        sources = {
            PARAMETERS_PREFIX: context.get("params"),
            CONF_PREFIX: getattr(context.get("dag_run"), "conf", None),
        }
        lines = (
            format_parameters(prefix, self._select(values))
            for prefix, values in sources.items()
            if values
        )
        return tuple(line for line in lines if line)

    def log_absent(self, context: Mapping[str, Any]) -> None:
        """Log the names in `record_params` that neither the parameters nor the `conf` have."""
        names = self.record_params if isinstance(self.record_params, tuple) else ()
        conf_ = getattr(context.get("dag_run"), "conf", None) or {}
        known = {*(context.get("params") or {}), *conf_}
        if absent := [name for name in names if name not in known]:
            _log.info(
                "Not recorded, because this run has no such parameter: %s. Its parameters: %s",
                ", ".join(map(repr, absent)),
                redact_text(", ".join(map(repr, sorted(known, key=str))))[:_MAX_LOGGED] or "none",
            )

    def _select(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values to record. Airflow hides values with secret names."""
        names = self.record_params
        selected = {
            name: value
            for name, value in dict(values).items()
            if not isinstance(names, tuple) or name in names
        }
        return {name: redact(value, str(name)) for name, value in selected.items()}


def _parse_record_params(value: Any) -> bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        flag = _FLAGS.get(value.strip().lower())
        return tuple(map(str.strip, value.split(","))) if flag is None else flag
    if isinstance(value, Sequence) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise ValueError(
        f"Invalid record_params {value!r:.100}: expected True for all parameters, False for none, "
        "or a list of names, for example ['threshold', 'cohort']."
    )


def _parse_parent(value: Any) -> str:
    try:
        parsed = parse_entity_id(value)
    except ValueError as error:
        raise ValueError(f"Invalid code_parent_id: {error}") from None
    if parsed.version is not None:
        raise ValueError(
            f"Invalid code_parent_id {value!r}: expected a folder or project, for example "
            f"{parsed.id!r}, not a version."
        )
    return parsed.id
