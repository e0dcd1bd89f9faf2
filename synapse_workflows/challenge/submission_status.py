"""Read and update the status of a submission, with its etag.

Source: https://rest-docs.synapse.org/rest/org/sagebionetworks/evaluation/model/SubmissionStatus.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from synapse_workflows.challenge.server_clock import get_server_clock
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.session import Session

#: Returns the changed status; None if no change is needed. Raises an error to give up.
StatusChange = Callable[[dict[str, Any]], Mapping[str, Any] | None]


def read_status(client: Session, submission_id: str) -> dict[str, Any]:
    """Return the SubmissionStatus of a submission, and set the server clock of the client.

    Raises:
        SynapseNotFoundError: No such submission.
        SynapseForbiddenError: The user may not read the evaluation.

    Source:
        GET /evaluation/submission/{id}/status
    """
    return _json(client, client.call("GET", _path(submission_id)))


def update_status(
    client: Session,
    submission_id: str,
    change: StatusChange,
    status: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Change the status of a submission that no other client has changed since it was read.

    After a conflict, the status is read and changed again. If the response to an update was lost,
    the client repeats the update, which conflicts with itself. `change` then gets the status that
    it has written, and should return None.

    Args:
        client: The client.
        submission_id: ID of the submission.
        change: Returns the changed status.
        status: The status, if it has been read before; None to read it.

    Returns:
        The status on the server.

    Raises:
        SynapseNotFoundError: No such submission.
        SynapseForbiddenError: The user may not change submission statuses of the evaluation.
        SynapseBadRequestError: The changed status is invalid.
        SynapseStaleError: Other clients keep changing the status.

    Source:
        PUT /evaluation/submission/{id}/status
    """
    known = [] if status is None else [dict(status)]

    def update() -> dict[str, Any]:
        current = known.pop() if known else read_status(client, submission_id)
        changed = change(current)
        if changed is None:
            return current
        return _json(client, client.call("PUT", _path(submission_id), json=changed))

    return retry_stale(update)


def _path(submission_id: str) -> str:
    return f"/evaluation/submission/{submission_id}/status"


def _json(client: Session, reply: Reply) -> dict[str, Any]:
    get_server_clock(client).read(reply.headers)
    return dict(reply.json)
