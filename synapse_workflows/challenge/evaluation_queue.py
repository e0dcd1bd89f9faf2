"""Read an evaluation queue: the rights of the user, and submissions with their statuses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import count
from typing import Any, Final

from synapse_workflows.challenge.claim_annotations import ClaimRecord
from synapse_workflows.challenge.server_clock import get_server_clock
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError

_PAGE_SIZE: Final = 100
#: Property of UserEvaluationPermissions -> the access type that it stands for.
_RIGHTS: Final = {
    "canViewPrivateSubmissionStatusAnnotations": "READ_PRIVATE_SUBMISSION",
    "canEditSubmissionStatuses": "UPDATE_SUBMISSION",
}


@dataclass(frozen=True)
class QueuedSubmission:
    """A submission and its status.

    Args:
        id: ID of the submission.
        status: The SubmissionStatus.
        submitter: `team 123` or `user 123`, who submitted it; None if it was not read.
        created_on: When it was submitted; None if it was not read.
    """

    id: str
    status: Mapping[str, Any]
    submitter: str | None = None
    created_on: datetime | None = None

    @property
    def claim(self) -> ClaimRecord | None:
        """The claim on the submission, if any."""
        return ClaimRecord.of(self.status)

    @property
    def is_cancel_requested(self) -> bool:
        """Whether the submitter has asked to cancel the submission."""
        return bool(self.status.get("cancelRequested"))


def get_modification_time(status: Mapping[str, Any]) -> datetime:
    """Return when a SubmissionStatus was changed last, by the clock of the server."""
    return datetime.fromisoformat(status["modifiedOn"])


def require_rights(client: Session, evaluation_id: str) -> None:
    """Check that the user may read and change the submissions, and set the server clock.

    Raises:
        SynapseNotFoundError: No such evaluation.
        SynapseForbiddenError: A right is missing.

    Source:
        GET /evaluation/{id}/permissions
    """
    path = f"/evaluation/{evaluation_id}/permissions"
    try:
        reply = client.call("GET", path)
    except SynapseNotFoundError as error:
        advice = (
            f"Check evaluation_id={evaluation_id!r}, and that the connection is for the Synapse "
            "that has this queue."
        )
        raise SynapseNotFoundError(
            error.status, error.reason, error.call, advice=advice
        ) from error
    get_server_clock(client).read(reply.headers)
    missing = [right for name, right in _RIGHTS.items() if reply.json.get(name) is False]
    if missing:
        raise SynapseForbiddenError(
            HTTPStatus.FORBIDDEN,
            f"The user lacks {' and '.join(missing)} on the evaluation {evaluation_id}",
            f"GET {path}",
            advice="Share the queue with the user of the connection, with these access types.",
        )


def iter_submissions(
    client: Session, evaluation_id: str, status: str | None, *, with_submitter: bool = False
) -> Iterator[QueuedSubmission]:
    """Yield the submissions with a status, or all, in the order of the server (oldest first).

    The pages are read one after the other. Submissions that get another status meanwhile shift
    the following pages, so a submission may be missing.

    Args:
        client: The client.
        evaluation_id: ID of the evaluation queue.
        status: Status of the submissions; None for all.
        with_submitter: Read the submissions as well, which are much larger than their statuses.

    Raises:
        SynapseNotFoundError: No such evaluation.
        SynapseForbiddenError: READ_PRIVATE_SUBMISSION is missing.

    Source:
        GET /evaluation/{id}/submission/status/all, GET /evaluation/{id}/submission/bundle/all
    """
    parts = "bundle" if with_submitter else "status"
    path = f"/evaluation/{evaluation_id}/submission/{parts}/all"
    for offset in count(0, _PAGE_SIZE):
        params: dict[str, Any] = {"limit": _PAGE_SIZE, "offset": offset}
        if status is not None:
            params["status"] = status
        reply = client.call("GET", path, params=params)
        page = reply.json.get("results") or []
        for one in page:
            yield _parse_bundle(one) if with_submitter else QueuedSubmission(str(one["id"]), one)
        if len(page) < _PAGE_SIZE:
            return


def _parse_bundle(bundle: Mapping[str, Any]) -> QueuedSubmission:
    submission = bundle["submission"]
    team, user = submission.get("teamId"), submission.get("userId")
    submitter = f"team {team}" if team else f"user {user}"
    created_on = datetime.fromisoformat(submission["createdOn"])
    return QueuedSubmission(
        str(submission["id"]), bundle["submissionStatus"], submitter, created_on
    )
