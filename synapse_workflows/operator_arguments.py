"""Arguments of operators and sensors: rendered template values and argument checks."""

import ast
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, get_args

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.core.redaction import redact
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.ids import parse_version_number
from synapse_workflows.provenance.activity import parse_activity, parse_declared
from synapse_workflows.provenance.record import Origin

_TEMPLATE_MARKS: Final = ("{{", "{%")
_NONE: Final = "None"
#: Keys of a reference that `staged` returns. A row of a table may have some of them.
_STAGED_KEYS: Final = frozenset({"staged", "name", "size", "md5", "dag_id", "run_id", "task_id"})
#: 100 years: longer times have no valid end.
_MAX_SECONDS: Final = 100 * 365 * 24 * 3600


class InvalidArgumentError(AirflowFailException, ValueError):
    """An argument is invalid. A task fails at once, because a retry cannot succeed.

    Args:
        message: The message, in which tokens, user info and queries of pre-signed URLs are
            redacted: an argument may be a URL by mistake.
    """

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class TemplateValues:
    """Mixin for operators that converts rendered text to None or to references.

    Without `render_template_as_native_obj`, Jinja renders every value as text. A template that
    renders to the text of a reference (`{{ ti.xcom_pull('get') }}`), or of a list of references,
    gives the references. A template that renders to the text `None` gives the value None. NaN and
    infinity become a `Decimal`, because Airflow stores the rendered values as JSON. Other values,
    and text that is not a template, are not changed.
    """

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a template as `BaseOperator` does, and convert the result.

        Args:
            content: The template, or a collection of templates.
            args: Further arguments of `BaseOperator.render_template`.
            kwargs: Further arguments of `BaseOperator.render_template`.
        """
        rendered = super().render_template(content, *args, **kwargs)  # type: ignore[misc]
        if is_template(content) and isinstance(rendered, str):
            return None if rendered.strip() == _NONE else parse_reference_text(rendered)
        has_rendered_items = isinstance(content, list | tuple | dict) and rendered is not content
        return rendered if has_rendered_items else _replace_special_floats(rendered)


def is_template(value: Any) -> bool:
    """Return whether a value is the text of a Jinja template."""
    return isinstance(value, str) and any(mark in value for mark in _TEMPLATE_MARKS)


def parse_reference_text(value: Any) -> Any:
    """Return the reference, or list of references, that a text contains.

    Args:
        value: The text of a reference as Python or JSON writes it; any other value is returned
            unchanged.
    """
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return parsed if _has_references(parsed) else value
    return value


def is_reference(value: Any) -> bool:
    """Return whether a value is a reference: an operator's JSON with an ID and a version."""
    return isinstance(value, Mapping) and {"id", "version"} <= value.keys()


def is_staged(value: Any) -> bool:
    """Return whether a value is the reference of a staged file, the result of `staged`."""
    return isinstance(value, Mapping) and value.keys() >= _STAGED_KEYS


def is_file_reference(value: Any) -> bool:
    """Return whether a value is a reference that `local_path` may accept."""
    return is_reference(value) or is_staged(value)


def parse_version(value: Any, argument: str) -> int | None:
    """Return a version number; None for None and for text that is empty after rendering.

    Args:
        value: A positive integer, its text, or None.
        argument: Name of the argument, for the error message.

    Raises:
        AirflowFailException: The value is not a version number.
    """
    if value is None or (isinstance(value, str) and value.strip() in ("", _NONE)):
        return None
    try:
        return parse_version_number(value)
    except ValueError as error:
        raise AirflowFailException(f"Invalid {argument}: {error}") from error


def optional_text(value: Any, argument: str, *, allow_empty: bool = True) -> str | None:
    """Return a value as text; None for None and for empty text. Convert numbers and dates.

    Args:
        value: Value of the argument.
        argument: Name of the argument, for the error message.
        allow_empty: Whether the text may be empty. A label or name that a template renders to
            empty text is an error, because the result would have another label or name.

    Raises:
        AirflowFailException: The value is of another type, or is empty.
    """
    if isinstance(value, str) and not value.strip() and not allow_empty:
        raise InvalidArgumentError(
            f"Invalid {argument} {value!r}: it is empty. Check the value or its template, or omit "
            f"{argument}"
        )
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int | float | Decimal | date) and not isinstance(value, bool):
        return str(value)
    raise invalid_type(value, argument, "text")


def require_text(value: Any, argument: str) -> str:
    """Return text that is not empty.

    Args:
        value: Value of the argument.
        argument: Name of the argument, for the error message.

    Raises:
        AirflowFailException: The value is empty or is not text.
    """
    if isinstance(value, str) and value.strip():
        return value
    raise invalid_type(value, argument, "text")


