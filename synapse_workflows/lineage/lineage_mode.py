"""Lineage modes: `merge`, `replace`, `declared` and `off`; and blocks without lineage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Final, Literal

from airflow.sdk import conf

from synapse_workflows.lineage.hook_lineage import ignore_hook_lineage

#: Names of the lineage modes. `auto` is the former name of `merge`.
LineageModeName = Literal["merge", "replace", "declared", "off", "auto"]
#: Former names of modes.
_FORMER_NAMES: Final[Mapping[str, str]] = {"auto": "merge"}
_suspended: ContextVar[bool] = ContextVar("lineage_suspended", default=False)


class LineageMode(StrEnum):
    """Sources of the Activities that a task writes."""

    MERGE = "merge"  # what tasks read and ran, declared provenance, and what a person added
    REPLACE = "replace"  # what tasks read and ran, and declared provenance
    DECLARED = "declared"  # declared provenance only
    OFF = "off"  # no lineage

    @property
    def is_automatic(self) -> bool:
        """Whether the sources include what tasks read and ran."""
        return self in (LineageMode.MERGE, LineageMode.REPLACE)

    @classmethod
    def resolve(cls, value: LineageModeName | None) -> "LineageMode":
        """Return the lineage mode of a hook or an operator.

        Args:
            value: Name of a mode; None for the mode in `[synapse] lineage_mode`.

        Raises:
            ValueError: Unknown mode.
        """
        name = str(
            conf.get("synapse", "lineage_mode", fallback=cls.MERGE) if value is None else value
        )
        try:
            return cls(_FORMER_NAMES.get(name, name))
        except ValueError:
            modes = ", ".join(repr(str(mode)) for mode in cls)
            raise ValueError(f"Invalid lineage_mode {name!r}: expected one of {modes}.") from None


def check_lineage_required(value: bool) -> bool:
    """Return `value`, the argument `lineage_required` of a hook or an operator.

    Raises:
        ValueError: The value is no boolean. Python would take the text `false` as true.
    """
    if type(value) is not bool:
        raise ValueError(
            f"Invalid lineage_required {value!r:.100}: expected True, False, or None for the "
            "value of the connection or of the configuration."
        )
    return value


def resolve_lineage_required(value: bool | None) -> bool:
    """Return whether a task fails if its Activity cannot be stored.

    Args:
        value: The value of a hook, an operator or a connection; None for the value in `[synapse]
            lineage_required`.

    Raises:
        ValueError: The value is no boolean.
    """
    if value is not None:
        return check_lineage_required(value)
    return bool(conf.getboolean("synapse", "lineage_required", fallback=False))


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
