"""Check of a submission against the quota of its evaluation queue.

Synapse checks the quota when a submission is made. The check here is for submissions that were
made before the organizer set or changed the quota.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from synapse_workflows.challenge.evaluation_queue import iter_submissions
from synapse_workflows.client.core.session import Session

#: Statuses of submissions that do not count, as in Synapse.
_UNCOUNTED: Final = frozenset({"INVALID", "REJECTED"})


@dataclass(frozen=True)
class QueueQuota:
    """Quota of an evaluation queue.

    Args:
        start: Start of the first round; None if the queue is always open.
        duration: Duration of a round; None if the first round has no end.
        rounds: Number of rounds; None for any number.
        limit: Maximum number of submissions per submitter and round; None for no limit.
    """

    start: datetime | None
    duration: timedelta | None
    rounds: int | None
    limit: int | None

    @classmethod
    def parse(cls, quota: Mapping[str, Any]) -> Self:
        """Parse a SubmissionQuota."""
        start, duration = quota.get("firstRoundStart"), quota.get("roundDurationMillis")
        return cls(
            None if start is None else datetime.fromisoformat(start),
            None if duration is None else timedelta(milliseconds=duration),
            quota.get("numberOfRounds"),
            quota.get("submissionLimit"),
        )

    def find_round(self, time: datetime) -> int | None:
        """Return the number of the round at a time, from 0; None outside of the rounds."""
        if self.start is None:
            return 0
        if time < self.start:
            return None
        number = 0 if self.duration is None else (time - self.start) // self.duration
        return None if self.rounds is not None and number >= self.rounds else number

    def describe_rounds(self) -> str:
        """Return the period in which the queue accepts submissions, as text."""
        text = "always" if self.start is None else f"from {_format(self.start)}"
        if self.start is None or self.duration is None or self.rounds is None:
            return text
        return f"{text} to {_format(self.start + self.duration * self.rounds)}"


def find_violation(client: Session, evaluation_id: str, submission_id: str) -> str | None:
    """Return why the quota of the queue does not permit a submission; None if it does.

    A submission exceeds the limit if there are as many older submissions of the same team or user
    in the same round. Submissions that are INVALID or REJECTED by then are not counted.

    Raises:
        SynapseNotFoundError: No such submission.
        SynapseForbiddenError: READ or READ_PRIVATE_SUBMISSION is missing.

    Source:
        GET /evaluation/{id}, GET /evaluation/submission/{id},
        GET /evaluation/{id}/submission/bundle/all
    """
    evaluation = client.call("GET", f"/evaluation/{evaluation_id}").json
    quota = QueueQuota.parse(evaluation.get("quota") or {})
    submission = client.call("GET", f"/evaluation/submission/{submission_id}").json
    created_on = datetime.fromisoformat(submission["createdOn"])
    current = quota.find_round(created_on)
    if current is None:
        return (
            f"The submission was made at {_format(created_on)}, and the queue accepts submissions "
            f"{quota.describe_rounds()}"
        )
    if quota.limit is None:
        return None
    older, submitter = [], None
    for one in iter_submissions(client, evaluation_id, None, with_submitter=True):
        if one.id == submission_id:
            submitter = one.submitter
            break
        if one.status["status"] not in _UNCOUNTED and one.created_on is not None:
            older.append((one.submitter, quota.find_round(one.created_on)))
    if older.count((submitter, current)) < quota.limit:
        return None
    return f"The limit is {quota.limit} submissions of a submitter in a round"


def _format(time: datetime) -> str:
    return time.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC")
