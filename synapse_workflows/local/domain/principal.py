"""The caller of a request."""

from dataclasses import dataclass

from synapse_workflows.constants import ADMIN, ANONYMOUS, PUBLIC


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The principal that sent a request.

    Args:
        id: Principal ID.
        scopes: OAuth scopes of the token; empty for anonymous callers.
        groups: IDs of all principals whose ACL entries apply to the caller, including `id`.
        is_admin: Whether the caller is an administrator.
        is_certified: Whether the caller passed the certification quiz.
        is_anonymous: Whether the request has no credentials.
        has_agreed: Whether the caller has agreed to the terms of use, or need not agree.
        now: Start of the request, in milliseconds since the epoch.
        token_id: ID of the access token.
        is_last_use_outdated: Whether the stored date of the token's last use is over an hour old.
    """

    id: int
    scopes: frozenset[str]
    groups: frozenset[int]
    is_admin: bool
    is_certified: bool
    is_anonymous: bool
    has_agreed: bool
    now: int
    token_id: int | None = None
    is_last_use_outdated: bool = False


def create_anonymous(now: int) -> Caller:
    """Return the caller of a request without credentials."""
    return Caller(
        id=ANONYMOUS,
        scopes=frozenset(),
        groups=frozenset({ANONYMOUS, PUBLIC}),
        is_admin=False,
        is_certified=False,
        is_anonymous=True,
        has_agreed=True,
        now=now,
    )


def create_service_caller(now: int) -> Caller:
    """Return the caller of work that the service does for all users."""
    return Caller(
        id=ADMIN,
        scopes=frozenset(),
        groups=frozenset({ADMIN}),
        is_admin=True,
        is_certified=True,
        is_anonymous=False,
        has_agreed=True,
        now=now,
    )
