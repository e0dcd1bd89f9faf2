"""Events that a session emits to its listeners."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from synapse_workflows.constants import TABLE, VIEWS


def has_open_version(entity: Mapping[str, Any]) -> bool:
    """Return whether the version of an entity is the open version of a table or view.

    The open version is the current version, whose content may change. A snapshot is immutable.

    Args:
        entity: Properties as returned by ``GET /entity/{id}``, or ``/entity/{id}/version/{n}``.
    """
    is_latest = entity.get("isLatestVersion") is not False
    return is_latest and entity.get("concreteType") in {TABLE, *VIEWS}


@dataclass(frozen=True)
class Read:
    """An entity or a URL was read.

    Args:
        entity_id: For example ``syn123``; None if a URL was read, see `url`.
        version: The version whose content was read; None for unversioned objects.
        name: Name of the entity or of the object behind the URL.
        concrete_type: Full type, for example ``org.sagebionetworks.repo.model.FileEntity``.
        how: Name of the public method that was called, for example ``get``.
        url: The URL that was read; None if an entity was read.
        is_lookup: Whether only metadata was read (properties or a schema), and not the content.
        is_open: Whether the version is the open version of a table or view, whose content may
            change; see `has_open_version`.
        etag: Etag of the rows of a table or view that were read; None if it is not known.
        columns: Name and type of each column of the table that a query returned.
    """

    entity_id: str | None
    version: int | None = None
    name: str | None = None
    concrete_type: str | None = None
    how: str = "get"
    url: str | None = None
    is_lookup: bool = False
    is_open: bool = False
    etag: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Wrote:
    """An entity was stored, with its annotations and provenance if given.

    Args:
        entity_id: For example ``syn123``.
        version: The stored version; None for unversioned entities.
        name: Name of the entity.
        concrete_type: Full type.
        md5: MD5 of the file, 32 hexadecimal digits; None without a file.
        parent_id: ID of the container of the entity.
        changed: Whether the entity was changed; False if everything was already up to date.
        activity_given: Whether the caller passed provenance.
        replaced_etag: Etag of the rows of a table, directly after they replaced all earlier rows;
            None if earlier rows were kept, or the etag is unknown.
        properties: Properties of the entity with its current etag, as Synapse returned them; None
            if they are not known.
        is_read_before: Whether `properties` were read before the rows of a table changed.
        activity_id: ID of the Activity of the version, if the caller passed provenance and the
            version was created with this Activity.
        is_open: Whether the version is the open version of a table or view; False for a snapshot.
        is_reused: Whether the version existed before, with the Activity `activity_id`, and is used
            again.
    """

    entity_id: str
    version: int | None = None
    name: str | None = None
    concrete_type: str | None = None
    md5: str | None = None
    parent_id: str | None = None
    changed: bool = True
    activity_given: bool = False
    replaced_etag: str | None = None
    properties: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    is_read_before: bool = False
    activity_id: str | None = None
    is_open: bool = False
    is_reused: bool = False

    @classmethod
    def from_entity(cls, entity: Mapping[str, Any], **details: Any) -> Self:
        """Build the event from the properties of an entity.

        Args:
            entity: Properties as returned by ``GET /entity/{id}``.
            **details: Other fields of the event, or `version` if it is not the version in
                `entity`.
        """
        known = {
            "entity_id": entity["id"],
            "version": entity.get("versionNumber"),
            "name": entity.get("name"),
            "concrete_type": entity.get("concreteType"),
            "parent_id": entity.get("parentId"),
            "is_open": has_open_version(entity),
        }
        return cls(**{**known, **details})


@dataclass(frozen=True)
class Ran:
    """Code that has to be recorded in the provenance was executed.

    Args:
        name: Display name.
        url: URL of the code, if the code is not an entity.
        entity_id: ID of the code, for example ``syn123``, if the code is an entity.
        version: Version of that entity.
    """

    name: str
    url: str | None = None
    entity_id: str | None = None
    version: int | None = None


Event = Read | Wrote | Ran
Listener = Callable[[Event], None]
