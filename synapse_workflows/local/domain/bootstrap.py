"""What exists from the first start: the root, the trash can, the built-in groups, the users."""

import re
import uuid
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    ACCESS_AND_COMPLIANCE,
    ADMIN,
    ADMINISTRATORS,
    ANONYMOUS,
    AUTHENTICATED_USERS,
    CERTIFIED_USERS,
    FOLDER,
    PUBLIC,
    AccessType,
)
from synapse_workflows.local.domain import auth
from synapse_workflows.local.domain.access import ENTITY_ACL
from synapse_workflows.local.domain.ids import ROOT, TRASH, next_id
from synapse_workflows.local.domain.service import KnownUser
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.errors import Conflict
from synapse_workflows.local.settings import UserSeed
from synapse_workflows.local.storage.models import (
    AccessToken,
    Acl,
    AclEntry,
    Certification,
    Entity,
    EntityVersion,
    Membership,
    Principal,
    Profile,
    StackStatus,
)

_GROUPS = {
    ADMINISTRATORS: "Administrators",
    CERTIFIED_USERS: "CertifiedUsers",
    4: "TrustedMessageSenders",
    ACCESS_AND_COMPLIANCE: "AccessAndComplianceTeam",
    AUTHENTICATED_USERS: "AUTHENTICATED_USERS",
    PUBLIC: "PUBLIC",
}

#: Principals that belong to the service; no search by name finds them.
BUILTIN_PRINCIPALS = frozenset({*_GROUPS, ANONYMOUS})


def normalize_name(name: str) -> str:
    """Reduce a name to what must be unique: no case, no punctuation."""
    return re.sub(r"[\W_]", "", name).lower()


def _build_folder(entity_id: int, name: str, parent_id: int | None, now: int) -> list[object]:
    return [
        Entity(
            id=entity_id,
            parent_id=parent_id,
            benefactor_id=entity_id,
            concrete_type=FOLDER,
            name=name,
            etag=str(uuid.uuid4()),
            created_on=now,
            created_by=ADMIN,
            current_version=1,
            highest_version=1,
        ),
        EntityVersion(
            entity_id=entity_id,
            number=1,
            label="1",
            modified_on=now,
            modified_by=ADMIN,
            properties={},
            annotations={},
        ),
        Acl(owner_type=ENTITY_ACL, owner_id=entity_id, etag=str(uuid.uuid4()), created_on=now),
    ]


def create_builtins(session: Session, now: int) -> None:
    """Lay the ground on the first start; later starts find it laid."""
    if session.get(Entity, ROOT) is not None:
        return
    session.add(StackStatus(id=0, status="READ_WRITE", message=None))
    session.add_all(_build_folder(ROOT, "root", None, now))
    session.flush()
    session.add_all(_build_folder(TRASH, "trash", ROOT, now))
    for principal, right in (
        (PUBLIC, AccessType.READ),
        (AUTHENTICATED_USERS, AccessType.CREATE),
    ):
        session.add(
            AclEntry(
                owner_type=ENTITY_ACL,
                owner_id=ROOT,
                principal_id=principal,
                access_type=right.value,
            )
        )
    for number, name in _GROUPS.items():
        session.add(_build_principal(number, name, now, individual=False))
    session.add(_build_principal(ANONYMOUS, "anonymous", now, individual=True))
    session.flush()
    session.add(_build_profile(ANONYMOUS, UserSeed(user_name="anonymous"), ""))


def _build_principal(number: int, name: str, now: int, *, individual: bool) -> Principal:
    return Principal(
        id=number, name=name, alias=normalize_name(name), is_individual=individual, created_on=now
    )


def _build_profile(owner_id: int, seed: UserSeed, email: str) -> Profile:
    properties = {"firstName": seed.first_name, "lastName": seed.last_name}
    return Profile(
        owner_id=owner_id,
        etag=str(uuid.uuid4()),
        email=email,
        properties={key: value for key, value in properties.items() if value},
    )


def _choose_id(session: Session, seed: UserSeed) -> int:
    """Choose a principal id: the one asked for, or the next that nobody has."""
    if seed.owner_id is not None:
        if session.get(Principal, seed.owner_id) is not None:
            raise Conflict(f"The id {seed.owner_id} of user {seed.user_name} is taken.")
        return seed.owner_id
    number = next_id(session, "principal")
    while session.get(Principal, number) is not None:
        number = next_id(session, "principal")
    return number


def _add_user(session: Session, seed: UserSeed, now: int) -> Principal:
    number = _choose_id(session, seed)
    user = _build_principal(number, seed.user_name, now, individual=True)
    session.add(user)
    session.flush()
    session.add(_build_profile(number, seed, seed.email or f"{seed.user_name}@synapse.local"))
    if seed.certified:
        session.add(Membership(group_id=CERTIFIED_USERS, member_id=number))
        session.add(Certification(user_id=number, response_id=number, passed_on=now))
    if seed.admin:
        session.add(Membership(group_id=ADMINISTRATORS, member_id=number))
    return user


def _set_token(session: Session, signer: Signer, user: Principal, seed: UserSeed, now: int) -> str:
    """Give the user's token: their own choice, or the one that the first start made."""
    known = session.scalar(
        select(AccessToken).where(AccessToken.user_id == user.id, AccessToken.seeded)
    )
    if known is None:
        known = AccessToken(
            id=next_id(session, "token"),
            user_id=user.id,
            name="local service",
            jti=str(uuid.uuid4()),
            scopes=list(auth.ALL_SCOPES),
            claims={},
            created_on=now,
            last_used=now,
            seeded=True,
        )
        session.add(known)
    token = seed.token or signer.sign_token(auth.build_claims(known))
    known.digest = auth.hash_token(token)
    others = select(AccessToken.user_id).where(
        AccessToken.digest == known.digest, AccessToken.id != known.id
    )
    with session.no_autoflush:
        if session.scalar(others) is not None:
            raise Conflict(f"The token of user {seed.user_name} belongs to another user.")
    known.last_used = now
    return token


def create_users(
    session: Session, signer: Signer, seeds: Iterable[UserSeed], now: int
) -> tuple[KnownUser, ...]:
    """Make the users that are missing, and give them all with their tokens.

    Raises:
        Conflict: a user has the name of a group, the id of another principal, or the token of
            another user.
    """
    known = []
    for seed in seeds:
        user = session.scalar(
            select(Principal).where(Principal.alias == normalize_name(seed.user_name))
        ) or _add_user(session, seed, now)
        if user.id in BUILTIN_PRINCIPALS or not user.is_individual:
            raise Conflict(f"The name {seed.user_name} belongs to a group.")
        session.flush()
        known.append(
            KnownUser(
                user_name=user.name,
                owner_id=user.id,
                token=_set_token(session, signer, user, seed, now),
                certified=session.get(Certification, user.id) is not None,
            )
        )
    return tuple(known)
