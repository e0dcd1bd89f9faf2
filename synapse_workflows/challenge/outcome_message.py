"""Message to the participants about the outcome of a submission: recipients and text."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.idempotency.message_sender import MAX_RECIPIENTS

#: Maximum length of a name in a message.
_MAX_NAME: Final = 80
_OUTCOMES: Final = {
    "SCORED": "was scored",
    "INVALID": "is invalid and was not scored",
    "REJECTED": "was rejected",
}


def list_recipients(submission: Mapping[str, Any]) -> list[str]:
    """Return the principal IDs of the contributors, or of the submitter if there are too many."""
    contributors = [str(one["principalId"]) for one in submission.get("contributors") or ()]
    if 0 < len(contributors) <= MAX_RECIPIENTS:
        return contributors
    return [str(submission["userId"])]


def describe_outcome(
    result: Mapping[str, Any], submission: Mapping[str, Any], challenge: str
) -> tuple[str, str]:
    """Return the subject and the text of a message.

    Args:
        result: The `SubmissionScore`.
        submission: The Submission.
        challenge: Name of the evaluation queue.
    """
    status = result["status"]
    outcome = _OUTCOMES.get(status, f"has the status {status}")
    name = f"{(submission.get('name') or '')[:_MAX_NAME]} ({submission['id']})".strip()
    entity = f"{submission['entityId']}.{submission['versionNumber']}"
    lines = [f'Your submission {name} to "{challenge}" {outcome}.', ""]
    lines += [f"{key}: {value}" for key, value in sorted(result["scores"].items())]
    lines += [f"- {reason}" for reason in result["errors"]]
    lines += ["", f"Submitted: {entity}, {submission['createdOn']}"]
    return f"{challenge[:_MAX_NAME]}: {name} {outcome}", "\n".join(lines)
