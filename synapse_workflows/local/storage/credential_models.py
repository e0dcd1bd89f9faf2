"""Tables of passwords, API keys, login sessions and agreements to the terms of use.

Dates are milliseconds since the epoch. Access tokens are in `models`.
"""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Password(Base):
    """The salted hash of a user's password."""

    __tablename__ = "password"
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"), primary_key=True)
    salted_hash: Mapped[str]


class ApiKey(Base):
    """The API key of a user, in Base64.

    `configured_digest` is the SHA-256 of the key in the settings at the last start; None without.
    """

    __tablename__ = "api_key"
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"), primary_key=True)
    secret_key: Mapped[str]
    configured_digest: Mapped[str | None]


class LoginSession(Base):
    """A login with a password. `digest` is the SHA-256 of the session token."""

    __tablename__ = "login_session"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"), index=True)
    expires_on: Mapped[int] = mapped_column(BigInteger)


class TermsAgreement(Base):
    """Whether a user has agreed to the terms of use; `agreed_on` is None if not."""

    __tablename__ = "terms_agreement"
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"), primary_key=True)
    agreed_on: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[str | None]
