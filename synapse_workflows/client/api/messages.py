"""Messages to users and teams.

Source: https://rest-docs.synapse.org (MessageController)
"""

from collections.abc import Iterable, Mapping
from typing import Any

from synapse_workflows.client.core import message_flow
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.transfer.text_upload import upload_text


def sendMessage(
    syn: Session,
    userIds: Iterable[Any],
    messageSubject: str | None,
    messageBody: str,
    contentType: str = "text/plain",
) -> dict[str, Any]:
    """Send a message to users and teams.

    Args:
        syn: The session that sends the requests.
        userIds: Principal IDs of users and teams, or profiles and teams, at most 50.
        messageSubject: Subject of the message.
        messageBody: Text of the message, not empty.
        contentType: ``text/plain`` or ``text/html``.

    Returns:
        The message: ``id``, ``createdBy``, ``createdOn``, ``recipients``, ``subject``,
        ``fileHandleId``, ``inReplyToRoot``.

    Raises:
        ValueError: `userIds` is not a list of IDs, `messageBody` is empty or is not text, or
            `contentType` is not a content type.
        SynapseBadRequestError: A recipient does not exist, there is none, or there are too many.
        SynapseForbiddenError: The caller may not send messages to a team.
        SynapseTooManyRequestsError: The caller has sent too many messages, 10 in 60 seconds.

    Source:
        POST /file/multipart of the file service, POST /message
    """
    recipients = _parse_recipients(userIds)
    _check_body(messageBody, contentType)
    handle_id = syn.run(upload_text(messageBody, "message.txt", contentType))
    call = message_flow.create_call(recipients, messageSubject, handle_id)
    return syn.call(call.method, call.path, json=call.body).object


def _parse_recipients(user_ids: Any) -> list[str]:
    """Return the IDs of the recipients.

    Raises:
        ValueError: The value is not a list, or an item has no ID.
    """
    if isinstance(user_ids, str | bytes | Mapping) or not isinstance(user_ids, Iterable):
        raise ValueError(  # noqa: TRY004 - as documented
            f"Invalid userIds {user_ids!r:.80}: expected a list of principal IDs, for example "
            "['3300001']."
        )
    return [id_of(one) for one in user_ids]


def _check_body(body: Any, content_type: Any) -> None:
    """Check the text of a message and its content type, before the text is uploaded.

    Raises:
        ValueError: The body is empty or is not text, or the content type is invalid.
    """
    if not isinstance(body, str) or not body:
        raise ValueError(f"Invalid messageBody {body!r:.80}: expected text that is not empty.")
    is_type = isinstance(content_type, str) and content_type.isprintable()
    if not is_type or not content_type.partition("/")[2]:
        raise ValueError(
            f"Invalid contentType {content_type!r:.80}: expected 'text/plain' or 'text/html'."
        )
