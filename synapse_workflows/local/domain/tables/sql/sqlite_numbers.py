"""Numbers in SQLite as MySQL computes with them.

Whole numbers have 64 bits and never become something else silently. Numbers with a fixed count
of decimals are kept as floating point numbers, and computed with as the decimals that they are
written with, which is exact up to 15 digits.
"""

import math
import operator
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.errors import EvaluationError

_LONG: Final = 1 << 63
_MOST_DIGITS: Final = 30
#: From here on, numbers with decimals may be other ones as floating point numbers.
_LARGE: Final = 1e15
#: Digits that Python's decimals have by default, less one for what is carried.
_PRECISION: Final = 27
_PREFIX: Final = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")


def is_long(value: int) -> bool:
    """Tell whether a whole number has 64 bits, sign included."""
    return -_LONG <= value < _LONG


def _long(value: int) -> int:
    if not is_long(value):
        raise EvaluationError("BIGINT value is out of range.")
    return value


def _exact(value: float) -> Decimal:
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def exactly(value: float | None, scale: int) -> float | None:
    """Round to a count of decimals, halves away from zero."""
    if value is None or not math.isfinite(value):
        return value
    return _rounded_exact(_exact(value), scale)


def _rounded_exact(value: Decimal, scale: int) -> float:
    if value.adjusted() + scale >= _PRECISION:
        return float(value)
    return float(value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP))


def _operation(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    def compute(left: Any, right: Any, exact: int) -> Any:
        if left is None or right is None:
            return None
        if isinstance(left, int) and isinstance(right, int) and exact:
            return _long(apply(left, right))
        if not exact or not (math.isfinite(left) and math.isfinite(right)):
            return _finite(float(apply(float(left), float(right))), left, right)
        return _kept(apply(_exact(left), _exact(right)))

    return compute


def _finite(value: float, *parts: float) -> float | None:
    """Give a result; numbers that are finite make no infinity, infinities no NaN."""
    if math.isnan(value):
        return None
    if math.isinf(value) and all(map(math.isfinite, parts)):
        raise EvaluationError("DOUBLE value is out of range.")
    return value


def _quotient(left: Any, right: Any, digits: int | None) -> float | None:
    """Divide; what is exact is cut off after some digits."""
    if left is None or right is None or right == 0:
        return None
    if digits is None or not (math.isfinite(left) and math.isfinite(right)):
        return _finite(float(left) / float(right), left, right)
    return _cut(_exact(left) / _exact(right), digits)


def _kept(value: Decimal, *, is_sum: bool = False) -> float:
    """Give a number that is exact; a large one that cannot be kept so has no answer."""
    found = float(value)
    if abs(found) >= _LARGE and (is_sum or _exact(found) != value):
        raise EvaluationError("DECIMAL value has more than 15 digits, which are not kept here.")
    return found


def _kept_total(value: float | None) -> float | None:
    """Give a sum of exact numbers, which may have lost digits when it is large."""
    return value if value is None or math.isinf(value) else _kept(_exact(value), is_sum=True)


def _cut(value: Decimal, digits: int) -> float:
    if value.adjusted() + digits >= _PRECISION:
        return _kept(value)
    return _kept(value.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN))


def _cut_off(value: float | None, digits: int) -> float | None:
    if value is None or not math.isfinite(value):
        return value
    return _cut(_exact(value), digits)


def _whole_quotient(left: Any, right: Any) -> Any:
    if left is None or right is None or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        size = abs(left) // abs(right)
        return _long(size if (left < 0) == (right < 0) else -size)
    if not (math.isfinite(left) and math.isfinite(right)):
        raise EvaluationError("BIGINT value is out of range.")
    if abs(right) < 10.0**-_MOST_DIGITS:  # as a decimal, it is zero
        return None
    found = _exact(left) / _exact(right)
    return _long(int(found))


def _remainder(left: Any, right: Any, exact: int) -> Any:
    if left is None or right is None or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int) and exact:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if math.isinf(left):
        return None
    if not exact or math.isinf(right):
        return math.fmod(left, right)
    try:
        return float(_exact(left) % _exact(right))
    except InvalidOperation:
        return math.fmod(left, right)


def _negated(value: Any) -> Any:
    if value is None:
        return None
    return _long(-value) if isinstance(value, int) else -value


def _rounded(value: Any, digits: Any, scale: int | None) -> Any:
    if value is None or digits is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return value
    places = max(-400, min(400, int(digits)))
    if isinstance(value, int) and scale is not None:
        return value if places >= 0 else _long(_tens(value, -places))
    if scale is None:
        return _near(float(value), places)
    return exactly(value, min(places, scale)) if places < scale else value


def _tens(value: int, zeros: int) -> int:
    if zeros > _MOST_DIGITS:
        return 0
    unit = int(10**zeros)
    size = (abs(value) + unit // 2) // unit * unit
    return -size if value < 0 else size


def _near(value: float, places: int) -> float:
    """Round a floating point number as C libraries do: halves to what is even."""
    try:
        unit = 10.0 ** abs(places)
        found = round(value / unit) * unit if places < 0 else round(value * unit) / unit
    except OverflowError:
        return 0.0 if places < 0 else value
    return math.copysign(found, value)


def text_number(text: Any) -> float | None:
    """Read the number that a text begins with; zero for none."""
    if text is None:
        return None
    match = _PREFIX.match(str(text))
    found = 0.0 if match is None else float(match[1])
    return math.copysign(1.7976931348623157e308, found) if math.isinf(found) else found


def _within(value: Any) -> Any:
    """Give a large whole number to compute with, if it has 64 bits."""
    return _long(int(value)) if isinstance(value, str) else value


def _large_key(value: Any) -> Any:
    """Give a large whole number to sort by."""
    return float(value) if isinstance(value, str) else value


#: Name -> number of arguments and function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "added": (3, _operation(operator.add)),
    "subtracted": (3, _operation(operator.sub)),
    "multiplied": (3, _operation(operator.mul)),
    "quotient": (3, _quotient),
    "whole_quotient": (2, _whole_quotient),
    "remainder": (3, _remainder),
    "negated": (1, _negated),
    "rounded": (3, _rounded),
    "exactly": (2, exactly),
    "cut_off": (2, _cut_off),
    "kept_total": (1, _kept_total),
    "text_number": (1, text_number),
    "within_bits": (1, _within),
    "large_key": (1, _large_key),
}
