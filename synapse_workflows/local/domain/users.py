"""User profiles, user and team lookup, and certification."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ACCESS_AND_COMPLIANCE, CERTIFIED_USERS
from synapse_workflows.local.domain import entities, request_fields
from synapse_workflows.local.domain.bootstrap import BUILTIN_PRINCIPALS, normalize_name
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag, parse_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Conflict, Forbidden, NotFound
from synapse_workflows.local.storage.models import (
    Certification,
    Membership,
    Principal,
    Profile,
)

QUIZ: Final = 1
MAX_ALIASES: Final = 100

_TEXTS: Final = (
    "firstName", "lastName", "summary", "position", "location", "industry", "company",
    "profilePicureFileHandleId", "url", "teamName",
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


class TypeFilter(StrEnum):
    """Types of principals that a search by prefix returns."""

    ALL = "ALL"
    USERS_ONLY = "USERS_ONLY"
    TEAMS_ONLY = "TEAMS_ONLY"


def _get(session: Session, user_id: int) -> tuple[Principal, Profile]:
    principal, profile = session.get(Principal, user_id), session.get(Profile, user_id)
    if principal is None or profile is None:
        raise NotFound(f"UserProfile cannot be found for: {user_id}")
    return principal, profile


def _serialize(principal: Principal, profile: Profile) -> dict[str, Any]:
    return {
        **profile.properties,
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
    _check_name_available(session, name, owner_id)
    principal.name, principal.alias = name, normalize_name(name)
    properties: dict[str, Any] = {
        key: request_fields.get_text(body, key) for key in (*_TEXTS, *_PRIVATE_TEXTS)
    }
    properties |= {key: request_fields.get_object(body, key) for key in _PRIVATE_OBJECTS}
    properties |= {key: request_fields.get_list(body, key) for key in _PRIVATE_LISTS}
    profile.properties = {key: value for key, value in properties.items() if value is not None}
    profile.etag = generate_etag()
    return _serialize(principal, profile)


def _check_name_available(session: Session, name: str, owner_id: int) -> None:
    alias = normalize_name(name)
    if not alias:
        raise BadRequest(f"Invalid user name '{name}': it must contain a letter or a digit.")
    owner = session.scalar(select(Principal.id).where(Principal.alias == alias))
    if owner not in {None, owner_id}:
        raise Conflict(f"The user name {name} is already taken.")


def _serialize_headers(session: Session, principals: Iterable[Principal]) -> list[dict[str, Any]]:
    headers = []
    for each in principals:
        profile = session.get(Profile, each.id)
        properties = {} if profile is None else profile.properties
        headers.append(
            {
                "ownerId": str(each.id),
                "userName": each.name,
                "firstName": properties.get("firstName"),
                "lastName": properties.get("lastName"),
                "isIndividual": each.is_individual,
            }
        )
    return headers


def list_by_prefix(
    session: Session, prefix: str, type_filter: TypeFilter, page: Page
) -> list[dict[str, Any]]:
    """List the principals with a name that starts with the prefix, as UserGroupHeaders.

    User name, first name, last name and team name are compared, ignoring case.
    """
    prefix = prefix.strip().lower()
    first_name = func.lower(Profile.properties["firstName"].as_string())
    last_name = func.lower(Profile.properties["lastName"].as_string())
    query = (
        select(Principal)
        .outerjoin(Profile, Profile.owner_id == Principal.id)
        .where(Principal.id.not_in(BUILTIN_PRINCIPALS))
        .where(
            or_(
                *(
                    column.startswith(prefix, autoescape=True)
                    for column in (func.lower(Principal.name), first_name, last_name)
                )
            )
        )
    )
    if type_filter is not TypeFilter.ALL:
        query = query.where(Principal.is_individual == (type_filter is TypeFilter.USERS_ONLY))
    query = query.order_by(Principal.alias).limit(page.limit).offset(page.offset)
    return _serialize_headers(session, session.scalars(query))


def list_by_ids(session: Session, ids: str) -> list[dict[str, Any]]:
    """List the UserGroupHeaders for comma-separated IDs. Unknown IDs are omitted.

    Raises:
        BadRequest: An ID is invalid.
    """
    principal_ids = [parse_id(each, "ids") for each in ids.split(",") if each.strip()]
    principals = (session.get(Principal, each) for each in principal_ids)
    return _serialize_headers(session, (each for each in principals if each is not None))


def list_by_aliases(session: Session, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the UserGroupHeaders for the user and team names of an AliasList.

    Raises:
        BadRequest: The list has no aliases, more than 100 aliases, or an invalid alias.
    """
    names = request_fields.get_list(body, "list") or []
    if not 1 <= len(names) <= MAX_ALIASES:
        raise BadRequest(f"list must have 1 to {MAX_ALIASES} aliases; it has {len(names)}.")
    aliases = {normalize_name(request_fields.parse_text(each, "An alias")) for each in names}
    query = select(Principal).where(Principal.alias.in_(aliases)).order_by(Principal.id)
    return _serialize_headers(session, session.scalars(query))


def list_teams(session: Session, user_id: int, page: Page) -> list[dict[str, Any]]:
    """List the teams of a user, without built-in groups."""
    query = (
        select(Principal)
        .join(Membership, Membership.group_id == Principal.id)
        .where(Membership.member_id == user_id, Principal.id.not_in(BUILTIN_PRINCIPALS))
        .order_by(Principal.id)
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {"id": str(each.id), "name": each.name, "createdOn": to_iso(each.created_on)}
        for each in session.scalars(query)
    ]


def get_passing_record(session: Session, user_id: int) -> dict[str, Any]:
    """Return the result of the certification quiz (PassingRecord).

    Raises:
        NotFound: The user did not take the quiz.
    """
    message = f"No quiz results for quiz {QUIZ} and user {user_id}"
    certification = get_or_404(session, Certification, user_id, message)
    is_certified = _is_member(session, CERTIFIED_USERS, user_id)
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


def _is_member(session: Session, group: int, user_id: int) -> bool:
    return session.get(Membership, (group, user_id)) is not None


def get_bundle(session: Session, caller: Caller, user_id: int, mask: int) -> dict[str, Any]:
    """Return the parts of a UserBundle.

    Args:
        session: Database session.
        caller: User of the request.
        user_id: ID of the user.
        mask: Bit mask of the parts: 1 profile, 2 ORCID, 4 verification, 8 certified, 16 verified,
            32 member of the ACT, 64 reviewer. ORCIDs and verifications do not exist in this
            service.

    Raises:
        NotFound: No such user.
    """
    _get(session, user_id)
    parts: dict[int, tuple[str, Any]] = {
        1: ("userProfile", get_profile(session, caller, user_id)),
        8: ("isCertified", _is_member(session, CERTIFIED_USERS, user_id)),
        16: ("isVerified", False),
        32: ("isACTMember", _is_member(session, ACCESS_AND_COMPLIANCE, user_id)),
        64: ("isARReviewer", False),
    }
    requested = dict(value for bit, value in parts.items() if mask & bit)
    return {"userId": str(user_id), **requested}
