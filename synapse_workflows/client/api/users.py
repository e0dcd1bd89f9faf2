"""Users: profiles and certification.

Source: https://rest-docs.synapse.org (UserProfileController, CertifiedUserController)
"""

import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from synapse_workflows.client.api import api_keys
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.credentials import SessionToken
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.http_request import SESSION_AUTH
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
    """Get the profile of a user; profiles are cached for the life of the client.

    Args:
        syn: The session that sends the requests.
        id: A user ID, a user name, or a prefix that matches only one user name; an object with
            ``ownerId`` or ``member``; None for the profile of the caller.
        sessionToken: Deprecated; a token used instead of the client's credentials. A session
            token of an older service is sent in the header ``sessionToken``.
        refresh: Whether to ignore the cached profile.

    Returns:
        UserProfile with ``ownerId``, ``userName`` and other properties.

    Raises:
        ValueError: No user has this name.
        SynapseNotFoundError: No user has this ID.
        SynapseAuthenticationError: The caller is not logged in.

    Source:
        GET /userProfile, GET /userProfile/{id}, GET /userGroupHeaders?prefix=
    """
    auth: Any = SESSION_AUTH
    if sessionToken:
        session = SessionToken(sessionToken)
        del sessionToken  # tracebacks that show local variables must not show the secret
        warnings.warn("sessionToken is deprecated: log in", DeprecationWarning, stacklevel=2)
        auth = api_keys.parse_session_token(syn, session)
    principal = _principal_text(id)
    cached: dict[str, UserProfile] = syn.get_or_create(_PROFILES, dict)
    if refresh or auth is not SESSION_AUTH or principal not in cached:
        user_id = (
            principal if principal.isdecimal() or not principal else _find_user_id(syn, principal)
        )
        profile = UserProfile(syn.call("GET", f"/userProfile/{user_id}", auth=auth).object)
        if auth is not SESSION_AUTH:
            if not principal:
                api_keys.check_accepted(auth, profile)
            return profile
        cached[principal] = profile
    return UserProfile(cached[principal])


def is_certified(syn: Session, user: Any) -> bool:
    """Return whether a user is certified, that is, has passed the certification quiz.

    Args:
        syn: The session that sends the requests.
        user: A user name or ID.

    Returns:
        True if the user is certified and the certification was not revoked.

    Raises:
        ValueError: No user has this name.
        SynapseNotFoundError: No user has this ID.

    Source:
        GET /user/{id}/certifiedUserPassingRecord
    """
    owner = getUserProfile(syn, user)["ownerId"]
    try:
        record = syn.call("GET", f"/user/{owner}/certifiedUserPassingRecord").object
    except SynapseNotFoundError:
        return False
    # `passed` remains true after the certification was revoked.
    return bool(record.get("certified", record.get("passed")))


def clear_profiles(syn: Session) -> None:
    """Delete the cached profiles of a session."""
    syn.forget(_PROFILES)


def _principal_text(id: Any) -> str:
    """Return a user ID or name as text; an empty string for the caller."""
    if id is None:
        return ""
    owner = _get_value(id, "member") or id
    text = str(
        _get_value(owner, "ownerId") or ("" if isinstance(owner, Mapping) else owner)
    ).strip()
    if not text:
        raise ValueError(f"{id!r:.80} is not a user: expected a user name or ID.")
    return text


def _get_value(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _find_user_id(syn: Session, name: str) -> str:
    """Return the ID of the only user whose name starts with `name`, or whose name is `name`."""
    call = flows.with_offset(Call("GET", "/userGroupHeaders", params={"prefix": name}))
    # The search also returns teams, which have no profile.
    matches = [one for one in syn.run(flows.collect_items(call)) if one.get("isIndividual", True)]
    if len(matches) > 1:
        matches = [one for one in matches if one["userName"].casefold() == name.casefold()]
    if not matches:
        raise ValueError(f'Can\'t find user "{name}": no user has this name.')
    return quote(str(matches[0]["ownerId"]))
