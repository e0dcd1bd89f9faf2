"""What one try of one task read, wrote and ran: a value that is merged, carried and read.

A record never forgets while it is merged; the rules of what counts (what was really read wins,
own outputs are no inputs) are applied where it is read, in `Record.inputs`. That is what makes
merging associative and idempotent, whatever the order in which tasks finished.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self, TypeVar

from synapse_workflows.client.model.ids import split_version

T = TypeVar("T")


class Origin(StrEnum):
    """How a reference came to be known."""

    READ = "read"  # the task itself fetched it
    WROTE = "wrote"  # a task upstream stored it
    DECLARED = "declared"  # somebody typed it: used=, executed=
    INLET = "inlet"  # the task declares it as an inlet
    EVENT = "event"  # an asset event named it when it woke the run
    CODE = "code"  # the code of a task


#: Said about a task rather than observed: gives way to what was observed.
_OVERRIDABLE_ORIGINS = frozenset({Origin.INLET, Origin.EVENT})


@dataclass(frozen=True, slots=True)
class EntityRef:
    """An entity at a version.

    Args:
        id: as `syn123`.
        version: None where nobody knows it.
        site: the repository endpoint of the Synapse it lives in; None means the same one as
            whoever reads this record.
    """

    id: str
    version: int | None = None
    site: str | None = None

    @classmethod
    def parse(cls, text: str, site: str | None = None) -> Self:
        """Read `syn123` or `syn123.4`."""
        found = split_version(text)
        return cls(found.id, found.version, site)

    def covers(self, other: "EntityRef") -> bool:
        """Tell whether the other says nothing that this one does not say."""
        known = other.version in (self.version, None) and other.site in (self.site, None)
        return known and self.id == other.id

    def __str__(self) -> str:
        return self.id if self.version is None else f"{self.id}.{self.version}"


@dataclass(frozen=True, slots=True)
class UrlRef:
    """Something outside Synapse.

    Args:
        url: without credentials.
        name: what a person calls it; None means the URL.
    """

    url: str
    name: str | None = None

    def covers(self, other: "UrlRef") -> bool:
        """Tell whether both are the same place, and this one has a name if the other has."""
        return self.url == other.url and (self.name is not None or other.name is None)

    def __str__(self) -> str:
        return self.name or self.url


Ref = EntityRef | UrlRef


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A reference, and how it came to be known."""

    ref: Ref
    origin: Origin

    def to_json(self) -> dict[str, Any]:
        """Write as a small object; what is unknown is left out."""
        if isinstance(self.ref, UrlRef):
            known: dict[str, Any] = {"url": self.ref.url, "name": self.ref.name}
        else:
            known = {"id": self.ref.id, "version": self.ref.version, "site": self.ref.site}
        known["origin"] = str(self.origin)
        return {name: value for name, value in known.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        ref: Ref
        if "url" in data:
            ref = UrlRef(data["url"], data.get("name"))
        else:
            ref = EntityRef(data["id"], data.get("version"), data.get("site"))
        return cls(ref, Origin(data["origin"]))


@dataclass(frozen=True, slots=True)
class Record:
    """What one try of one task read, wrote and ran.

    `a | b` merges. Each part keeps the order in which things were first seen, without doubles.

    Args:
        used: inputs.
        ran: code.
        wrote: entities stored, each with the version that came of it.
        gaps: what could not be pinned, in words.
    """

    used: tuple[RecordEntry, ...] = ()
    ran: tuple[RecordEntry, ...] = ()
    wrote: tuple[EntityRef, ...] = ()
    gaps: tuple[str, ...] = ()

    @classmethod
    def from_refs(
        cls,
        origin: Origin,
        *,
        used: Iterable[Ref] = (),
        ran: Iterable[Ref] = (),
        gaps: Iterable[str] = (),
    ) -> Self:
        """Make a record of references that all came to be known in one way."""
        return cls(
            used=_unique(RecordEntry(ref, origin) for ref in used),
            ran=_unique(RecordEntry(ref, origin) for ref in ran),
            gaps=_unique(gaps),
        )

    @classmethod
    def from_stored(cls, *refs: EntityRef) -> Self:
        """Make the record of entities that were stored."""
        return cls(wrote=_unique(refs))

    @classmethod
    def merge(cls, records: Iterable["Record"]) -> Self:
        """Merge many at once."""
        many = list(records)
        return cls(
            used=_unique(source for record in many for source in record.used),
            ran=_unique(source for record in many for source in record.ran),
            wrote=_unique(ref for record in many for ref in record.wrote),
            gaps=_unique(gap for record in many for gap in record.gaps),
        )

    def __or__(self, other: "Record") -> "Record":
        return Record.merge((self, other))

    def __bool__(self) -> bool:
        return bool(self.used or self.ran or self.wrote or self.gaps)

    def inputs(self) -> tuple[Ref, ...]:
        """Tell what counts as used, in the order in which it was seen.

        What was observed wins over what was said of the same entity; a reference without a
        version gives way to one with; what the record itself wrote is never an input.
        """
        observed = {
            _get_key(source.ref)
            for source in self.used
            if source.origin not in _OVERRIDABLE_ORIGINS
        }
        own = defaultdict(list)
        for ref in self.wrote:
            own[ref.id].append(ref)
        return _keep_most_exact(
            source.ref
            for source in self.used
            if not (source.origin in _OVERRIDABLE_ORIGINS and _get_key(source.ref) in observed)
            and not any(_covers(ref, source.ref) for ref in own[_get_key(source.ref)])
        )

    def executed(self) -> tuple[Ref, ...]:
        """Tell what counts as executed, each once."""
        return _keep_most_exact(source.ref for source in self.ran)

    def contribution(self) -> "Record":
        """Give what a task downstream takes over.

        A task that stored something hands on what it stored, for that has an Activity of its
        own; one that stored nothing hands on what it used and ran.
        """
        if self.wrote:
            return Record.from_refs(Origin.WROTE, used=self.wrote)
        return self

    def with_origins(self, *origins: Origin) -> "Record":
        """Keep the sources that came to be known in these ways, and what was written."""
        return replace(
            self,
            used=tuple(source for source in self.used if source.origin in origins),
            ran=tuple(source for source in self.ran if source.origin in origins),
        )

    def replace_ref(self, old: Ref, new: Ref | None) -> "Record":
        """Put one reference in the place of another among the sources; None takes it out."""

        def sources(before: tuple[RecordEntry, ...]) -> tuple[RecordEntry, ...]:
            kept = (replace(s, ref=new) if s.ref == old and new else s for s in before)
            return _unique(source for source in kept if source.ref != old)

        return replace(self, used=sources(self.used), ran=sources(self.ran))

    def with_gap(self, words: str) -> "Record":
        """Say what could not be pinned."""
        return replace(self, gaps=_unique((*self.gaps, words)))

    def to_json(self) -> dict[str, Any]:
        """Write as JSON, for an XCom; empty parts are left out."""
        parts: dict[str, list[Any]] = {
            "used": [source.to_json() for source in self.used],
            "ran": [source.to_json() for source in self.ran],
            "wrote": [_entity_to_json(ref) for ref in self.wrote],
            "gaps": list(self.gaps),
        }
        return {name: part for name, part in parts.items() if part}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; parts of later versions are passed over."""
        return cls(
            used=tuple(RecordEntry.from_json(item) for item in data.get("used", ())),
            ran=tuple(RecordEntry.from_json(item) for item in data.get("ran", ())),
            wrote=tuple(
                EntityRef(item["id"], item.get("version"), item.get("site"))
                for item in data.get("wrote", ())
            ),
            gaps=tuple(data.get("gaps", ())),
        )


def _unique(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _get_key(ref: Ref) -> str:
    return ref.url if isinstance(ref, UrlRef) else ref.id


def _covers(one: Ref, other: Ref) -> bool:
    if isinstance(one, EntityRef) and isinstance(other, EntityRef):
        return one.covers(other)
    return isinstance(one, UrlRef) and isinstance(other, UrlRef) and one.covers(other)


def _keep_most_exact(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    """Leave out each reference that another one says better, or as well and earlier."""
    groups: defaultdict[str, list[Ref]] = defaultdict(list)
    for ref in refs:
        group = groups[_get_key(ref)]
        if not any(_covers(kept, ref) for kept in group):
            group[:] = [kept for kept in group if not _covers(ref, kept)] + [ref]
    return tuple(ref for group in groups.values() for ref in group)


def _entity_to_json(ref: EntityRef) -> dict[str, Any]:
    known = {"id": ref.id, "version": ref.version, "site": ref.site}
    return {name: value for name, value in known.items() if value is not None}
