"""Renewal of a claim in the background, while a task works on the submission."""

import logging
import threading
from types import TracebackType
from typing import Any, Final, Self

from synapse_workflows.challenge.claim_errors import ClaimError, ClaimExpiredError
from synapse_workflows.challenge.claims import Claim, renew_claim
from synapse_workflows.challenge.server_clock import get_server_clock
from synapse_workflows.challenge.submission_status import read_status
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import RetryCategory, SynapseError

#: Fraction of the lease, and maximum time in seconds, between two renewals. A request for
#: cancellation is noticed within this time.
_FRACTION: Final = 0.25
_MAX_INTERVAL: Final = 20.0
#: Time after the end of the lease for a renewal that is slow, in seconds.
_GRACE: Final = 2.0

_log = logging.getLogger(__name__)


class CancellationRequestedError(Exception):
    """The submitter has asked to cancel the submission."""


class ClaimHeartbeat:
    """Renews the lease of a claim inside a `with` block, and watches for cancellation.

    A request for cancellation that was made before the block is known at its start.

    Args:
        client: The client.
        claim: The claim.
        lease: Time until the claim expires after a renewal, in seconds.
    """

    def __init__(self, client: Session, claim: Claim, lease: float) -> None:
        self._client = client
        self._claim = claim
        self._lease = lease
        #: SubmissionStatus at the start of the block.
        self.status: dict[str, Any] = {}
        #: End of the lease, by the clock of the server. It is read in the thread of the task.
        self._deadline = float("inf")
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="claim heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.status = read_status(self._client, self._claim.submission_id)
        self._note_cancellation(is_requested=bool(self.status.get("cancelRequested")))
        self._deadline = self._now() + self._lease
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the renewals; wait for one that is running, which may change the etag."""
        self._stopped.set()
        self._thread.join()

    def check(self) -> None:
        """Raise the reason to stop working, if any.

        Raises:
            CancellationRequestedError: The submitter has asked for it.
            ClaimLostError: The claim has ended, or another task has taken it over.
            ClaimExpiredError: The lease ran out, because the claim could not be renewed.
            SynapseError: The claim can no longer be renewed.
        """
        if self._error is not None:
            raise self._error
        if self._now() > self._deadline + _GRACE:
            raise ClaimExpiredError(
                f"The claim on the submission {self._claim.submission_id} was not renewed before "
                "its lease ran out, because Synapse did not respond. The next try continues, "
                "unless another task has claimed the submission",
                self._claim.submission_id,
            )

    def check_claim(self) -> None:
        """Raise the error of a renewal, if any. The end of the lease alone raises nothing."""
        if self._error is not None and not isinstance(self._error, CancellationRequestedError):
            raise self._error

    def _run(self) -> None:
        interval = min(_MAX_INTERVAL, self._lease * _FRACTION)
        while self._error is None and not self._stopped.wait(interval):
            started = self._now()
            try:
                self._renew()
                self._deadline = started + self._lease
            except ClaimError as error:
                self._error = error
            except SynapseError as error:
                self._note_failure(error)
            except Exception as error:  # noqa: BLE001 - raised in the thread of the task
                self._error = error

    def _now(self) -> float:
        return get_server_clock(self._client).now().timestamp()

    def _renew(self) -> None:
        renewal = renew_claim(self._client, self._claim, self._lease)
        self._note_cancellation(is_requested=renewal.is_cancel_requested)

    def _note_cancellation(self, *, is_requested: bool) -> None:
        if is_requested:
            self._error = CancellationRequestedError(
                f"The submitter has asked to cancel the submission {self._claim.submission_id}"
            )

    def _note_failure(self, error: SynapseError) -> None:
        """Stop after a permanent error; else try again, until the lease runs out."""
        if error.retry_category is RetryCategory.PERMANENT:
            self._error = error
        else:
            _log.warning("The claim was not renewed, which is tried again: %s", error)
