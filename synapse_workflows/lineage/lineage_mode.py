"""Lineage modes: `auto`, `declared` and `off`; and blocks without lineage."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Literal

from airflow.sdk import conf

from synapse_workflows.lineage.hook_lineage import ignore_hook_lineage

LineageModeName = Literal["auto", "declared", "off"]
_suspended: ContextVar[bool] = ContextVar("lineage_suspended", default=False)


class LineageMode(StrEnum):
    """Sources of the Activities that a task writes."""

    AUTO = "auto"  # what tasks read and ran, plus declared provenance
    DECLARED = "declared"  # declared provenance only
    OFF = "off"  # no lineage

    @classmethod
    def resolve(cls, value: LineageModeName | None) -> "LineageMode":
        """Return the lineage mode of a hook or an operator.

        Args:
            value: Name of a mode; None for the mode in `[synapse] lineage_mode`.

        Raises:
            ValueError: Unknown mode.
        """
        name: str = (
            conf.get("synapse", "lineage_mode", fallback=cls.AUTO) if value is None else value
        )
        try:
            return cls(name)
        except ValueError:
            modes = ", ".join(repr(str(mode)) for mode in cls)
            raise ValueError(f"Invalid lineage_mode {name!r}: expected one of {modes}.") from None


@contextmanager
def without_lineage() -> Iterator[None]:
    """Suspend lineage inside this block, for all clients of the task.

    What is read, stored or run inside the block is not recorded. Stored entities have no asset
    event, and no Activity unless the call declares an Activity. The block applies to the current
    thread, or to the current asyncio task.
    """
    token = _suspended.set(True)
    try:
        with ignore_hook_lineage():
            yield
    finally:
        _suspended.reset(token)


def is_suspended() -> bool:
    """Return whether the caller is inside a `without_lineage` block."""
    return _suspended.get()
