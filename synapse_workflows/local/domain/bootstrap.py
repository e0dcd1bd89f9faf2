"""Initial content of the database: built-in folders and groups, and the configured users."""

import uuid
from collections.abc import Iterable

from sqlalchemy import bindparam, select
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
    TRUSTED_MESSAGE_SENDERS,
    AccessType,
)
from synapse_workflows.local.domain import api_keys, auth, logins, terms_of_use, tokens
from synapse_workflows.local.domain.access import ENTITY_ACL
from synapse_workflows.local.domain.ids import (
    ROOT,
    TRASH,
    generate_etag,
    next_id,
    next_principal_id,
)
from synapse_workflows.local.domain.principal_names import normalize_name
from synapse_workflows.local.domain.service import KnownUser
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.domain.storage import storage_locations
from synapse_workflows.local.domain.users import ORCID
from synapse_workflows.local.errors import BadRequest, Conflict
from synapse_workflows.local.settings import UserSeed
from synapse_workflows.local.storage.database import fetch_rows, insert_row
from synapse_workflows.local.storage.models import (
    AccessToken,
    Acl,
    AclEntry,
    Certification,
    ConfiguredUser,
    Entity,
    EntityVersion,
    Membership,
    Principal,
    Profile,
    StackStatus,
)

_BUILTIN_GROUPS = {
    ADMINISTRATORS: "Administrators",
    CERTIFIED_USERS: "CertifiedUsers",
    TRUSTED_MESSAGE_SENDERS: "TrustedMessageSenders",
    ACCESS_AND_COMPLIANCE: "AccessAndComplianceTeam",
    AUTHENTICATED_USERS: "AUTHENTICATED_USERS",
    PUBLIC: "PUBLIC",
}

#: IDs of built-in principals; searches by name exclude them.
BUILTIN_PRINCIPALS = frozenset({*_BUILTIN_GROUPS, ANONYMOUS})

_ALIAS_OWNER = select(Principal.id).where(Principal.alias == bindparam("alias"))
_SEEDED_TOKEN = select(AccessToken.id).where(
    AccessToken.user_id == bindparam("user_id"), AccessToken.seeded
)
_OTHER_TOKEN = select(AccessToken.id).where(
    AccessToken.digest == bindparam("digest"), AccessToken.id != bindparam("token_id")
)


def _build_folder(entity_id: int, name: str, parent_id: int | None, now: int) -> list[object]:
    return [
        Entity(
            id=entity_id,
            parent_id=parent_id,
            benefactor_id=entity_id,
            concrete_type=FOLDER,
            name=name,
            etag=generate_etag(),
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
        Acl(owner_type=ENTITY_ACL, owner_id=entity_id, etag=generate_etag(), created_on=now),
    ]


def create_builtins(session: Session, now: int) -> None:
    """Create the built-in entities, principals and storage location that do not exist yet."""
    storage_locations.create_default(session, now)
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
    for number, name in _BUILTIN_GROUPS.items():
        session.add(_build_principal(number, name, now, individual=False))
    session.add(_build_principal(ANONYMOUS, "anonymous", now, individual=True))
    session.flush()
    session.add(_build_profile(ANONYMOUS, UserSeed(user_name="anonymous"), ""))


def _build_principal(number: int, name: str, now: int, *, individual: bool) -> Principal:
    return Principal(
        id=number, name=name, alias=normalize_name(name), is_individual=individual, created_on=now
    )


def _build_profile(owner_id: int, seed: UserSeed, email: str) -> Profile:
    properties = {
        "firstName": seed.first_name,
        "lastName": seed.last_name,
        ORCID: seed.orcid,
    }
    return Profile(
        owner_id=owner_id,
        etag=generate_etag(),
        email=email,
        properties={key: value for key, value in properties.items() if value},
    )


def _choose_id(session: Session, seed: UserSeed) -> int:
    """Return the configured principal ID, or the next free ID."""
    if seed.owner_id is not None:
        if not 0 < seed.owner_id < 1 << 63:
            raise BadRequest(
                f"Cannot create user {seed.user_name}: the ID {seed.owner_id} is not a positive "
                "64-bit number."
            )
        if session.get(Principal, seed.owner_id) is not None:
            raise Conflict(
                f"Cannot create user {seed.user_name}: the ID {seed.owner_id} is already in use."
            )
        return seed.owner_id
    return next_principal_id(session)


def _add_user(session: Session, seed: UserSeed, now: int) -> Principal:
    number = _choose_id(session, seed)
    user = _build_principal(number, seed.user_name, now, individual=True)
    insert_row(session, user)
    email = seed.email or f"{seed.user_name}@synapse.local"
    insert_row(session, _build_profile(number, seed, email))
    if seed.certified:
        insert_row(session, Membership(group_id=CERTIFIED_USERS, member_id=number))
        insert_row(session, Certification(user_id=number, response_id=number, passed_on=now))
    if seed.admin:
        insert_row(session, Membership(group_id=ADMINISTRATORS, member_id=number))
    return user


def _find_or_add_user(session: Session, seed: UserSeed, now: int) -> Principal:
    """Return the user of a seed, who can have another name since, or create the user.

    Raises:
        Conflict: The name belongs to a group, or the ID belongs to another principal.
    """
    alias = normalize_name(seed.user_name)
    known = session.get(ConfiguredUser, alias)
    if known is not None:
        return session.get_one(Principal, known.user_id)
    owner = fetch_rows(session, _ALIAS_OWNER, alias=alias)
    user = session.get_one(Principal, owner[0].id) if owner else _add_user(session, seed, now)
    if user.id in BUILTIN_PRINCIPALS or not user.is_individual:
        raise Conflict(f"Cannot create user {seed.user_name}: the name belongs to a group.")
    insert_row(session, ConfiguredUser(alias=alias, user_id=user.id))
    return user


def _set_token(session: Session, signer: Signer, user: Principal, seed: UserSeed, now: int) -> str:
    """Create the token record of a user if the record is missing, and set its token."""
    found = fetch_rows(session, _SEEDED_TOKEN, user_id=user.id)
    if found:
        record = session.get_one(AccessToken, found[0].id)
    else:
        record = AccessToken(
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
    token = seed.token or tokens.sign_token(signer, record)
    digest = auth.hash_token(token)
    if fetch_rows(session, _OTHER_TOKEN, digest=digest, token_id=record.id):
        raise Conflict(
            f"Cannot set the token of user {seed.user_name}: it belongs to another user."
        )
    record.digest, record.last_used = digest, now
    if not found:
        insert_row(session, record)
    return token


def create_users(
    session: Session, signer: Signer, seeds: Iterable[UserSeed], now: int
) -> tuple[KnownUser, ...]:
    """Create the configured users that do not exist.

    Returns:
        All configured users with their tokens, passwords and API keys.

    Raises:
        Conflict: The name belongs to a group, the ID belongs to another principal, or the token
            belongs to another user.
    """
    users = []
    for seed in seeds:
        user = _find_or_add_user(session, seed, now)
        users.append(
            KnownUser(
                user_name=user.name,
                owner_id=user.id,
                token=_set_token(session, signer, user, seed, now),
                certified=session.get(Certification, user.id) is not None,
                password=seed.password,
                api_key=api_keys.configure(session, user.id, seed.api_key),
            )
        )
        logins.configure(session, user.id, seed.password)
        terms_of_use.configure(session, user.id, now, agreed=seed.accepts_terms_of_use)
    return tuple(users)
