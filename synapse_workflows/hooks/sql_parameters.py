"""Parameters of SQL queries as literals: Synapse takes queries as plain text."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any, Final

from synapse_workflows.client.model.cell_values import is_missing, to_builtin, to_epoch_millis
from synapse_workflows.operator_arguments import InvalidArgumentError

#: Matches quoted text, which has no placeholders, and the placeholders outside quotes.
_PLACEHOLDER: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|%%|%s|%\((\w+)\)s""")


def bind_parameters(sql: str, parameters: Iterable[Any] | Mapping[str, Any] | None) -> str:
    """Replace the placeholders of a query by literals.

    Args:
        sql: The query, with the placeholders `%s` for a sequence of values, or `%(name)s` for a
            mapping. With parameters, `%%` outside quotes is a percent sign.
        parameters: The values: text, numbers, booleans, dates, or lists of these for `in`; None
            for a query without placeholders, which is returned unchanged.

    Raises:
        InvalidArgumentError: Placeholders and values do not match, or a value has no literal.
    """
    if parameters is None:
        return sql
    names = parameters if isinstance(parameters, Mapping) else None
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Iterable):
        raise InvalidArgumentError(
            f"Invalid parameters {parameters!r:.100}: expected a list of values, or a dictionary "
            f"of values by name. Pass a single value as [{parameters!r:.100}]"
        )
    values = iter(() if names is not None else parameters)

    def replace(match: re.Match[str]) -> str:
        if match[0][0] in "'\"":
            return match[0]
        if match[0] == "%%":
            return "%"
        if (match[1] is None) is not (names is None):
            raise InvalidArgumentError(
                f"Placeholder {match[0]} does not match {type(parameters).__name__}"
            )
        try:
            return _to_literal(next(values) if names is None else names[match[1]])
        except (StopIteration, KeyError):
            raise InvalidArgumentError(
                f"No parameter for the placeholder {match[0]} of {sql!r}"
            ) from None

    bound = _PLACEHOLDER.sub(replace, sql)
    unused = list(values)
    if unused:
        raise InvalidArgumentError(
            f"{len(unused)} parameters have no placeholder in {sql!r}. Placeholders are %s for a "
            "list of values, and %(name)s for a dictionary"
        )
    return bound


def _to_literal(value: Any) -> str:
    """Return the SQL literal of a value; of a list, its items in parentheses."""
    value = to_builtin(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, date):
        return str(to_epoch_millis(value))
    if isinstance(value, Real | Decimal) and not is_missing(value) and math.isfinite(value):
        return format(value, "f") if isinstance(value, Decimal) else repr(value)
    if isinstance(value, list | tuple | set | frozenset) and value:
        return f"({', '.join(map(_to_literal, value))})"
    hint = ". Use 'is null'" if is_missing(value) else ""
    raise InvalidArgumentError(f"Parameter {value!r:.100} has no SQL literal{hint}")
