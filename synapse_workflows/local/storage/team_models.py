"""Tables of teams, membership invitations and membership requests.

A team is a principal: its name and its creation date are in the table of principals, its members
in the table of memberships. Dates are milliseconds since the epoch.
"""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Team(Base):
    """A team of users. `icon` is a file handle ID."""

    __tablename__ = "team"
    id: Mapped[int] = mapped_column(
        ForeignKey("principal.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    description: Mapped[str | None]
    icon: Mapped[int | None]
    can_public_join: Mapped[bool]
    can_request_membership: Mapped[bool]
    etag: Mapped[str]
    created_by: Mapped[int]
    modified_on: Mapped[int] = mapped_column(BigInteger)
    modified_by: Mapped[int]


class MembershipInvitation(Base):
    """An invitation to a team, either of a user or of an e-mail address."""

    __tablename__ = "membership_invitation"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), index=True)
    invitee_id: Mapped[int | None] = mapped_column(index=True)
    invitee_email: Mapped[str | None]
    message: Mapped[str | None]
    expires_on: Mapped[int | None] = mapped_column(BigInteger)
    created_on: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int]


class MembershipRequest(Base):
    """The request of a user to become a member of a team."""

    __tablename__ = "membership_request"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(index=True)
    message: Mapped[str | None]
    expires_on: Mapped[int | None] = mapped_column(BigInteger)
    created_on: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int]
