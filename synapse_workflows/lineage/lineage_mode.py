"""Lineage modes: `auto`, `declared` and `off`."""

from enum import StrEnum
from typing import Literal

from airflow.sdk import conf

LineageModeName = Literal["auto", "declared", "off"]


class LineageMode(StrEnum):
    """Sources of the Activities that a task writes."""

    AUTO = "auto"  # what tasks read and ran, and what is declared
    DECLARED = "declared"  # only what is declared
    OFF = "off"  # no lineage

    @classmethod
    def resolve(cls, value: LineageModeName | None) -> "LineageMode":
        """Return the lineage mode of a hook or an operator.

        Args:
            value: the name of a mode; None for the one in `[synapse] lineage_mode`.

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
