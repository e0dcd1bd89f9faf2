"""Maximum size of a cache, as settings have it: `20 GB`."""

import re
from typing import Any, Final

from synapse_workflows.client.errors import SynapseConfigError
from synapse_workflows.constants import GiB, KiB, MiB

_UNITS: Final = {
    "": 1,
    "b": 1,
    **dict.fromkeys(("k", "kb", "kib"), KiB),
    **dict.fromkeys(("m", "mb", "mib"), MiB),
    **dict.fromkeys(("g", "gb", "gib"), GiB),
    **dict.fromkeys(("t", "tb", "tib"), 1024 * GiB),
}


def parse_size(text: Any) -> int | None:
    """Parse a size such as `20 GB`, `512MiB` or a number of bytes.

    Returns:
        The size in bytes; None for `none` or `unlimited`.

    Raises:
        SynapseConfigError: Invalid size.
    """
    normalized = str(text).strip().lower()
    if normalized in ("none", "unlimited"):
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", normalized)
    if match is None or match[2] not in _UNITS:
        raise SynapseConfigError(
            f"Invalid cache_limit {text!r}: expected a size such as '20 GB', or 'none'. Set it in "
            "the extra of the connection, or in [synapse] of the Airflow configuration."
        )
    return int(float(match[1]) * _UNITS[match[2]])
