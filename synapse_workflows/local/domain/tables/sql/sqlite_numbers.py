"""Arithmetic of SQL statements.

Integers have 64 bits. An integer result that does not fit into 64 bits is an error and is not
converted to a floating point number.
"""

import math
import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.errors import EvaluationError

_LIMIT: Final = 1 << 63
#: Maximum number of decimal places. Rounding to more places changes no floating point number.
_MAX_PLACES: Final = 330
#: Enough digits for every floating point number with _MAX_PLACES decimal places.
_ROUNDING: Final = Context(prec=700, rounding=ROUND_HALF_UP)


def _check_range(value: Any) -> Any:
    """Return a number unchanged. Raise an error for an integer of more than 64 bits."""
    if isinstance(value, int) and not -_LIMIT <= value < _LIMIT:
        raise EvaluationError(f"Integer overflow: {value} has more than 64 bits.")
    return value


def _create_arithmetic(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def function(left: Any, right: Any) -> Any:
        return None if left is None or right is None else _check_range(compute(left, right))

    return function


def _divide_integers(left: Any, right: Any) -> int | None:
    """Divide and truncate towards zero. Return None for a division by zero."""
    if left is None or right is None or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        size = abs(left) // abs(right)
        return int(_check_range(size if (left < 0) == (right < 0) else -size))
    quotient = left / right
    if not math.isfinite(quotient):
        raise EvaluationError(f"Integer overflow: {left} DIV {right} has more than 64 bits.")
    return int(_check_range(int(quotient)))


def _compute_remainder(left: Any, right: Any) -> Any:
    """Return the remainder of a division, with the sign of the dividend."""
    if left is None or right is None or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        return abs(left) % abs(right) * (-1 if left < 0 else 1)
    return None if math.isinf(left) else math.fmod(left, right)


def _round(value: Any, places: Any) -> Any:
    """Round to a number of decimal places, halves away from zero."""
    if value is None or places is None:
        return None
    if not math.isfinite(value):
        return value
    exponent = -max(-_MAX_PLACES, min(_MAX_PLACES, int(places)))
    if isinstance(value, int) and exponent <= 0:
        return value
    rounded = Decimal(repr(value)).quantize(Decimal(f"1e{exponent}"), context=_ROUNDING)
    return _check_range(int(rounded)) if isinstance(value, int) else float(rounded)


#: SQL name -> number of arguments and Python function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "checked_add": (2, _create_arithmetic(operator.add)),
    "checked_subtract": (2, _create_arithmetic(operator.sub)),
    "checked_multiply": (2, _create_arithmetic(operator.mul)),
    "integer_quotient": (2, _divide_integers),
    "remainder": (2, _compute_remainder),
    "rounded": (2, _round),
}
