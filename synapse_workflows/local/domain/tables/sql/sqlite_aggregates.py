"""Aggregate functions that SQLite does not have."""

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.collation import fold
from synapse_workflows.local.domain.tables.sql.errors import EvaluationError

#: Maximum total number of characters of the texts of a group, and also of its sort keys.
MAX_GROUP_SIZE: Final = 4 << 20
_LIMIT: Final = 1 << 63


def _create_variance(*, of_sample: bool, root: bool) -> type:
    class Variance:
        """Variance in one pass (Welford's algorithm)."""

        def __init__(self) -> None:
            self.count = 0
            self.mean = self.squares = 0.0

        def step(self, value: Any) -> None:
            if value is not None:
                self.count += 1
                delta = value - self.mean
                self.mean += delta / self.count
                self.squares += delta * (value - self.mean)

        def finalize(self) -> float | None:
            divisor = self.count - 1 if of_sample else self.count
            if divisor <= 0:
                return None
            return math.sqrt(self.squares / divisor) if root else self.squares / divisor

    return Variance


def _create_bitwise(combine: Callable[[int, int], int], initial: int) -> type:
    class Bitwise:
        """Bitwise aggregate of 64-bit integers. Other numbers are rounded first."""

        def __init__(self) -> None:
            self.bits = initial

        def step(self, value: Any) -> None:
            if value is None:
                return
            if not -_LIMIT <= value < _LIMIT:
                raise EvaluationError(f"Integer overflow: {value} has more than 64 bits.")
            self.bits = combine(self.bits, round(value))

        def finalize(self) -> int:
            return self.bits

    return Bitwise


class _GroupConcat:
    """GROUP_CONCAT with DISTINCT, ORDER BY and SEPARATOR."""

    def __init__(self) -> None:
        self.separator = ","
        self.distinct = False
        self.directions = ""
        self.rows: list[tuple[Any, ...]] = []
        self.size = 0

    def step(self, text: Any, separator: str, distinct: int, directions: str, *keys: Any) -> None:
        if text is None:
            return
        self.separator, self.distinct, self.directions = separator, bool(distinct), directions
        self.rows.append((text, *keys))
        texts = [text, separator, *(key for key in keys if isinstance(key, str))]
        self.size += sum(map(len, texts))
        if self.size > MAX_GROUP_SIZE:
            raise EvaluationError(
                f"A group of GROUP_CONCAT has more than {MAX_GROUP_SIZE} characters."
            )

    def finalize(self) -> str | None:
        if not self.rows:
            return None
        rows = self.rows
        if self.distinct:
            first: dict[str, tuple[Any, ...]] = {}
            for row in rows:
                first.setdefault(fold(row[0]), row)
            rows = list(first.values())
        for index, direction in reversed(list(enumerate(self.directions, 1))):
            rows.sort(key=lambda row, at=index: _get_sort_key(row[at]), reverse=direction == "d")  # type: ignore[misc]
        return self.separator.join(row[0] for row in rows)


def _get_sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    return (2, fold(value)) if isinstance(value, str) else (1, value)


#: SQL name -> number of arguments (-1 for any number) and aggregate class.
AGGREGATES: Final[dict[str, tuple[int, type]]] = {
    "stddev_pop": (1, _create_variance(of_sample=False, root=True)),
    "stddev_samp": (1, _create_variance(of_sample=True, root=True)),
    "var_pop": (1, _create_variance(of_sample=False, root=False)),
    "var_samp": (1, _create_variance(of_sample=True, root=False)),
    "bit_and": (1, _create_bitwise(operator.and_, -1)),
    "bit_or": (1, _create_bitwise(operator.or_, 0)),
    "bit_xor": (1, _create_bitwise(operator.xor, 0)),
    "ordered_group_concat": (-1, _GroupConcat),
}
