"""User profiles and certification."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import ACCESS_AND_COMPLIANCE, CERTIFIED_USERS
from synapse_workflows.local.domain import (
    access_lists,
    entities,
    file_handles,
    principal_names,
    request_fields,
)
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag, parse_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import Forbidden, NotFound
from synapse_workflows.local.storage.models import (
    Certification,
    Principal,
    Profile,
)

QUIZ: Final = 1

#: Key of the ORCID in the stored properties. It is part of the bundle, not of the profile.
ORCID: Final = "ORCID"
_PICTURE: Final = "profilePicureFileHandleId"
_TEXTS: Final = (
    "firstName", "lastName", "summary", "position", "location", "industry", "company",
    _PICTURE, "url", "teamName",
)  # fmt: skip
_PRIVATE_TEXTS: Final = ("rStudioUrl",)
_PRIVATE_OBJECTS: Final = ("notificationSettings",)
_PRIVATE_LISTS: Final = ("preferences",)
_PRIVATE: Final = frozenset(
    {
        "etag", "email", "emails", "openIds", "twoFactorAuthEnabled",
        *_PRIVATE_TEXTS, *_PRIVATE_OBJECTS, *_PRIVATE_LISTS,
    }
)  # fmt: skip


def _get(session: Session, user_id: int) -> tuple[Principal, Profile]:
    principal, profile = session.get(Principal, user_id), session.get(Profile, user_id)
    if principal is None or profile is None:
        raise NotFound(f"UserProfile cannot be found for: {user_id}")
    return principal, profile


def _serialize(principal: Principal, profile: Profile) -> dict[str, Any]:
    properties = {key: value for key, value in profile.properties.items() if key != ORCID}
    return {
        **properties,
        "ownerId": str(principal.id),
        "etag": profile.etag,
        "userName": principal.name,
        "email": profile.email or None,
        "emails": [profile.email] if profile.email else [],
        "openIds": [],
        "twoFactorAuthEnabled": False,
        "createdOn": to_iso(principal.created_on),
    }


def get_profile(session: Session, caller: Caller, user_id: int) -> dict[str, Any]:
    """Return a UserProfile.

    Only the user, administrators and members of the ACT receive the private fields.

    Raises:
        NotFound: No such user.
    """
    body = _serialize(*_get(session, user_id))
    if user_id == caller.id or caller.is_admin or ACCESS_AND_COMPLIANCE in caller.groups:
        return body
    return {key: value for key, value in body.items() if key not in _PRIVATE}


def list_profiles(
    session: Session, caller: Caller, body: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """List the profiles of an IdList, without private fields.

    Raises:
        BadRequest: The list is malformed.
        NotFound: A user does not exist.
    """
    profiles = []
    for each in request_fields.get_list(body, "list") or []:
        profile = get_profile(session, caller, parse_id(each, "list"))
        profiles.append({key: value for key, value in profile.items() if key not in _PRIVATE})
    return profiles


def update_profile(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a UserProfile. Omitted fields are cleared.

    Raises:
        BadRequest: A field is invalid.
        Conflict: The user name is in use.
        Forbidden: The profile belongs to another user.
        NotFound: No such user.
        StaleEtag: The etag is not the current one.
    """
    owner_id = parse_id(request_fields.get_required_text(body, "ownerId"), "ownerId")
    if caller.is_anonymous or not (caller.is_admin or owner_id == caller.id):
        raise Forbidden("Only owner is allowed to update profile.")
    principal, profile = _get(session, owner_id)
    entities.check_etag(str(owner_id), profile.etag, body)
    name = request_fields.get_text(body, "userName") or principal.name
    principal_names.check_available(session, name, owner_id)
    principal.name, principal.alias = name, principal_names.normalize_name(name)
    properties: dict[str, Any] = {
        key: request_fields.get_text(body, key) for key in (*_TEXTS, *_PRIVATE_TEXTS)
    }
    properties |= {key: request_fields.get_object(body, key) for key in _PRIVATE_OBJECTS}
    properties |= {key: request_fields.get_list(body, key) for key in _PRIVATE_LISTS}
    properties[_PICTURE] = _parse_picture(session, caller, profile, properties[_PICTURE])
    properties[ORCID] = profile.properties.get(ORCID)
    profile.properties = {key: value for key, value in properties.items() if value is not None}
    profile.etag = generate_etag()
    return _serialize(principal, profile)


def _parse_picture(
    session: Session, caller: Caller, profile: Profile, text: str | None
) -> str | None:
    """Return the file handle ID of a picture. The caller must own the file handle if it is new."""
    if not text or text == profile.properties.get(_PICTURE):
        return text or None
    return str(file_handles.get_own_handle(session, caller, parse_id(text, _PICTURE)).id)


def has_picture(session: Session, user_id: int, handle_id: int) -> bool:
    """Return whether a file handle is the picture of a user profile."""
    profile = session.get(Profile, user_id)
    return profile is not None and profile.properties.get(_PICTURE) == str(handle_id)


def get_passing_record(session: Session, user_id: int) -> dict[str, Any]:
    """Return the result of the certification quiz (PassingRecord).

    Raises:
        NotFound: The user did not take the quiz.
    """
    message = f"No quiz results for quiz {QUIZ} and user {user_id}"
    certification = get_or_404(session, Certification, user_id, message)
    is_certified = CERTIFIED_USERS in access_lists.list_groups(session, user_id)
    return {
        "userId": str(user_id),
        "quizId": QUIZ,
        "responseId": certification.response_id,
        "score": 15,
        "passed": True,
        "passedOn": to_iso(certification.passed_on),
        "revoked": not is_certified,
        "certified": is_certified,
        "corrections": [],
    }


def get_bundle(session: Session, caller: Caller, user_id: int, mask: int) -> dict[str, Any]:
    """Return the parts of a UserBundle.

    Args:
        session: Database session.
        caller: User of the request.
        user_id: ID of the user.
        mask: Bit mask of the parts: 1 profile, 2 ORCID, 4 verification, 8 certified, 16 verified,
            32 member of the ACT, 64 reviewer. Verifications do not exist in this service.

    Raises:
        NotFound: No such user.
    """
    _, profile = _get(session, user_id)
    orcid, groups = profile.properties.get(ORCID), access_lists.list_groups(session, user_id)
    parts: dict[int, tuple[str, Any]] = {
        1: ("userProfile", get_profile(session, caller, user_id)),
        **({2: (ORCID, orcid)} if orcid else {}),
        8: ("isCertified", CERTIFIED_USERS in groups),
        16: ("isVerified", False),
        32: ("isACTMember", ACCESS_AND_COMPLIANCE in groups),
        64: ("isARReviewer", False),
    }
    requested = dict(value for bit, value in parts.items() if mask & bit)
    return {"userId": str(user_id), **requested}
