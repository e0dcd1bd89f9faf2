"""Lineage record of one try of a task: its inputs, executed code and outputs.

Merging records keeps all references. Only `Record.inputs` applies precedence rules, for example:
references that were read take precedence over inlets, and outputs are not inputs. Merging is
therefore associative and idempotent, and independent of the order in which tasks finish.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from synapse_workflows.client.core.redaction import redact_name, redact_url
from synapse_workflows.client.model.ids import split_version
from synapse_workflows.provenance.gaps import NOT_LISTED, describe_open, describe_url, limit_gaps
from synapse_workflows.provenance.object_versions import strip_version
from synapse_workflows.provenance.url_versions import Pinning, parse_url_version

T = TypeVar("T")


class Origin(StrEnum):
    """How a reference became known."""

    READ = "read"  # read by the task
    WROTE = "wrote"  # stored by an upstream task
    DECLARED = "declared"  # declared by the DAG author: used=, executed=
    INLET = "inlet"  # inlet of the task
    EVENT = "event"  # asset event that triggered the run
    ANNOUNCED = "announced"  # one of the new files that an asset event announces
    CODE = "code"  # code of a task
    LOOKUP = "lookup"  # metadata read by the task, without the content


#: Origins that are overridden by references of other origins to the same object.
_OVERRIDABLE_ORIGINS = frozenset({Origin.INLET, Origin.EVENT, Origin.ANNOUNCED})


@dataclass(frozen=True, slots=True)
class EntityRef:
    """Reference to an entity version.

    Args:
        id: ID such as `syn123`.
        version: Version number; None if unknown.
        site: Repository endpoint of the Synapse that stores the entity; None for the Synapse in
            which the record is used.
        is_open: Whether this is the open version of a table or view, whose content may change.
        etag: Etag of the rows that were read in an open version; None if it is not known.
        read_at: Time at which an open version was read, in ISO 8601; None if it is not known.
            References that differ only in this time are equal.
    """

    id: str
    version: int | None = None
    site: str | None = None
    is_open: bool = False
    etag: str | None = None
    read_at: str | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str, site: str | None = None) -> Self:
        """Parse `syn123` or `syn123.4`."""
        parsed = split_version(text)
        return cls(parsed.id, parsed.version, site)

    def as_open(self, etag: str | None, read_at: datetime) -> "EntityRef":
        """Return the reference of the open version, as it was read at a time."""
        time = read_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return replace(self, is_open=True, etag=etag, read_at=time)

    def covers(self, other: "EntityRef") -> bool:
        """Return whether this reference contains the ID, version and site of another one."""
        includes_version = other.version in (self.version, None)
        includes_site = other.site in (self.site, None)
        return self.id == other.id and includes_version and includes_site

    def __str__(self) -> str:
        return self.id if self.version is None else f"{self.id}.{self.version}"


@dataclass(frozen=True, slots=True)
class UrlRef:
    """Reference to an object outside Synapse.

    Args:
        url: URL. User info, query and fragment are removed, because they may hold credentials.
        name: Display name; None to display the URL. URLs in the name are redacted, too.
    """

    url: str
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", redact_url(self.url))
        if self.name is not None:
            object.__setattr__(self, "name", redact_name(self.name))

    @property
    def place(self) -> str:
        """The URL without the version of the object."""
        return strip_version(self.url)

    @property
    def pinning(self) -> Pinning:
        """Whether the URL identifies a version of its object, which cannot change."""
        return parse_url_version(self.url).pinning

    def covers(self, other: "UrlRef") -> bool:
        """Return whether this reference contains all information of another reference."""
        if self.url != other.url:
            return self.place == other.url
        return self.name is not None or other.name is None

    def __str__(self) -> str:
        return self.name or self.url


Ref = EntityRef | UrlRef


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A reference and its origin."""

    ref: Ref
    origin: Origin

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON; unknown fields are omitted."""
        return {**_ref_to_json(self.ref), "origin": str(self.origin)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Create an entry from the result of `to_json`."""
        return cls(_ref_from_json(data), Origin(data["origin"]))


