"""Messages to users and teams.

Source: https://rest-docs.synapse.org (MessageController)
"""

from collections.abc import Sequence
from typing import Any

from synapse_workflows.client.core import message_flow
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.transfer.text_upload import upload_text


def sendMessage(
    syn: Session,
    userIds: Sequence[str],
    messageSubject: str | None,
    messageBody: str,
    contentType: str = "text/plain",
) -> dict[str, Any]:
    """Send a message to users and teams.

    Args:
        syn: The session that sends the requests.
        userIds: Principal IDs of users and teams, at most 50.
        messageSubject: Subject of the message.
        messageBody: Text of the message, not empty.
        contentType: ``text/plain`` or ``text/html``.

    Returns:
        The message: ``id``, ``createdBy``, ``createdOn``, ``recipients``, ``subject``,
        ``fileHandleId``, ``inReplyToRoot``.

    Raises:
        ValueError: The text is empty.
        SynapseBadRequestError: A recipient does not exist, there is none, or there are too many.
        SynapseForbiddenError: The caller may not send messages to a team.
        SynapseTooManyRequestsError: The caller has sent too many messages, 10 in 60 seconds.

    Source:
        POST /file/multipart of the file service, POST /message
    """
    handle_id = syn.run(upload_text(messageBody, "message.txt", contentType))
    call = message_flow.create_call(userIds, messageSubject, handle_id)
    return syn.call(call.method, call.path, json=call.body).object
