"""Who asks, and when."""

from dataclasses import dataclass

from synapse_workflows.constants import ANONYMOUS, PUBLIC


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The principal behind one request.

    Args:
        id: principal id.
        scopes: OAuth scopes of the token; the anonymous caller holds none and needs none.
        groups: every principal whose entries in an ACL count for the caller, itself included.
        is_admin: may do all.
        is_certified: passed the certification quiz.
        is_anonymous: sent no credentials.
        now: when the request was taken up, milliseconds since the epoch.
        token_id: the personal access token that was used.
        is_last_use_outdated: its last use is not noted down to the hour.
    """

    id: int
    scopes: frozenset[str]
    groups: frozenset[int]
    is_admin: bool
    is_certified: bool
    is_anonymous: bool
    now: int
    token_id: int | None = None
    is_last_use_outdated: bool = False


def create_anonymous(now: int) -> Caller:
    """Make the caller who sent no credentials."""
    return Caller(
        id=ANONYMOUS,
        scopes=frozenset(),
        groups=frozenset({ANONYMOUS, PUBLIC}),
        is_admin=False,
        is_certified=False,
        is_anonymous=True,
        now=now,
    )