@dataclass(frozen=True, slots=True)
class Record:
    """Inputs, code and outputs of one try of a task.

    `a | b` merges two records. Items keep the order of their first occurrence and are unique.

    Args:
        used: Inputs.
        ran: Executed code.
        wrote: Outputs: stored entities, with the versions that were created, and objects outside
            Synapse, for example in S3.
        gaps: Descriptions of references that are unknown or have no version.
    """

    used: tuple[RecordEntry, ...] = ()
    ran: tuple[RecordEntry, ...] = ()
    wrote: tuple[Ref, ...] = ()
    gaps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.gaps:
            object.__setattr__(self, "gaps", tuple(redact_name(gap) for gap in self.gaps))

    @classmethod
    def from_refs(
        cls,
        origin: Origin,
        *,
        used: Iterable[Ref] = (),
        ran: Iterable[Ref] = (),
        gaps: Iterable[str] = (),
    ) -> Self:
        """Create a record from references of the same origin."""
        return cls(
            used=_unique(RecordEntry(ref, origin) for ref in used),
            ran=_unique(RecordEntry(ref, origin) for ref in ran),
            gaps=_unique(gaps),
        )

    @classmethod
    def from_stored(cls, *refs: Ref) -> Self:
        """Create a record whose outputs are stored entities or objects outside Synapse."""
        return cls(wrote=_unique(refs))

    @property
    def stored_entities(self) -> tuple[EntityRef, ...]:
        """The outputs that are entities. Each of them has an Activity, unless lineage is off."""
        return tuple(ref for ref in self.wrote if isinstance(ref, EntityRef))

    @classmethod
    def merge(cls, records: Iterable["Record"]) -> Self:
        """Merge any number of records."""
        merged = [record for record in records if record]
        if len(merged) == 1 and type(merged[0]) is cls:
            return merged[0]
        return cls(
            used=_unique(entry for record in merged for entry in record.used),
            ran=_unique(entry for record in merged for entry in record.ran),
            wrote=_unique(ref for record in merged for ref in record.wrote),
            gaps=_unique(gap for record in merged for gap in record.gaps),
        )

    def __or__(self, other: "Record") -> "Record":
        return Record.merge((self, other))

    def __bool__(self) -> bool:
        return bool(self.used or self.ran or self.wrote or self.gaps)

    def inputs(self) -> tuple[Ref, ...]:
        """Return the references that count as used, in the order of their first occurrence.

        The result omits what `resolve_inlets` omits, references without a version if the same
        object has one with a version, and entity versions that the record itself wrote.
        """
        own = defaultdict(list)
        for ref in self.stored_entities:
            own[ref.id].append(ref)
        return _keep_most_exact(
            entry.ref
            for entry in self.resolve_inlets().used
            if not any(_covers(ref, entry.ref) for ref in own[_get_key(entry.ref)])
        )

    def resolve_inlets(self) -> "Record":
        """Return a copy without the inlets and asset events that other references override.

        A reference to one announced file overrides all of them: a mapped task instance reads one.
        The remaining ones have the origin `WROTE`: what is merged later does not override them.
        """
        found = {one for one in self.used if one.origin in _OVERRIDABLE_ORIGINS}
        known = {_get_key(one.ref) for one in self.used if one not in found}
        overridden = {one for one in found if _get_key(one.ref) in known}
        if any(one.origin is Origin.ANNOUNCED for one in overridden):
            overridden |= {one for one in found if one.origin is Origin.ANNOUNCED}
        kept = (one for one in self.used if one not in overridden)
        used = (replace(one, origin=Origin.WROTE) if one in found else one for one in kept)
        return replace(self, used=_unique(used))

    def entries(self) -> tuple[RecordEntry, ...]:
        """Return all sources: the used inputs and the executed code."""
        return self.used + self.ran

    def executed(self) -> tuple[Ref, ...]:
        """Return the references that count as executed, without duplicates."""
        return _keep_most_exact(entry.ref for entry in self.ran)

    def without_outputs_below(self, url: str | None) -> "Record":
        """Return the record without the outputs of upstream tasks whose URLs start with `url`.

        If there are such outputs, `url` itself is no source either: theirs are known.
        """
        if url is None:
            return self
        outputs = {
            entry
            for entry in self.used
            if entry.origin is Origin.WROTE
            and isinstance(entry.ref, UrlRef)
            and entry.ref.url.startswith(url)
        }
        if not outputs:
            return self
        kept = (entry for entry in self.used if entry not in outputs and entry.ref != UrlRef(url))
        return replace(self, used=tuple(kept))

    def contribution(self) -> "Record":
        """Return the record that downstream tasks inherit.

        If the task stored entities, downstream tasks inherit these entities, because each of
        them has its own Activity. Otherwise, downstream tasks inherit the inputs and the code of
        the task, without references of the origin `LOOKUP`. Objects outside Synapse have no
        Activity: downstream tasks inherit them in both cases.
        """
        outputs = Record.from_refs(Origin.WROTE, used=self.wrote)
        if self.stored_entities:
            return replace(outputs, gaps=tuple(g for g in self.gaps if g.startswith(NOT_LISTED)))
        inputs = (entry for entry in self.used if entry.origin is not Origin.LOOKUP)
        return replace(self, used=_unique((*inputs, *outputs.used)), wrote=())

    def list_gaps(self) -> tuple[str, ...]:
        """Return the gaps, including the inputs that are no immutable versions.

        These are open versions of tables and views, URLs that were read and do not identify a
        version, and declared URLs that follow a branch or a tag.
        """
        inputs: defaultdict[str, list[Ref]] = defaultdict(list)
        for ref in self.inputs():
            inputs[_get_key(ref)].append(ref)
        open_refs = (
            entry.ref
            for entry in self.used
            if isinstance(entry.ref, EntityRef)
            and entry.ref.is_open
            and any(_covers(ref, entry.ref) for ref in inputs[entry.ref.id])
        )
        opened = (describe_open(str(ref), ref.read_at, ref.etag) for ref in open_refs)
        return limit_gaps((*self.gaps, *opened, *self._iter_unpinned_urls()))

    def _iter_unpinned_urls(self) -> Iterator[str]:
        """Yield the gaps of URLs that were read without a version, or declared with a branch."""
        origins = {(entry.ref, entry.origin) for entry in self.entries()}
        for ref in (*self.inputs(), *self.executed()):
            if isinstance(ref, UrlRef) and ref.pinning != "pinned":
                is_moving = ref.pinning == "moving" and (ref, Origin.DECLARED) in origins
                if is_moving or (ref, Origin.READ) in origins:
                    yield describe_url(ref.url)

    def with_origins(self, *origins: Origin) -> "Record":
        """Return a copy with the inputs and code of these origins, and all outputs."""
        return replace(
            self,
            used=tuple(entry for entry in self.used if entry.origin in origins),
            ran=tuple(entry for entry in self.ran if entry.origin in origins),
        )

    def replace_refs(self, new: Mapping[Ref, Ref | None]) -> "Record":
        """Return a copy in which references are replaced, or removed if the new one is None."""

        def replace_in(entries: tuple[RecordEntry, ...]) -> tuple[RecordEntry, ...]:
            refs = ((new.get(entry.ref, entry.ref), entry) for entry in entries)
            return _unique(RecordEntry(ref, entry.origin) for ref, entry in refs if ref)

        return replace(self, used=replace_in(self.used), ran=replace_in(self.ran))

    def with_gap(self, description: str) -> "Record":
        """Return a copy with an additional gap."""
        return replace(self, gaps=_unique((*self.gaps, description)))

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON, for example for an XCom; empty parts are omitted."""
        parts: dict[str, list[Any]] = {
            "used": [entry.to_json() for entry in self.used],
            "ran": [entry.to_json() for entry in self.ran],
            "wrote": [_ref_to_json(ref) for ref in self.wrote],
            "gaps": list(self.gaps),
        }
        return {name: part for name, part in parts.items() if part}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Create a record from the result of `to_json`; unknown parts are ignored."""
        return cls(
            used=tuple(RecordEntry.from_json(item) for item in data.get("used", ())),
            ran=tuple(RecordEntry.from_json(item) for item in data.get("ran", ())),
            wrote=tuple(_ref_from_json(item) for item in data.get("wrote", ())),
            gaps=tuple(data.get("gaps", ())),
        )


