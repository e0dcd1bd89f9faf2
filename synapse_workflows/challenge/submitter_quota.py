"""Limit of the number of submissions of one submitter that are evaluated at the same time."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from synapse_workflows.challenge.evaluation_queue import QueuedSubmission


class SubmitterQuota:
    """Limit of the submissions in progress of one team, or of one user without a team.

    Args:
        limit: The maximum; None for no limit.
        read_in_progress: Returns the submissions in progress.
    """

    def __init__(
        self, limit: int | None, read_in_progress: Callable[[], Iterable[QueuedSubmission]]
    ) -> None:
        self._limit = limit
        self._read_in_progress = read_in_progress
        self._counts: Counter[str | None] = Counter()

    def count(self, in_progress: Iterable[QueuedSubmission]) -> None:
        """Count the submissions in progress."""
        self._counts = Counter(one.submitter for one in in_progress)

    def has_room(self, submission: QueuedSubmission) -> bool:
        """Return whether one more submission of the same submitter may be claimed."""
        return self._limit is None or self._counts[submission.submitter] < self._limit

    def add(self, submission: QueuedSubmission) -> None:
        """Count a submission that was claimed."""
        self._counts[submission.submitter] += 1

    def find_excess(self, claimed: Sequence[QueuedSubmission]) -> list[QueuedSubmission]:
        """Return the submissions to release because other tasks have claimed at the same time.

        Two tasks that exceed the limit together may both have to release a submission, because
        neither knows whether the other one has counted before or after its own claim.

        Args:
            claimed: The submissions that this task has claimed since it counted, oldest first.
        """
        if self._limit is None or not claimed:
            return []
        self.count(self._read_in_progress())
        excess = []
        for submission in reversed(claimed):
            if self._counts[submission.submitter] > self._limit:
                self._counts[submission.submitter] -= 1
                excess.append(submission)
        return excess
