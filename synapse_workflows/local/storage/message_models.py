"""Tables of messages and of their delivery to users.

Dates are milliseconds since the epoch. JSON columns hold values in the format of the REST API.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Message(Base):
    """A message to users and teams. Messages are immutable.

    `recipients` lists the IDs of the addressed users and teams as text, without duplicates.
    `properties` holds the optional properties of MessageToUser.
    """

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_by: Mapped[int] = mapped_column(index=True)
    created_on: Mapped[int] = mapped_column(BigInteger)
    file_handle_id: Mapped[int] = mapped_column(index=True)
    subject: Mapped[str | None]
    recipients: Mapped[list[str]] = mapped_column(JSON)
    in_reply_to: Mapped[int | None]
    in_reply_to_root: Mapped[int]
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)


class MessageDelivery(Base):
    """A message in the inbox of a user. `status` is UNREAD, READ or ARCHIVED."""

    __tablename__ = "message_delivery"
    message_id: Mapped[int] = mapped_column(
        ForeignKey("message.id", ondelete="CASCADE"), primary_key=True
    )
    recipient_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    status: Mapped[str] = mapped_column(String(10))