def _unique(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _get_key(ref: Ref) -> str:
    return ref.place if isinstance(ref, UrlRef) else ref.id


def _covers(one: Ref, other: Ref) -> bool:
    if isinstance(one, EntityRef) and isinstance(other, EntityRef):
        return one.covers(other)
    return isinstance(one, UrlRef) and isinstance(other, UrlRef) and one.covers(other)


def _keep_most_exact(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    """Return the references that are not covered by another reference."""
    groups: defaultdict[str, list[Ref]] = defaultdict(list)
    for ref in refs:
        group = groups[_get_key(ref)]
        if not any(_covers(kept, ref) for kept in group):
            group[:] = [kept for kept in group if not _covers(ref, kept)] + [ref]
    return tuple(ref for group in groups.values() for ref in group)


def _ref_to_json(ref: Ref) -> dict[str, Any]:
    fields: dict[str, Any]
    if isinstance(ref, UrlRef):
        fields = {"url": ref.url, "name": ref.name}
    else:
        fields = {
            "id": ref.id,
            "version": ref.version,
            "site": ref.site,
            "open": ref.is_open or None,
            "etag": ref.etag,
            "read_at": ref.read_at,
        }
    return {name: value for name, value in fields.items() if value is not None}


def _ref_from_json(data: Mapping[str, Any]) -> Ref:
    if "url" in data:
        return UrlRef(data["url"], data.get("name"))
    return EntityRef(
        data["id"],
        data.get("version"),
        data.get("site"),
        bool(data.get("open")),
        data.get("etag"),
        data.get("read_at"),
    )
