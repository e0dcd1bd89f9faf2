"""Functions of many rows that SQLite has not, as MySQL has them."""

import math
from collections.abc import Callable
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.text import fold

#: Characters that one group may be joined to.
_MOST: Final = 16 << 20
_ALL_BITS: Final = (1 << 64) - 1


class TooMuchError(ValueError):
    """A group is larger than a cell can be."""


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


def _bits(join: Callable[[int, int], int], nothing: int) -> type:
    class Aggregate:
        def __init__(self) -> None:
            self.bits = nothing

        def step(self, value: Any) -> None:
            if value is not None:
                self.bits = join(self.bits, round(value) & _ALL_BITS)

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
        if self.size > _MOST:
            raise TooMuchError

    def finalize(self) -> str | None:
        return f"[{', '.join(self.items)}]" if self.items else None


class _JoinedTexts:
    """GROUP_CONCAT."""

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
        self.size += len(text) + len(separator)
        if self.size > _MOST:
            raise TooMuchError

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


def _key(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
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
    "json_arrayagg": (1, _JsonArray),
    "join_texts": (-1, _JoinedTexts),
}
