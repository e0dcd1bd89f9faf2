"""The messages of a user, read from the data directory of a running or stopped service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.domain.bootstrap import BUILTIN_PRINCIPALS
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.principal_names import normalize_name
from synapse_workflows.local.storage.blobs import BlobStore
from synapse_workflows.local.storage.data_dir import BLOBS, DATABASE, check_database
from synapse_workflows.local.storage.database import Database
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.message_models import Message, MessageDelivery
from synapse_workflows.local.storage.models import Principal

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_SEPARATOR: Final = "-" * 72


class InboxError(ValueError):
    """The inbox does not exist."""


@dataclass(frozen=True)
class ReceivedMessage:
    """A message in the inbox of a user.

    Args:
        id: ID of the message.
        sender: User name of the sender.
        date: Time at which the message was sent, ISO 8601 in UTC.
        subject: Subject; empty if the message has none.
        body: Text of the message.
        content_type: Content type of the body, for example `text/plain`.
        status: UNREAD, READ or ARCHIVED.
    """

    id: str
    sender: str
    date: str
    subject: str
    body: str
    content_type: str
    status: str


def read_inbox(data_dir: Path, user: str) -> list[ReceivedMessage]:
    """Return the messages of a user, newest first. Their status is not changed.

    Args:
        data_dir: Data directory of a service, which may be running.
        user: User name or principal ID.

    Raises:
        InboxError: The directory has no service, or the service has no such user.
        DataDirError: The database is damaged.
    """
    path = data_dir / DATABASE
    if not path.is_file():
        raise InboxError(
            f"{data_dir} is not the data directory of a local Synapse: {DATABASE} is missing. "
            "Select the directory with --data."
        )
    check_database(data_dir)
    database = Database(path)
    try:
        with database.read_transaction() as session:
            user_id = _get_user_id(session, user)
            return list(_iter_messages(session, BlobStore(data_dir / BLOBS), user_id))
    finally:
        database.close()


def format_inbox(messages: Sequence[ReceivedMessage]) -> str:
    """Return messages as text: sender, date, subject and body of each."""
    texts = [
        f"From:    {each.sender}\nDate:    {each.date}\nSubject: {each.subject}\n\n{each.body}"
        for each in messages
    ]
    return f"\n{_SEPARATOR}\n".join(texts) or "No messages."


def _get_user_id(session: "Session", user: str) -> int:
    """Return the principal ID of a user, given by name or ID."""
    query = select(Principal).where(Principal.alias == normalize_name(user))
    found = session.scalar(query)
    if found is None and user.isdecimal() and int(user) < 1 << 63:
        found = session.get(Principal, int(user))
    if found is not None and found.is_individual and found.id not in BUILTIN_PRINCIPALS:
        return found.id
    query = select(Principal).where(Principal.is_individual).order_by(Principal.id)
    names = [each.name for each in session.scalars(query) if each.id not in BUILTIN_PRINCIPALS]
    kind = "is a team, not a user" if found is not None else "does not exist"
    raise InboxError(f"The user {user!r} {kind}. The users are: {', '.join(names)}.")


def _iter_messages(
    session: "Session", blobs: BlobStore, user_id: int
) -> Iterator[ReceivedMessage]:
    query = (
        select(Message, MessageDelivery.status, Principal.name)
        .join(MessageDelivery, MessageDelivery.message_id == Message.id)
        .join(Principal, Principal.id == Message.created_by)
        .where(MessageDelivery.recipient_id == user_id)
        .order_by(Message.created_on.desc(), Message.id.desc())
    )
    for message, status, sender in session.execute(query):
        handle = file_handles.get_handle(session, message.file_handle_id)
        yield ReceivedMessage(
            id=str(message.id),
            sender=sender,
            date=to_iso(message.created_on),
            subject=message.subject or "",
            body=_read_body(session, blobs, handle),
            content_type=handle.content_type,
            status=status,
        )


def _read_body(session: "Session", blobs: BlobStore, handle: FileHandle) -> str:
    """Return the text of a message; the URL of a body that the service does not store."""
    if handle.blob_id is None:
        return str(handle.location.get("externalURL") or handle.location)
    content = b"".join(blobs.read(file_handles.list_stored_files(session, handle)))
    header = EmailMessage()
    header["Content-Type"] = handle.content_type
    try:
        return content.decode(header.get_content_charset("utf-8"), "replace")
    except LookupError:  # unknown charset
        return content.decode("utf-8", "replace")
