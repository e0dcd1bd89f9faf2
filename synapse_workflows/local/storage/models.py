"""Tables of principals, entities, access and activities.

Dates are milliseconds since the epoch. IDs of principals, entities and activities are integers
here and text in the REST API. The domain modules validate the values of JSON columns.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Counter(Base):
    """The last assigned ID of each type of object."""

    __tablename__ = "counter"
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class StackStatus(Base):
    """The status of the service: READ_WRITE, READ_ONLY or DOWN. The table has one row."""

    __tablename__ = "stack_status"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    message: Mapped[str | None]


class Principal(Base):
    """A user or a team. `alias` is the normalized name, without case and punctuation."""

    __tablename__ = "principal"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    alias: Mapped[str] = mapped_column(unique=True)
    is_individual: Mapped[bool]
    created_on: Mapped[int] = mapped_column(BigInteger)


class Profile(Base):
    """A user profile. `properties` holds the optional properties of UserProfile."""

    __tablename__ = "profile"
    owner_id: Mapped[int] = mapped_column(ForeignKey("principal.id"), primary_key=True)
    etag: Mapped[str]
    email: Mapped[str]
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)


class ConfiguredUser(Base):
    """A user of the settings. `alias` is the normalized name in the settings.

    The user can have another name since, because users can change their names.
    """

    __tablename__ = "configured_user"
    alias: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"))


class Membership(Base):
    """The membership of a principal in a team or a built-in group."""

    __tablename__ = "membership"
    group_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(
        ForeignKey("principal.id"), primary_key=True, index=True
    )


class Certification(Base):
    """A passed certification quiz of a user."""

    __tablename__ = "certification"
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"), primary_key=True)
    response_id: Mapped[int]
    passed_on: Mapped[int] = mapped_column(BigInteger)


class AccessToken(Base):
    """A personal access token. `digest` is the SHA-256 of the token; the token is not stored.

    `seeded` marks the token that the service creates for a configured user on its first start.
    """

    __tablename__ = "access_token"
    __table_args__ = (UniqueConstraint("user_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("principal.id"))
    name: Mapped[str]
    jti: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    claims: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_on: Mapped[int] = mapped_column(BigInteger)
    last_used: Mapped[int] = mapped_column(BigInteger)
    seeded: Mapped[bool] = mapped_column(default=False)


class Entity(Base):
    """An entity: the properties that all its versions share.

    `benefactor_id` is the entity whose ACL applies. For entities in the trash can, it is the trash
    folder.
    """

    __tablename__ = "entity"
    __table_args__ = (
        UniqueConstraint("parent_id", "name"),
        Index("entity_benefactor", "benefactor_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("entity.id"))
    benefactor_id: Mapped[int]
    concrete_type: Mapped[str]
    name: Mapped[str]
    etag: Mapped[str]
    created_on: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int]
    current_version: Mapped[int]
    highest_version: Mapped[int]


class EntityVersion(Base):
    """A version of an entity.

    `properties` holds the properties of the concrete type (linksTo, ...). `annotations` is the map
    `{key: {"type": ..., "value": [...]}}`.
    """

    __tablename__ = "entity_version"
    __table_args__ = (UniqueConstraint("entity_id", "label"),)
    entity_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]
    comment: Mapped[str | None]
    description: Mapped[str | None]
    modified_on: Mapped[int] = mapped_column(BigInteger)
    modified_by: Mapped[int]
    file_handle_id: Mapped[int | None] = mapped_column(index=True)
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"), index=True)
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)
    annotations: Mapped[dict[str, Any]] = mapped_column(JSON)


class Trashed(Base):
    """An entity in the trash can, with its previous parent and name."""

    __tablename__ = "trashed"
    entity_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), primary_key=True
    )
    original_parent_id: Mapped[int]
    original_name: Mapped[str]
    deleted_by: Mapped[int]
    deleted_on: Mapped[int] = mapped_column(BigInteger)


class Acl(Base):
    """An access control list. `owner_type` is ENTITY, EVALUATION or TEAM."""

    __tablename__ = "acl"
    owner_type: Mapped[str] = mapped_column(String(20), primary_key=True)
    owner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    etag: Mapped[str]
    created_on: Mapped[int] = mapped_column(BigInteger)


class AclEntry(Base):
    """An access type that an access control list grants to a principal."""

    __tablename__ = "acl_entry"
    owner_type: Mapped[str] = mapped_column(String(20), primary_key=True)
    owner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    principal_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    access_type: Mapped[str] = mapped_column(String(40), primary_key=True)


class Activity(Base):
    """An Activity. `used` is the list in the format of the REST API."""

    __tablename__ = "activity"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    etag: Mapped[str]
    name: Mapped[str | None]
    description: Mapped[str | None]
    created_on: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int]
    modified_on: Mapped[int] = mapped_column(BigInteger)
    modified_by: Mapped[int]
    used: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class AccessRequirement(Base):
    """An access requirement: it forbids downloads from an entity and its descendants."""

    __tablename__ = "access_requirement"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entity_id: Mapped[int] = mapped_column(ForeignKey("entity.id", ondelete="CASCADE"), index=True)
    etag: Mapped[str]
    created_on: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int]
