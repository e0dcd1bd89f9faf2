"""Users: profiles, who is called what, and who is certified."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ACCESS_AND_COMPLIANCE, CERTIFIED_USERS
from synapse_workflows.local.domain import entities, request_fields
from synapse_workflows.local.domain.bootstrap import BUILTIN_PRINCIPALS, normalize_name
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import parse_id
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
    """Which principals a search by prefix gives."""

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
    """Give a UserProfile; the private fields only to the user, administrators and the ACT.

    Raises:
        NotFound: there is no such user.
    """
    body = _serialize(*_get(session, user_id))
    if user_id == caller.id or caller.is_admin or ACCESS_AND_COMPLIANCE in caller.groups:
        return body
    return {key: value for key, value in body.items() if key not in _PRIVATE}


def list_profiles(
    session: Session, caller: Caller, body: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Give the profiles of an IdList, without private fields.

    Raises:
        BadRequest: the list is malformed.
        NotFound: one of the users does not exist.
    """
    found = []
    for each in request_fields.get_list(body, "list") or []:
        shown = get_profile(session, caller, parse_id(each, "list"))
        found.append({key: value for key, value in shown.items() if key not in _PRIVATE})
    return found


def update_profile(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a UserProfile; what the body leaves out is cleared.

    Raises:
        BadRequest: a field is ill-typed.
        Conflict: the user name is taken.
        Forbidden: it is somebody else's.
        NotFound: there is no such user.
        Stale: the etag is not the current one.
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
    profile.etag = entities.generate_etag()
    return _serialize(principal, profile)


def _check_name_available(session: Session, name: str, owner_id: int) -> None:
    alias = normalize_name(name)
    if not alias:
        raise BadRequest(f"'{name}' cannot be a user name: it needs letters or digits.")
    taken = session.scalar(select(Principal.id).where(Principal.alias == alias))
    if taken not in {None, owner_id}:
        raise Conflict(f"The user name {name} is already taken.")


def _serialize_headers(session: Session, principals: Iterable[Principal]) -> list[dict[str, Any]]:
    found = []
    for each in principals:
        profile = session.get(Profile, each.id)
        named = {} if profile is None else profile.properties
        found.append(
            {
                "ownerId": str(each.id),
                "userName": each.name,
                "firstName": named.get("firstName"),
                "lastName": named.get("lastName"),
                "isIndividual": each.is_individual,
            }
        )
    return found


def list_by_prefix(
    session: Session, prefix: str, kinds: TypeFilter, asked: Page
) -> list[dict[str, Any]]:
    """List the principals of whom a name begins with the prefix, as UserGroupHeaders.

    User name, first name, last name and team name count; case does not.
    """
    start = prefix.strip().lower()
    first = func.lower(Profile.properties["firstName"].as_string())
    last = func.lower(Profile.properties["lastName"].as_string())
    query = (
        select(Principal)
        .outerjoin(Profile, Profile.owner_id == Principal.id)
        .where(Principal.id.not_in(BUILTIN_PRINCIPALS))
        .where(
            or_(
                *(
                    column.startswith(start, autoescape=True)
                    for column in (func.lower(Principal.name), first, last)
                )
            )
        )
    )
    if kinds is not TypeFilter.ALL:
        query = query.where(Principal.is_individual == (kinds is TypeFilter.USERS_ONLY))
    query = query.order_by(Principal.alias).limit(asked.limit).offset(asked.offset)
    return _serialize_headers(session, session.scalars(query))


def list_by_ids(session: Session, text: str) -> list[dict[str, Any]]:
    """Give the UserGroupHeaders of a comma-separated list of ids; unknown ones are left out.

    Raises:
        BadRequest: one of them is no id.
    """
    wanted = [parse_id(each, "ids") for each in text.split(",") if each.strip()]
    found = (session.get(Principal, each) for each in wanted)
    return _serialize_headers(session, (each for each in found if each is not None))


def list_by_aliases(session: Session, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the UserGroupHeaders of an AliasList: whole user and team names.

    Raises:
        BadRequest: there are no aliases, more than 100, or one is no text.
    """
    given = request_fields.get_list(body, "list") or []
    if not 1 <= len(given) <= MAX_ALIASES:
        raise BadRequest(f"The list must hold between 1 and {MAX_ALIASES} aliases.")
    wanted = {normalize_name(request_fields.parse_text(each, "An alias")) for each in given}
    query = select(Principal).where(Principal.alias.in_(wanted)).order_by(Principal.id)
    return _serialize_headers(session, session.scalars(query))


def list_teams(session: Session, user_id: int, asked: Page) -> list[dict[str, Any]]:
    """List the teams that a user belongs to; the built-in groups are none."""
    query = (
        select(Principal)
        .join(Membership, Membership.group_id == Principal.id)
        .where(Membership.member_id == user_id, Principal.id.not_in(BUILTIN_PRINCIPALS))
        .order_by(Principal.id)
        .limit(asked.limit)
        .offset(asked.offset)
    )
    return [
        {"id": str(each.id), "name": each.name, "createdOn": to_iso(each.created_on)}
        for each in session.scalars(query)
    ]


def get_passing_record(session: Session, user_id: int) -> dict[str, Any]:
    """Give the result of the certification quiz (PassingRecord).

    Raises:
        NotFound: the user never took it.
    """
    passed = session.get(Certification, user_id)
    if passed is None:
        raise NotFound(f"No quiz results for quiz {QUIZ} and user {user_id}")
    certified = session.get(Membership, (CERTIFIED_USERS, user_id)) is not None
    return {
        "userId": str(user_id),
        "quizId": QUIZ,
        "responseId": passed.response_id,
        "score": 15,
        "passed": True,
        "passedOn": to_iso(passed.passed_on),
        "revoked": not certified,
        "certified": certified,
        "corrections": [],
    }


def _is_member(session: Session, group: int, user_id: int) -> bool:
    return session.get(Membership, (group, user_id)) is not None


def get_bundle(session: Session, caller: Caller, user_id: int, mask: int) -> dict[str, Any]:
    """Give the parts of a UserBundle.

    Args:
        session: reads the tables.
        caller: who asks.
        user_id: about whom.
        mask: sum of 1 profile, 2 ORCID, 4 verification, 8 certified, 16 verified, 32 member of
            the ACT, 64 reviewer. Nobody here has an ORCID or is verified.

    Raises:
        NotFound: there is no such user.
    """
    _get(session, user_id)
    parts: dict[int, tuple[str, Any]] = {
        1: ("userProfile", get_profile(session, caller, user_id)),
        8: ("isCertified", _is_member(session, CERTIFIED_USERS, user_id)),
        16: ("isVerified", False),
        32: ("isACTMember", _is_member(session, ACCESS_AND_COMPLIANCE, user_id)),
        64: ("isARReviewer", False),
    }
    asked = dict(value for bit, value in parts.items() if mask & bit)
    return {"userId": str(user_id), **asked}
