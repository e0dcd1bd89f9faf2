"""Functions of many rows that SQLite has not, as MySQL has them."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.collation import fold
from synapse_workflows.local.domain.tables.sql.errors import MOST_LETTERS, EvaluationError
from synapse_workflows.local.domain.tables.sql.sqlite_json import json_order
from synapse_workflows.local.domain.tables.sql.sqlite_numbers import is_long

#: Characters that the rows of one group may be sorted by.
_MOST_HELD: Final = 64 << 20
_ALL_BITS: Final = (1 << 64) - 1
_LARGEST: Final = (1 << 63) - 1


def _check_size(size: int) -> None:
    if size > MOST_LETTERS:
        raise EvaluationError(f"A group is joined to more than {MOST_LETTERS} characters.")


class _WholeSum:
    """SUM of whole numbers; what SQLite's integers cannot hold comes as text."""

    def __init__(self) -> None:
        self.total: int | None = None

    def step(self, value: Any) -> None:
        if value is not None:
            self.total = (self.total or 0) + int(value)

    def finalize(self) -> float | str | None:
        return self.total if self.total is None or is_long(self.total) else str(self.total)


class _Deviation:
    """Mean and squares of deviations, in one pass (Welford)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def step(self, value: Any) -> None:
        if value is None:
            return
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self.squares += before * (value - self.mean)

    def variance(self, *, of_sample: bool) -> float | None:
        divisor = self.count - 1 if of_sample else self.count
        return self.squares / divisor if divisor > 0 else None


def _deviation(*, of_sample: bool, root: bool) -> type:
    class Aggregate(_Deviation):
        def finalize(self) -> float | None:
            found = self.variance(of_sample=of_sample)
            return found if found is None or not root else math.sqrt(found)

    return Aggregate


class _WholeMean(_WholeSum):
    """AVG of whole numbers, however large their sum is."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def step(self, value: Any) -> None:
        super().step(value)
        self.count += value is not None

    def finalize(self) -> float | None:
        return None if self.total is None else float(Decimal(self.total) / self.count)


def _bits_of(value: float) -> int:
    """Give 64 bits of a number; one that has more counts as the largest that there is."""
    if math.isinf(value):
        return _LARGEST if value > 0 else -_LARGEST & _ALL_BITS
    return max(-_LARGEST - 1, min(_LARGEST, round(value))) & _ALL_BITS


def _bits(join: Callable[[int, int], int], nothing: int) -> type:
    class Aggregate:
        def __init__(self) -> None:
            self.bits = nothing

        def step(self, value: Any) -> None:
            if value is not None:
                self.bits = join(self.bits, _bits_of(value))

        def finalize(self) -> int | str:
            """Give 64 bits without a sign; what SQLite's integers cannot hold as text."""
            return self.bits if self.bits < 1 << 63 else str(self.bits)

    return Aggregate


class _JsonArray:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.size = 0

    def step(self, item: str) -> None:
        self.items.append(item)
        self.size += len(item) + 2
        _check_size(self.size)

    def finalize(self) -> str | None:
        return f"[{', '.join(self.items)}]" if self.items else None


class _JoinedTexts:
    """GROUP_CONCAT."""

    def __init__(self) -> None:
        self.separator = ","
        self.distinct = False
        self.directions = ""
        self.rows: list[tuple[Any, ...]] = []
        self.size = self.held = 0

    def step(self, text: Any, separator: str, distinct: int, directions: str, *keys: Any) -> None:
        if text is None:
            return
        self.separator, self.distinct, self.directions = separator, bool(distinct), directions
        self.rows.append((text, *keys))
        self.size += len(text) + len(separator)
        _check_size(self.size)
        self.held += sum(len(key) for key in keys if isinstance(key, str | bytes))
        if self.held > _MOST_HELD:
            raise EvaluationError("A group of GROUP_CONCAT is sorted by too much text.")

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
            rows.sort(key=lambda row, at=index: _key(row[at]), reverse=direction == "d")  # type: ignore[misc]
        return self.separator.join(row[0] for row in rows)


class _JsonExtreme:
    """MAX or MIN of JSON values, by their own order."""

    sign = 1

    def __init__(self) -> None:
        self.best: str | None = None

    def step(self, text: Any) -> None:
        if text is not None and (self.best is None or self._beats(text)):
            self.best = text

    def _beats(self, text: str) -> bool:
        return json_order(text, self.best) * self.sign > 0

    def finalize(self) -> str | None:
        return self.best


class _JsonMin(_JsonExtreme):
    sign = -1


def _key(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, bytes):
        return 3, value
    return (2, fold(value)) if isinstance(value, str) else (1, value)


#: Name -> number of arguments (-1: any) and class.
AGGREGATES: Final[dict[str, tuple[int, type]]] = {
    "stddev_pop": (1, _deviation(of_sample=False, root=True)),
    "stddev_samp": (1, _deviation(of_sample=True, root=True)),
    "var_pop": (1, _deviation(of_sample=False, root=False)),
    "var_samp": (1, _deviation(of_sample=True, root=False)),
    "bit_and": (1, _bits(lambda a, b: a & b, _ALL_BITS)),
    "bit_or": (1, _bits(lambda a, b: a | b, 0)),
    "bit_xor": (1, _bits(lambda a, b: a ^ b, 0)),
    "whole_sum": (1, _WholeSum),
    "whole_avg": (1, _WholeMean),
    "json_max": (1, _JsonExtreme),
    "json_min": (1, _JsonMin),
    "json_arrayagg": (1, _JsonArray),
    "join_texts": (-1, _JoinedTexts),
}
