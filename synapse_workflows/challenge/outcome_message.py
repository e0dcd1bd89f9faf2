"""Text of the message to the participants about the outcome of a submission."""

from collections.abc import Mapping
from typing import Any, Final

_OUTCOMES: Final = {
    "SCORED": "was scored",
    "INVALID": "is invalid and was not scored",
    "REJECTED": "was rejected",
}


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
    name = f"{submission.get('name') or 'your submission'} ({submission['id']})"
    entity = f"{submission['entityId']}.{submission['versionNumber']}"
    lines = [f'Your submission {name} to "{challenge}" {outcome}.', ""]
    lines += [f"{key}: {value}" for key, value in sorted(result["scores"].items())]
    lines += [f"- {reason}" for reason in result["errors"]]
    lines += ["", f"Submitted: {entity}, {submission['createdOn']}"]
    return f"{challenge}: {name} {outcome}", "\n".join(lines)
