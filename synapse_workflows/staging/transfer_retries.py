"""Repetition of transfers to and from the staging area after temporary failures."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from synapse_workflows.client.errors import SynapseTransferError

T = TypeVar("T")
_ATTEMPTS: Final = 3
#: Seconds before the second attempt; twice as many before the third.
_WAIT_SECONDS: Final = 0.5
_log: Final = logging.getLogger(__name__)


def retry_transfer(transfer: Callable[[], T]) -> T:
    """Run a transfer, up to three times if the storage fails.

    Raises:
        SynapseTransferError: All attempts failed.
    """
    retrying = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential(multiplier=_WAIT_SECONDS),
        retry=retry_if_exception_type(SynapseTransferError),
        before_sleep=before_sleep_log(_log, logging.WARNING),
        reraise=True,
    )
    return retrying(transfer)
