"""Messages to users and teams: send, read, and list the inbox and the outbox."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import UnaryExpression, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    ANONYMOUS,
    AUTHENTICATED_USERS,
    PUBLIC,
    TRUSTED_MESSAGE_SENDERS,
    AccessType,
)
from synapse_workflows.local.domain import file_handles, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id, parse_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.rate_limit import create_refusal
from synapse_workflows.local.domain.teams import access, membership
from synapse_workflows.local.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    Unauthorized,
)
from synapse_workflows.local.settings import Throttle
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.message_models import Message, MessageDelivery
from synapse_workflows.local.storage.models import Principal

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

#: Maximum number of users and teams that a message is addressed to.
MAX_RECIPIENTS: Final = 50
_TEXTS: Final = (
    "notificationUnsubscribeEndpoint", "userProfileSettingEndpoint", "to", "cc", "bcc",
)  # fmt: skip
_FLAGS: Final = ("withUnsubscribeLink", "withProfileSettingLink", "isNotificationMessage")


class MessageStatus(StrEnum):
    """States of a message in an inbox (MessageStatusType)."""

    UNREAD = "UNREAD"
    READ = "READ"
    ARCHIVED = "ARCHIVED"


class MessageOrder(StrEnum):
    """Sort keys of an inbox or outbox (MessageSortBy)."""

    SEND_DATE = "SEND_DATE"
    SENDER = "SENDER"
    SUBJECT = "SUBJECT"


def serialize(message: Message) -> dict[str, Any]:
    """Return a message in the format of the REST API (MessageToUser)."""
    return {
        **message.properties,
        "id": str(message.id),
        "createdBy": str(message.created_by),
        "createdOn": to_iso(message.created_on),
        "fileHandleId": str(message.file_handle_id),
        "recipients": message.recipients,
        "subject": message.subject,
        "inReplyTo": None if message.in_reply_to is None else str(message.in_reply_to),
        "inReplyToRoot": str(message.in_reply_to_root),
    }


def send(
    session: Session, caller: Caller, body: Mapping[str, Any], limits: Throttle | None
) -> dict[str, Any]:
    """Send a message. It is in the inbox of each addressed user and of each member of a team.

    Args:
        session: Database session with write access.
        caller: The sender.
        body: A MessageToUser. Repeated recipients count once.
        limits: Rate limits per user; None for no limits.

    Raises:
        BadRequest: No recipient, an unknown recipient, or too many recipients.
        Forbidden: The file handle belongs to another user, or the caller may not send messages to
            a team.
        NotFound: No such file handle, or no such message to reply to.
        TooManyRequests: The caller exceeds the rate limit of messages.
        Unauthorized: The caller is anonymous.
    """
    _check_logged_in(caller)
    is_limited = not (caller.is_admin or TRUSTED_MESSAGE_SENDERS in caller.groups)
    if is_limited and limits is not None:
        _check_rate(session, caller, limits)
    handle_id = parse_id(request_fields.get_required_text(body, "fileHandleId"), "fileHandleId")
    file_handles.get_own_handle(session, caller, handle_id)
    recipients = _parse_recipients(body, MAX_RECIPIENTS if is_limited else None)
    principals = _get_principals(session, recipients)
    users = _expand_teams(session, caller, principals)
    parent = _find_parent(session, caller, body)
    message_id = next_id(session, "message")
    message = Message(
        id=message_id,
        created_by=caller.id,
        created_on=caller.now,
        file_handle_id=handle_id,
        subject=request_fields.get_text(body, "subject"),
        recipients=[str(each) for each in recipients],
        in_reply_to=None if parent is None else parent.id,
        in_reply_to_root=message_id if parent is None else parent.in_reply_to_root,
        properties=_parse_properties(body),
    )
    insert_row(session, message)
    session.add_all(
        MessageDelivery(message_id=message_id, recipient_id=each, status=MessageStatus.UNREAD)
        for each in users
    )
    return serialize(message)


def _check_logged_in(caller: Caller) -> None:
    if caller.is_anonymous:
        raise Unauthorized("You must be logged in to send and read messages.")


def _check_rate(session: Session, caller: Caller, limits: Throttle) -> None:
    start = caller.now - limits.seconds * 1000
    query = select(func.count(), func.min(Message.created_on)).where(
        Message.created_by == caller.id, Message.created_on > start
    )
    count, oldest = session.execute(query).one()
    if count >= limits.messages:
        raise create_refusal(
            limits,
            f"Please slow down.  You may send a maximum of {limits.messages} message(s) every "
            f"{limits.seconds:g} second(s)",
            since=oldest or caller.now,
            now=caller.now,
        )


def _parse_recipients(body: Mapping[str, Any], limit: int | None) -> list[int]:
    """Return the IDs of the addressed users and teams, without duplicates."""
    values = request_fields.get_list(body, "recipients") or []
    recipients = list(dict.fromkeys(parse_id(each, "recipients") for each in values))
    if not recipients:
        raise BadRequest("Must specify at least one recipient")
    if limit is not None and len(recipients) > limit:
        raise BadRequest(
            f"Too many recipients: {len(recipients)}. A message can have at most {limit} "
            "recipients. Send the message to a team instead."
        )
    return recipients


def _get_principals(session: Session, recipients: list[int]) -> list[Principal]:
    found = [session.get(Principal, each) for each in recipients]
    principals = [each for each in found if each is not None]
    if len(principals) < len(found):
        ids = ", ".join(map(str, recipients))
        raise BadRequest(f"One or more of the following IDs are not recognized: [{ids}]")
    return principals


def _expand_teams(
    session: Session, caller: Caller, principals: Iterable[Principal]
) -> dict[int, None]:
    """Return the IDs of the users who receive a message, in order and without duplicates.

    Raises:
        Forbidden: The caller lacks SEND_MESSAGE on a team.
    """
    users: dict[int, None] = {}
    for each in principals:
        if each.is_individual:
            users[each.id] = None
            continue
        if not access.is_allowed(session, caller, each.id, AccessType.SEND_MESSAGE):
            raise Forbidden(
                f"User {caller.id} lacks SEND_MESSAGE access to the team {each.name} ({each.id})."
            )
        users |= dict.fromkeys(_list_members(session, each.id))
    return users


def _list_members(session: Session, group_id: int) -> list[int]:
    if group_id not in (AUTHENTICATED_USERS, PUBLIC):
        return membership.list_member_ids(session, group_id)
    users = select(Principal.id).where(Principal.is_individual, Principal.id != ANONYMOUS)
    return list(session.scalars(users))


def _find_parent(session: Session, caller: Caller, body: Mapping[str, Any]) -> Message | None:
    text = request_fields.get_text(body, "inReplyTo")
    return None if text is None else require(session, caller, parse_id(text, "inReplyTo"))


def _parse_properties(body: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {key: request_fields.get_text(body, key) for key in _TEXTS}
    properties |= {
        key: request_fields.get_boolean(body, key) for key in _FLAGS if body.get(key) is not None
    }
    return {key: value for key, value in properties.items() if value is not None}


def require(session: Session, caller: Caller, message_id: int) -> Message:
    """Return a message that the caller sent or received.

    Raises:
        Forbidden: The caller is neither the sender nor a recipient.
        NotFound: No such message.
        Unauthorized: The caller is anonymous.
    """
    _check_logged_in(caller)
    reason = f"Message {message_id} does not exist"
    message = get_or_404(session, Message, message_id, reason)
    if not _can_read(session, caller, message):
        raise Forbidden("You are not the sender or receiver of this message")
    return message


def _can_read(session: Session, caller: Caller, message: Message) -> bool:
    if caller.is_admin or message.created_by == caller.id:
        return True
    return session.get(MessageDelivery, (message.id, caller.id)) is not None


def can_download(session: Session, caller: Caller, message_id: int, handle_id: int) -> bool:
    """Return whether a file handle is the body of a message that the caller can read."""
    message = session.get(Message, message_id)
    if message is None or message.file_handle_id != handle_id:
        return False
    return _can_read(session, caller, message)


def list_inbox(
    session: Session,
    caller: Caller,
    statuses: Iterable[MessageStatus],
    order: MessageOrder,
    page: Page,
    *,
    descending: bool,
) -> list[dict[str, Any]]:
    """List the messages in the caller's inbox with one of the statuses, as MessageBundles.

    Raises:
        Unauthorized: The caller is anonymous.
    """
    _check_logged_in(caller)
    query = (
        select(Message, MessageDelivery)
        .join(MessageDelivery, MessageDelivery.message_id == Message.id)
        .where(
            MessageDelivery.recipient_id == caller.id,
            MessageDelivery.status.in_([each.value for each in statuses]),
        )
        .order_by(*_sort_keys(order, descending=descending))
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {"message": serialize(message), "status": _serialize_status(delivery)}
        for message, delivery in session.execute(query)
    ]


def list_outbox(
    session: Session, caller: Caller, order: MessageOrder, page: Page, *, descending: bool
) -> list[dict[str, Any]]:
    """List the messages that the caller sent.

    Raises:
        Unauthorized: The caller is anonymous.
    """
    _check_logged_in(caller)
    query = (
        select(Message)
        .where(Message.created_by == caller.id)
        .order_by(*_sort_keys(order, descending=descending))
        .limit(page.limit)
        .offset(page.offset)
    )
    return [serialize(each) for each in session.scalars(query)]


def _sort_keys(order: MessageOrder, *, descending: bool) -> list[UnaryExpression[Any]]:
    """Return the sort keys. Messages with equal keys are in the order in which they were sent."""
    columns: dict[MessageOrder, InstrumentedAttribute[Any]] = {
        MessageOrder.SEND_DATE: Message.created_on,
        MessageOrder.SENDER: Message.created_by,
        MessageOrder.SUBJECT: Message.subject,
    }
    keys = (columns[order], Message.id)
    return [key.desc() if descending else key.asc() for key in keys]


def _serialize_status(delivery: MessageDelivery) -> dict[str, Any]:
    return {
        "messageId": str(delivery.message_id),
        "recipientId": str(delivery.recipient_id),
        "status": delivery.status,
    }


def update_status(session: Session, caller: Caller, body: Mapping[str, Any]) -> None:
    """Set the status of a message in the caller's inbox (MessageStatus).

    Raises:
        BadRequest: A property is missing or invalid.
        Forbidden: The inbox belongs to another user.
        NotFound: The message is not in the inbox.
        Unauthorized: The caller is anonymous.
    """
    _check_logged_in(caller)
    message_id = parse_id(request_fields.get_required_text(body, "messageId"), "messageId")
    status = request_fields.parse_enum(MessageStatus, body.get("status"), "status")
    recipient = request_fields.get_text(body, "recipientId") or str(caller.id)
    if parse_id(recipient, "recipientId") != caller.id:
        raise Forbidden("You may only change the status of messages in your own inbox.")
    delivery = session.get(MessageDelivery, (message_id, caller.id))
    if delivery is None:
        raise NotFound(f"Message {message_id} is not in the inbox of user {caller.id}")
    delivery.status = status.value
