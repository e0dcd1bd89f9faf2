"""How much of a task's lineage becomes provenance."""

from enum import StrEnum

from airflow.sdk import conf


class LineageMode(StrEnum):
    """What an Activity is made of."""

    AUTO = "auto"  # what tasks read and ran, and what is declared on top
    DECLARED = "declared"  # only what is declared
    OFF = "off"  # nothing is gathered; the client does what it is told

    @classmethod
    def resolve(cls, word: str | None) -> "LineageMode":
        """Read the mode of a hook or an operator; None means that of the deployment.

        Raises:
            ValueError: A word that is no mode.
        """
        if word is None:
            word = conf.get("synapse", "lineage_mode", fallback=cls.AUTO)
        try:
            return cls(word)
        except ValueError:
            known = ", ".join(repr(str(mode)) for mode in cls)
            raise ValueError(f"lineage_mode is {word!r}; it can be {known}") from None
