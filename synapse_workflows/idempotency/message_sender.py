"""Messages that a task sends once, over all tries of the task."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal, TypedDict
from uuid import uuid4

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.core import message_flow
from synapse_workflows.client.core.flows import Flow
from synapse_workflows.client.core.recipients import (
    Recipient,
    RecipientError,
    parse_recipients,
    resolve_recipients,
)
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)
from synapse_workflows.client.transfer.text_upload import upload_text
from synapse_workflows.idempotency.task_state import SavedState, TaskState
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import check_choice, require_text

#: Content types of messages that Synapse sends as e-mail.
MessageContentType = Literal["text/plain", "text/html"]
#: Maximum number of recipients of a message, except for trusted message senders.
MAX_RECIPIENTS: Final = 50
_KEY: Final = "synapse_message"


class SynapseMessage(TypedDict):
    """A sent message, as JSON.

    `recipients` are principal IDs; `subject` is None for a message without a subject;
    `created_on` is a time in ISO 8601.
    """

    id: str
    recipients: list[str]
    subject: str | None
    created_on: str


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to send.

    Args:
        recipients: Users and teams.
        subject: Subject; None for none.
        body: Text, not empty.
        content_type: `text/plain` or `text/html`.
    """

    recipients: tuple[Recipient, ...]
    subject: str | None
    body: str
    content_type: MessageContentType

    @classmethod
    def parse(
        cls, to: Any, subject: Any, body: Any, content_type: MessageContentType
    ) -> "OutgoingMessage":
        """Check the arguments of a message, before any request.

        Raises:
            AirflowFailException: `to`, `subject` or `body` is invalid.
            ValueError: Unknown `content_type`.
        """
        check_choice(content_type, "content_type", MessageContentType)
        for value, argument in ((to, "to"), (subject, "subject"), (body, "body")):
            _check_unicode(str(value), argument)
        try:
            recipients = parse_recipients(to)
        except RecipientError as error:
            raise AirflowFailException(f"Invalid to: {error}") from error
        return cls(
            tuple(recipients),
            _to_text(subject) or None,
            require_text(_to_text(body), "body"),
            content_type,
        )

    @property
    def digest(self) -> str:
        """Text that is equal for equal messages, in each process."""
        recipients = sorted(map(str, self.recipients))
        text = json.dumps([recipients, self.subject, self.body, self.content_type])
        return hashlib.sha256(text.encode()).hexdigest()

    def upload(self) -> Flow[str]:
        """Upload the body and return its file handle, which no other message has."""
        return upload_text(self.body, f"message-{uuid4()}.txt", self.content_type)


def _check_unicode(text: str, argument: str) -> None:
    """Check that a text can be sent.

    Raises:
        AirflowFailException: The text has a surrogate without its pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AirflowFailException(
            f"Invalid {argument}: {text!a:.80} contains a lone surrogate, which cannot be encoded "
            "as UTF-8. Decode the text with its encoding."
        ) from error


def _to_text(value: Any) -> str | None:
    """Return a value as text. Templates may render objects, such as references."""
    return None if value is None else str(value)


def send_from_code(client: LineageClient, message: OutgoingMessage) -> SynapseMessage:
    """Send a message from the code of a task. A retry that sends an equal message continues it.

    Raises:
        AirflowFailException: A recipient is unknown, or there are too many.
        SynapseHTTPError: Synapse refused the message.
    """
    key = f"{_KEY}:{client.synapse_conn_id}:{message.digest[:32]}"
    collector = current_collector()
    if collector is None:
        return send_once(client, message, SavedState(TaskState.current(), key, _KEY))
    with collector.get_or_create(key, _EqualCalls).begin() as number:
        state = SavedState(TaskState.current(), f"{key}:{number}", _KEY)
        collector.add_finish_callback(state.mark_done)
        return send_once(client, message, state)


class _EqualCalls:
    """Numbers of the calls with equal messages in one try, which may be in several threads."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._lock = threading.Lock()

    @contextmanager
    def begin(self) -> Iterator[int]:
        """Provide the number of a call, from 1. The next call continues a call that failed."""
        with self._lock:
            number = next(each for each in count(1) if each not in self._numbers)
            self._numbers.add(number)
        try:
            yield number
        except BaseException:
            self._numbers.discard(number)
            raise


def send_from_operator(
    client: LineageClient, message: OutgoingMessage, task: TaskState
) -> SynapseMessage:
    """Send the only message of a task. A retry sends no other message, even with another text.

    Raises:
        AirflowFailException: A recipient is unknown, or there are too many.
        SynapseHTTPError: Synapse refused the message.
    """
    state = SavedState(task, _KEY, client.synapse_conn_id)
    sent = send_once(client, message, state)
    state.mark_done()
    return sent


def send_once(
    client: LineageClient, message: OutgoingMessage, state: SavedState
) -> SynapseMessage:
    """Send a message, unless an earlier try has sent it.

    The file handle of the body identifies the message in the outbox. It is saved before the
    message is sent, so that a retry finds the message even if the worker stopped before the
    response arrived.

    Args:
        client: Client of the sender.
        message: The message.
        state: The saved state of this message.

    Raises:
        AirflowFailException: A recipient is unknown, or there are too many.
        SynapseHTTPError: Synapse refused the message.

    Source:
        POST /message, GET /message/outbox
    """
    saved = state.load() or {}
    if "sent" in saved:
        sent: SynapseMessage = saved["sent"]
        client.logger.info("An earlier try has sent the message %s", sent["id"])
        return sent
    earlier = saved.get("file_handle_id")
    found = None if earlier is None else _find_sent(client, earlier)
    if found is None:
        recipients = _resolve(client, message)
        handle_id = client.run(message.upload())
        state.save({"file_handle_id": handle_id})
        found = _post(client, recipients, message.subject, handle_id)
    sent = _to_result(found)
    state.save({"sent": sent})
    client.logger.info("Sent the message %s to %d recipients", sent["id"], len(sent["recipients"]))
    return sent


def _resolve(client: LineageClient, message: OutgoingMessage) -> list[str]:
    """Return the principal IDs of the recipients.

    Raises:
        AirflowFailException: A recipient is unknown or ambiguous.
    """
    try:
        return client.run(resolve_recipients(message.recipients))
    except RecipientError as error:
        raise AirflowFailException(f"Invalid to: {error}") from error


def _find_sent(client: LineageClient, file_handle_id: str) -> dict[str, Any] | None:
    try:
        return client.run(message_flow.find_sent_message(file_handle_id))
    except (SynapseForbiddenError, SynapseNotFoundError):
        return None  # another account, or a file handle without a message that was deleted


def _post(
    client: LineageClient, recipients: list[str], subject: str | None, file_handle_id: str
) -> dict[str, Any]:
    try:
        return client.run(message_flow.post_message(recipients, subject, file_handle_id))
    except SynapseBadRequestError as error:
        if len(recipients) <= MAX_RECIPIENTS:
            raise
        raise AirflowFailException(
            f"Invalid to: {len(recipients)} recipients, but a message can have at most "
            f"{MAX_RECIPIENTS}. Send the message to a team, or send several messages. "
            f"({error.reason})"
        ) from error


def _to_result(message: dict[str, Any]) -> SynapseMessage:
    return {
        "id": message["id"],
        "recipients": list(message["recipients"]),
        "subject": message.get("subject"),
        "created_on": message["createdOn"],
    }
