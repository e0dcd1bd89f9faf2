"""The lineage modes: `auto`, `declared` and `off`."""

from enum import StrEnum

from airflow.sdk import conf


class LineageMode(StrEnum):
    """Sources of the Activities that a task writes."""

    AUTO = "auto"  # what tasks read and ran, and what is declared
    DECLARED = "declared"  # only what is declared
    OFF = "off"  # no lineage; the client alone

    @classmethod
    def resolve(cls, value: str | None) -> "LineageMode":
        """Return the lineage mode of a hook or an operator.

        Args:
            value: the name of a mode; None for the one in `[synapse] lineage_mode`.

        Raises:
            ValueError: Unknown mode.
        """
        if value is None:
            value = conf.get("synapse", "lineage_mode", fallback=cls.AUTO)
        try:
            return cls(value)
        except ValueError:
            modes = ", ".join(repr(str(mode)) for mode in cls)
            raise ValueError(f"Invalid lineage_mode {value!r}: expected one of {modes}.") from None
