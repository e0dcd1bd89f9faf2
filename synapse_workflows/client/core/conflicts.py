"""Repetition of updates that failed because another client changed the object meanwhile."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from synapse_workflows.client.errors import SynapseStaleError

T = TypeVar("T")

#: Maximum number of concurrent changes by other clients that one update tolerates.
_MAX_CONFLICTS: Final = 60
_FIRST_DELAY: Final = 0.02
_MAX_DELAY: Final = 0.5


def retry_stale(update: Callable[[], T]) -> T:
    """Repeat an update until its etag is current when Synapse processes it.

    Args:
        update: Reads an object, changes it and stores it under the etag that it has read.

    Raises:
        SynapseStaleError: Other clients keep changing the object.
    """
    for attempt in range(_MAX_CONFLICTS):
        try:
            return update()
        except SynapseStaleError:
            delay = min(_MAX_DELAY, _FIRST_DELAY * 2**attempt)
        time.sleep(random.uniform(0, delay))  # noqa: S311 - no secret
    return update()
