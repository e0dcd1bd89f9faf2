"""Who there is in Synapse.

Source: https://rest-docs.synapse.org (UserProfileController, CertifiedUserController)
"""

import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from synapse_workflows.client.core import credentials, flows
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.http_request import OWN
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.users import UserProfile

_PROFILES = "profiles"


def getUserProfile(
    syn: Session,
    id: Any = None,
    sessionToken: str | None = None,
    refresh: bool = False,
) -> UserProfile:
    """Read the profile of a user; the same client asks once for each.

    Args:
        syn: The session that makes the calls.
        id: None for the caller; a number or its text; a user name, or the beginning of the only
            name that begins so; or what carries ``ownerId`` or ``member``.
        sessionToken: Deprecated; a token to ask with.
        refresh: Ask again.

    Returns:
        UserProfile with ``ownerId``, ``userName`` and more.

    Raises:
        ValueError: No user of that name.
        SynapseNotFoundError: No user of that number.

    Source:
        GET /userProfile, GET /userProfile/{id}, GET /userGroupHeaders?prefix=
    """
    auth: Any = OWN
    if sessionToken:
        warnings.warn("sessionToken is deprecated: log in", DeprecationWarning, stacklevel=2)
        auth = _parse_session_token(sessionToken)
    principal = _principal_text(id)
    kept: dict[str, UserProfile] = syn.own(_PROFILES, dict)
    if refresh or auth is not OWN or principal not in kept:
        number = (
            principal if principal.isdecimal() or not principal else _find_user_id(syn, principal)
        )
        profile = UserProfile(syn.call("GET", f"/userProfile/{number}", auth=auth).json)
        if auth is not OWN:
            return profile
        kept[principal] = profile
    return UserProfile(kept[principal])


def is_certified(syn: Session, user: Any) -> bool:
    """Tell whether a user passed the quiz that lets people upload.

    Args:
        syn: The session that makes the calls.
        user: A user name or number.

    Raises:
        ValueError: No user of that name.

    Source:
        GET /user/{id}/certifiedUserPassingRecord
    """
    owner = getUserProfile(syn, user)["ownerId"]
    try:
        record = syn.call("GET", f"/user/{owner}/certifiedUserPassingRecord").json
    except SynapseNotFoundError:
        return False
    # `passed` stays true on a record that was revoked.
    return bool(record.get("certified", record.get("passed")))


def clear_profiles(syn: Session) -> None:
    """Drop what `getUserProfile` remembers."""
    syn.disown(_PROFILES)


def _principal_text(id: Any) -> str:
    """Write the argument as text: empty for the caller, a number, or a name."""
    if id is None:
        return ""
    owner = _get_value(id, "member") or id
    text = str(
        _get_value(owner, "ownerId") or ("" if isinstance(owner, Mapping) else owner)
    ).strip()
    if not text:
        raise ValueError(f"{id!r:.80} names no user. Give a user name or number.")
    return text


def _get_value(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _find_user_id(syn: Session, name: str) -> str:
    """Number of the user of a name: the only hit, else the one of exactly that name."""
    call = flows.from_offset(Call("GET", "/userGroupHeaders", params={"prefix": name}))
    # A team can be the only hit, and has no profile.
    hits = [hit for hit in syn.run(flows.every(call)) if hit.get("isIndividual", True)]
    if len(hits) > 1:
        hits = [hit for hit in hits if hit["userName"].casefold() == name.casefold()]
    if not hits:
        raise ValueError(f'Can\'t find user "{name}": no user is called that.')
    return quote(str(hits[0]["ownerId"]))


def _parse_session_token(text: str) -> Token:
    if not credentials.is_jwt(text):
        raise credentials.retired("a session token", "the argument sessionToken")
    return Token(text, origin="the argument sessionToken")