def check_text(value: Any, argument: str) -> None:
    """Check an argument of the constructor that is text, not empty.

    Args:
        value: Value of the argument.
        argument: Name of the argument, for the error message.

    Raises:
        InvalidArgumentError: The value is empty or is not text.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"Invalid {argument}={value!r:.80}: expected text, not empty")


def optional_mapping(value: Any, argument: str) -> dict[str, Any]:
    """Return a dictionary; an empty one for None.

    Args:
        value: A mapping, or its text as JSON.
        argument: Name of the argument, for the error message.

    Raises:
        AirflowFailException: The value is neither a mapping nor JSON text of a mapping.
    """
    if value is None:
        return {}
    if isinstance(value, str):
        with suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, Mapping):
        raise invalid_type(value, argument, "a dictionary")
    return dict(value)


def check_choice(value: Any, argument: str, choices: Any) -> None:
    """Check the value of an argument with a fixed set of values.

    Args:
        value: Value of the argument.
        argument: Name of the argument, for the error message.
        choices: A `Literal` type.

    Raises:
        InvalidArgumentError: The value is not one of the choices.
    """
    values = get_args(choices)
    if value not in values:
        raise InvalidArgumentError(
            f"Invalid {argument} {value!r}: expected one of {', '.join(map(str, values))}"
        )


def check_flags(**flags: Any) -> None:
    """Check arguments that are either True or False.

    Args:
        flags: The values by the names of the arguments.

    Raises:
        InvalidArgumentError: A value is not a boolean, for example the text `no`, which is true.
    """
    for argument, value in flags.items():
        if not isinstance(value, bool):
            raise invalid_type(value, argument, "True or False")


def parse_seconds(value: Any, argument: str) -> float:
    """Return a positive time in seconds, of at most 100 years.

    Args:
        value: A number of seconds, or a timedelta.
        argument: Name of the argument, for the error message.

    Raises:
        InvalidArgumentError: The value is not a positive time, or is too long.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= _MAX_SECONDS:
        raise InvalidArgumentError(
            f"Invalid {argument}={value!r}: expected a positive number of seconds, or a "
            f"timedelta, of at most {_MAX_SECONDS} seconds"
        )
    return seconds


def check_provenance(
    used: Any, executed: Any, activity: Mapping[str, Any] | str | None
) -> Mapping[str, Any] | None:
    """Check declared provenance before any request; return the Activity.

    Args:
        used: Additional inputs.
        executed: Additional code.
        activity: An Activity, its JSON, or None.

    Raises:
        AirflowFailException: An argument has an invalid form.
    """
    for argument, value in (("used", used), ("executed", executed)):
        try:
            parse_declared(**{argument: value})
        except (SynapseError, ValueError, TypeError, KeyError) as error:
            raise AirflowFailException(f"Invalid {argument}: {error}") from error
    if not isinstance(activity, Mapping):
        activity = optional_mapping(activity, "activity") or None
    try:
        parse_activity(activity or {}, Origin.DECLARED)
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise AirflowFailException(
            f"Invalid activity {activity!r:.200}: expected an Activity, such as "
            "Activity(used=['syn123.4']), or its JSON"
        ) from error
    return activity


def parse_provenance(
    used: Any, executed: Any, activity: Any, name: Any, description: Any
) -> dict[str, Any]:
    """Check declared provenance; return arguments of `Synapse.store`.

    Args:
        used: Additional inputs.
        executed: Additional code.
        activity: An Activity, its JSON, or None.
        name: Name of the Activity, the argument `activity_name`.
        description: Description of the Activity, the argument `activity_description`.

    Raises:
        AirflowFailException: An argument has an invalid form.
    """
    return {
        "used": used,
        "executed": executed,
        "activity": check_provenance(used, executed, activity),
        "activityName": optional_text(name, "activity_name"),
        "activityDescription": optional_text(description, "activity_description"),
    }


def invalid_type(value: Any, argument: str, expected: str) -> InvalidArgumentError:
    """Return the error for an argument of the wrong type.

    Args:
        value: Value of the argument.
        argument: Name of the argument.
        expected: Description of the expected value, with its article.
    """
    shown = "" if value is None else f" of type {type(value).__name__}"
    return InvalidArgumentError(
        f"Invalid {argument}{shown}: expected {expected}, not {value!r:.100}"
    )


def _replace_special_floats(value: Any) -> Any:
    """Return a value with NaN and infinity as `Decimal`, which Airflow's JSON accepts."""
    if isinstance(value, float):
        return value if math.isfinite(value) else Decimal(value)
    if type(value) is dict:
        return {key: _replace_special_floats(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_replace_special_floats(item) for item in value)
    return value


def _has_references(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_has_references, value))
    return is_file_reference(value)
