"""Claim the submissions of an evaluation queue, in competition with other tasks."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from synapse_workflows.challenge.claim_annotations import ClaimRecord
from synapse_workflows.challenge.claim_attempt import ClaimAttempt, ClaimOptions, LostRaceError
from synapse_workflows.challenge.claim_errors import ClaimError
from synapse_workflows.challenge.claim_ids import (
    create_claim_id,
    load_identity,
    shorten_claimant,
)
from synapse_workflows.challenge.claims import Claim, release_claim
from synapse_workflows.challenge.evaluation_queue import (
    QueuedSubmission,
    iter_submissions,
    require_rights,
)
from synapse_workflows.challenge.server_clock import get_server_clock
from synapse_workflows.challenge.submitter_quota import SubmitterQuota
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseNotFoundError
from synapse_workflows.idempotency.task_state import TaskState

_STATE_KEY: Final = "claim_submissions"
#: Number of submissions that are read and then claimed.
_WINDOW: Final = 100
#: Maximum number of submissions to pass over after lost races.
_MAX_SPREAD: Final = 31
#: Seconds since the claims were read after which another try of the task may have claimed. Airflow
#: starts it when the heartbeats of this one are missing.
_FROZEN_SECONDS: Final = 5.0
#: Number of lost races after which a submission is left to others.
_MAX_LOST: Final = 5
#: Number of times that the excess of a submitter is released and claimed again.
_QUOTA_ROUNDS: Final = 8
#: Maximum delay before the first of these rounds, in seconds. It doubles with each round.
_QUOTA_DELAY: Final = 0.05


def claim_submissions(
    client: Session,
    evaluation_id: str,
    claimant: str,
    options: ClaimOptions,
    task: TaskState,
) -> list[Claim]:
    """Claim submissions of an evaluation queue, oldest first.

    If other tasks claim submissions of the queue at the same time, each submission is claimed by
    one of them. A submission whose claim has expired is claimed again. A submission whose
    cancellation was requested is not claimed; it gets the status `options.cancelled_status`. A
    retry keeps the claims of the earlier tries, and renews their leases.

    Args:
        client: The client.
        evaluation_id: ID of the evaluation queue.
        claimant: The task, `dag/run/task[map_index]`.
        options: What to claim.
        task: State of the task. A retry keeps the claims of the earlier tries; a cleared task
            does not.

    Returns:
        The claims, oldest submission first.

    Raises:
        SynapseNotFoundError: No such evaluation.
        SynapseForbiddenError: READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION is missing.
        SynapseBadRequestError: Synapse refused every claim.

    Source:
        GET /evaluation/{id}/submission/bundle/all, PUT /evaluation/submission/{id}/status
    """
    require_rights(client, evaluation_id)
    identity = load_identity(task, _STATE_KEY, evaluation_id)
    claimer = SubmissionClaimer(client, evaluation_id, claimant, options, identity)
    claimer.claim_from_in_progress()
    claimer.claim_new()
    return claimer.get_claims()


class SubmissionClaimer:
    """Claims of one task on the submissions of a queue.

    Args:
        client: The client.
        evaluation_id: ID of the evaluation queue.
        claimant: The task, `dag/run/task[map_index]`.
        options: What to claim.
        identity: Text that the IDs of the claims start with.
    """

    def __init__(
        self,
        client: Session,
        evaluation_id: str,
        claimant: str,
        options: ClaimOptions,
        identity: str,
    ) -> None:
        self._client = client
        self._evaluation_id = evaluation_id
        self._name = shorten_claimant(claimant)
        self._identity = identity
        self._options = options
        self._quota = SubmitterQuota(options.max_per_submitter, self._iter_in_progress)
        self._claims: dict[str, Claim] = {}
        #: Submissions that this task leaves as they are.
        self._excluded: set[str] = set()
        self._lost: Counter[str] = Counter()
        self._spread = 0
        #: Time at which the claims of other tries were read.
        self._read_at = 0.0
        self._refusals: list[SynapseBadRequestError] = []

    def claim_from_in_progress(self) -> None:
        """Keep the claims of earlier tries, then take over claims that have expired."""
        self._read_at = time.monotonic()
        in_progress = list(self._iter_in_progress())
        self._quota.count(in_progress)
        now = get_server_clock(self._client).now()
        for submission in in_progress:
            if self._is_own(submission.claim):
                self._keep(submission)
        for submission in in_progress:
            if submission.claim is not None and submission.claim.is_expired(now):
                self._take_over(submission)

    def claim_new(self) -> None:
        """Claim submissions without a claim."""
        rounds = 0
        while not self._is_full and (window := self._read_window()):
            claimed = self._claim_window(window)
            excess = self._quota.find_excess(claimed)
            for submission in excess:
                self._release(submission)
            if excess:
                rounds += 1
                if rounds >= _QUOTA_ROUNDS:
                    return
                delay = _QUOTA_DELAY * 2**rounds
                time.sleep(random.uniform(0, delay))  # noqa: S311 - no secret

    def get_claims(self) -> list[Claim]:
        """Return the claims, oldest submission first.

        Raises:
            SynapseBadRequestError: Synapse refused every claim.
        """
        if self._refusals and not self._claims:
            raise self._refusals[0]
        return [self._claims[key] for key in sorted(self._claims, key=int)]

    def _is_own(self, record: ClaimRecord | None) -> bool:
        """Return whether a claim was made by an earlier try of the task, and has not ended."""
        if record is None or record.expires_on is None or record.claimed_by != self._name:
            return False
        return record.claim_id.startswith(self._identity)

    @property
    def _is_full(self) -> bool:
        limit = self._options.max_claims
        return limit is not None and len(self._claims) >= limit

    def _iter_in_progress(self) -> Iterator[QueuedSubmission]:
        return self._iter_submissions(self._options.new_status)

    def _iter_submissions(self, status: str) -> Iterator[QueuedSubmission]:
        return iter_submissions(
            self._client,
            self._evaluation_id,
            status,
            with_submitter=self._options.max_per_submitter is not None,
        )

    def _read_window(self) -> list[QueuedSubmission]:
        """Return the oldest submissions that can be claimed, as far as is known."""
        queue = self._iter_submissions(self._options.status)
        fresh = (one for one in queue if one.id not in self._excluded)
        window = list(islice((one for one in fresh if self._has_room(one)), _WINDOW))
        if time.monotonic() - self._read_at > _FROZEN_SECONDS:
            self._keep_claims_of_next_try()
        return window

    def _keep_claims_of_next_try(self) -> None:
        """Keep what another try has claimed while this one was frozen.

        The limit holds for both, and the result of this try may replace that of the other one.
        """
        self._read_at = time.monotonic()
        for submission in list(self._iter_in_progress()):
            is_known = submission.id in self._claims
            if self._is_own(submission.claim) and not (is_known or self._is_full):
                self._keep(submission)

    def _has_room(self, submission: QueuedSubmission) -> bool:
        return submission.is_cancel_requested or self._quota.has_room(submission)

    def _claim_window(self, window: list[QueuedSubmission]) -> list[QueuedSubmission]:
        """Claim submissions until a race is lost; return the claimed ones.

        After a lost race, the queue is read again: other tasks are claiming. The next window is
        started at a random place, further away after each lost race, so that tasks that claim at
        the same time soon claim at different places.
        """
        start = random.randint(0, self._spread) % len(window)  # noqa: S311 - no secret
        claimed: list[QueuedSubmission] = []
        for submission in window[start:] + window[:start]:
            if self._is_full:
                break
            if not self._has_room(submission):
                continue
            try:
                if self._attempt(submission):
                    claimed.append(submission)
                    self._quota.add(submission)
            except LostRaceError:
                self._spread = min(_MAX_SPREAD, self._spread * 2 + 1)
                break
            self._spread = max(0, self._spread - 1)
        return claimed

    def _attempt(self, submission: QueuedSubmission, *, is_own: bool = False) -> bool:
        """Claim a submission; return whether it was claimed.

        Args:
            submission: The submission.
            is_own: Whether the task holds the claim already.

        Raises:
            LostRaceError: Another client has changed the status meanwhile.
        """
        record = submission.claim if is_own else None
        claim_id = record.claim_id if record else create_claim_id(self._identity)
        attempt = ClaimAttempt(self._client, submission, claim_id, self._name, self._options)
        try:
            claim = attempt.run(self._evaluation_id)
        except LostRaceError:
            self._lost[submission.id] += 1
            if self._lost[submission.id] >= _MAX_LOST:
                self._excluded.add(submission.id)
            raise
        except SynapseNotFoundError:
            self._client.logger.info("The submission %s was withdrawn", submission.id)
            claim = None
        except SynapseBadRequestError as error:
            self._client.logger.warning("Cannot claim the submission %s: %s", submission.id, error)
            self._refusals.append(error)
            claim = None
        if claim is None:
            self._excluded.add(submission.id)
            return False
        self._claims[submission.id] = claim
        return True

    def _keep(self, submission: QueuedSubmission) -> None:
        """Renew a claim of an earlier try; release it if there are too many."""
        is_excess = self._is_full
        with suppress(LostRaceError):
            if self._attempt(submission, is_own=True) and is_excess:
                self._release(submission)

    def _take_over(self, submission: QueuedSubmission) -> None:
        """Claim a submission whose claim has expired, unless another task is faster."""
        if self._is_full or submission.id in self._claims:
            return
        with suppress(LostRaceError):
            if self._attempt(submission) and submission.claim is not None:
                self._client.logger.warning(
                    "Took over the submission %s: the claim of %s has expired",
                    submission.id,
                    submission.claim.claimed_by,
                )

    def _release(self, submission: QueuedSubmission) -> None:
        """Release a claim that exceeds a limit."""
        claim = self._claims.pop(submission.id)
        try:
            release_claim(self._client, claim, status=self._options.status, is_attempt=False)
        except (ClaimError, SynapseNotFoundError) as error:
            self._client.logger.info("No claim to release: %s", error)
