"""Provenance that was read from Synapse: entity versions, Activities and their connections."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from synapse_workflows.constants import ENTITY_TYPES
from synapse_workflows.provenance.activity import parse_gaps, parse_source
from synapse_workflows.provenance.record import EntityRef, Ref, UrlRef

#: Whether a version can be read. `trashed`: the entity is in the trash can; `deleted`: there is no
#: such entity; `version_deleted`: the entity exists, and this version does not.
Availability = Literal["available", "unreadable", "trashed", "deleted", "version_deleted"]

#: Start of the line in a description that says how many sources an Activity does not list.
_LEFT_OUT: Final = "Left out: "


@dataclass(frozen=True, slots=True)
class FileContent:
    """Content of a version of a file.

    Args:
        md5: 32 hexadecimal digits; None if unknown, for example for an external link.
        size: Size in bytes; None if unknown.
        content_type: Media type.
        file_name: Name of the downloaded file.
    """

    md5: str | None = None
    size: int | None = None
    content_type: str | None = None
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class EntityVersion:
    """A version of an entity.

    Args:
        ref: ID and version; the version is None if a source was recorded without one.
        availability: Whether the version can be read. If not, the following fields are None.
        name: Name of the entity.
        concrete_type: Full type, for example ``org.sagebionetworks.repo.model.FileEntity``.
        current_version: Number of the version that `ref` without a version refers to.
        is_open: Whether this is the open version of a table or view, whose content may change.
        created_on: Date of the entity, ISO 8601.
        created_by: Principal ID of the user who created the entity.
        modified_on: Date of the version, ISO 8601.
        modified_by: Principal ID of the user who modified the version last.
        content: Content of a file, if it was requested and may be downloaded.
    """

    ref: EntityRef
    availability: Availability = "available"
    name: str | None = None
    concrete_type: str | None = None
    current_version: int | None = None
    is_open: bool = False
    created_on: str | None = None
    created_by: str | None = None
    modified_on: str | None = None
    modified_by: str | None = None
    content: FileContent | None = None

    @property
    def is_available(self) -> bool:
        """Whether the version can be read."""
        return self.availability == "available"

    @property
    def type_name(self) -> str | None:
        """Short type, for example ``file`` or ``table``."""
        return ENTITY_TYPES.get(self.concrete_type or "", self.concrete_type)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON; unknown fields are omitted."""
        content = self.content or FileContent()
        values = {
            "id": self.ref.id,
            "version": self.ref.version,
            "name": self.name,
            "type": self.type_name,
            "availability": self.availability,
            "is_open": self.is_open or None,
            "created_on": self.created_on,
            "created_by": self.created_by,
            "modified_on": self.modified_on,
            "modified_by": self.modified_by,
            "md5": content.md5,
            "size": content.size,
            "content_type": content.content_type,
            "file_name": content.file_name,
        }
        return {name: value for name, value in values.items() if value is not None}


class Source(NamedTuple):
    """A source of an Activity.

    Args:
        ref: The entity version or URL.
        executed: Whether it was executed; otherwise it was used.
    """

    ref: Ref
    executed: bool


def iter_sources(activity: Mapping[str, Any]) -> Iterator[Source]:
    """Iterate over the sources of an Activity, each once, in the order of the Activity."""
    items = activity.get("used") or ()
    yield from dict.fromkeys(
        Source(parse_source(item), bool(item.get("wasExecuted"))) for item in items
    )


def list_stated_gaps(activity: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an Activity says to be missing: versions of sources, and omitted sources."""
    lines = (activity.get("description") or "").splitlines()
    return (*parse_gaps(activity), *(line for line in lines if line.startswith(_LEFT_OUT)))


@dataclass(frozen=True)
class ProvenanceGraph:
    """Entity versions and the Activities that used and generated them.

    Args:
        roots: The versions from which the walk started.
        entities: Version -> what is known about it, for the roots and all sources and results.
        activities: ID -> Activity, without credentials.
        generated_by: Version -> ID of its Activity, if the Activity is in `activities`.
        bounded: Versions whose provenance continues beyond the depth of the walk.
        notes: Sentences about the walk, for example where it stopped.
        portal_url: Base URL of the Synapse portal; None if unknown.
    """

    roots: tuple[EntityRef, ...]
    entities: Mapping[EntityRef, EntityVersion]
    activities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    generated_by: Mapping[EntityRef, str] = field(default_factory=dict)
    bounded: frozenset[EntityRef] = frozenset()
    notes: tuple[str, ...] = ()
    portal_url: str | None = None

    @cached_property
    def sources(self) -> dict[str, tuple[Source, ...]]:
        """ID of an Activity -> its sources, the executed ones last."""
        return {
            activity_id: tuple(sorted(iter_sources(activity), key=lambda source: source.executed))
            for activity_id, activity in self.activities.items()
        }

    @cached_property
    def generated(self) -> dict[str, tuple[EntityRef, ...]]:
        """ID of an Activity -> the known versions that it generated."""
        found: defaultdict[str, list[EntityRef]] = defaultdict(list)
        for ref, activity_id in self.generated_by.items():
            found[activity_id].append(ref)
        return {activity_id: tuple(refs) for activity_id, refs in found.items()}

    @cached_property
    def users(self) -> dict[Ref, tuple[str, ...]]:
        """Source -> IDs of the Activities that used or executed it."""
        found: defaultdict[Ref, list[str]] = defaultdict(list)
        for activity_id, sources in self.sources.items():
            for ref in dict.fromkeys(source.ref for source in sources):
                found[ref].append(activity_id)
        return {ref: tuple(ids) for ref, ids in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON.

        Returns:
            `roots` (list of `syn123.4`), `entities`, `activities` (each with `id`, `name`,
            `description`, `used`, `executed`, `generated`), `bounded`, `notes`.
        """
        return {
            "roots": [str(ref) for ref in self.roots],
            "entities": [entity.to_json() for entity in self.entities.values()],
            "activities": [self._activity_to_json(each) for each in self.activities],
            "bounded": sorted(str(ref) for ref in self.bounded),
            "notes": list(self.notes),
        }

    def _activity_to_json(self, activity_id: str) -> dict[str, Any]:
        activity, sources = self.activities[activity_id], self.sources[activity_id]
        fields = ("name", "description", "createdOn", "createdBy", "modifiedOn", "modifiedBy")
        return {
            "id": activity_id,
            **{name: activity[name] for name in fields if activity.get(name) is not None},
            "used": [ref_to_json(source.ref) for source in sources if not source.executed],
            "executed": [ref_to_json(source.ref) for source in sources if source.executed],
            "generated": [str(ref) for ref in self.generated.get(activity_id, ())],
        }


def ref_to_json(ref: Ref) -> dict[str, Any]:
    """Convert a reference to JSON: `id` and `version`, or `url` and `name`; if known."""
    if isinstance(ref, UrlRef):
        return {"url": ref.url} | ({"name": ref.name} if ref.name else {})
    return {"id": ref.id} | ({} if ref.version is None else {"version": ref.version})
