"""Comparison of two entity versions: their content, and how they were made."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.provenance.activity import GAP_PREFIX
from synapse_workflows.provenance.parameters import (
    CONF_PREFIX,
    PARAMETERS_PREFIX,
    parse_parameters,
)
from synapse_workflows.provenance.provenance_graph import (
    EntityVersion,
    FileContent,
    Source,
    iter_sources,
    list_stated_gaps,
)
from synapse_workflows.provenance.provenance_reader import ProvenanceReader
from synapse_workflows.provenance.record import EntityRef, UrlRef
from synapse_workflows.provenance.url_versions import parse_url_version

Change = Literal["added", "removed", "changed", "same", "unknown"]
_SIGNS: Final[Mapping[Change, str]] = {"added": "+", "removed": "-", "changed": "~"}
#: Version of a source without one.
_NO_VERSION: Final = "no version"


@dataclass(frozen=True, slots=True)
class Difference:
    """A source, parameter or content in the two versions.

    Args:
        subject: What is compared: an entity, a URL without its version, or a parameter.
        change: Whether it was added, removed or changed; `unknown` without the necessary facts.
        first: Its versions or values in the first version; empty if it is missing there.
        second: The same in the second version.
    """

    subject: str
    change: Change
    first: tuple[Any, ...] = ()
    second: tuple[Any, ...] = ()

    @property
    def is_difference(self) -> bool:
        """Whether the versions differ in this subject."""
        return self.change in _SIGNS

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        values = {"first": list(self.first), "second": list(self.second)}
        return {"subject": self.subject, "change": self.change, **values}


@dataclass(frozen=True, slots=True)
class ProvenanceComparison:
    """Differences of two entity versions.

    Args:
        first: The first version.
        second: The second version.
        activities: Their Activities; None for a version without one.
        content: MD5 of the contents; `unknown` if an MD5 is missing.
        inputs: All used sources, also the same ones.
        code: All executed sources, also the same ones.
        parameters: All parameters in the descriptions, also the same ones.
        gaps: Gaps that the Activities state, also the same ones.
        description: Other lines of the descriptions, without the same ones.
    """

    first: EntityVersion
    second: EntityVersion
    activities: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
    content: Difference
    inputs: tuple[Difference, ...]
    code: tuple[Difference, ...]
    parameters: tuple[Difference, ...]
    gaps: tuple[Difference, ...]
    description: tuple[Difference, ...]

    @property
    def has_differences(self) -> bool:
        """Whether content, inputs, code, parameters or gaps differ."""
        compared = (self.content, *self.inputs, *self.code, *self.parameters, *self.gaps)
        has_activity = [activity is not None for activity in self.activities]
        return len(set(has_activity)) > 1 or any(each.is_difference for each in compared)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON; each list contains the same sources, too."""
        fields = ("inputs", "code", "parameters", "gaps", "description")
        return {
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "activities": [
                None if one is None else {"id": str(one["id"]), "name": one.get("name")}
                for one in self.activities
            ],
            "has_differences": self.has_differences,
            "content": self.content.to_json(),
            **{name: [each.to_json() for each in getattr(self, name)] for name in fields},
        }


def compare_provenance(syn: Session, first: Any, second: Any) -> ProvenanceComparison:
    """Compare two versions of an entity, or two entities.

    Sources are the same if they are the same entity, or the same URL apart from a commit, branch,
    hash, digest or version ID in it; the version is compared.

    Args:
        syn: Client with permission to read both.
        first: ID such as ``syn123`` or ``syn123.4``, or an entity.
        second: The other version or entity.

    Raises:
        ValueError: An argument is not an entity.
        SynapseNotFoundError: A version does not exist, or is in the trash can.
        SynapseForbiddenError: The caller may not read an entity.

    Source:
        POST /entity/{id}/version/{versionNumber}/bundle2,
        GET /entity/{id}/version/{versionNumber}/generatedBy, POST /entity/header
    """
    reader = ProvenanceReader(syn, details=True)
    refs = [reader.resolve(_parse_ref(each)) for each in (first, second)]
    entities = reader.read_entities(refs)
    known = reader.read_activities(refs)
    before, after = (known.get(ref) for ref in refs)
    sources = [list(iter_sources(activity or {})) for activity in (before, after)]
    inputs = (source.ref for each in sources for source in each)
    found = ProvenanceReader(syn).read_entities(
        ref for ref in inputs if isinstance(ref, EntityRef)
    )
    names = {ref.id: entity.name for ref, entity in found.items() if entity.name}
    parameters = [parse_parameters(activity or {}) for activity in (before, after)]
    values = [{name: (value,) for name, value in each.items()} for each in parameters]
    gaps = [dict.fromkeys(list_stated_gaps(activity or {}), ()) for activity in (before, after)]
    lines = [dict.fromkeys(_list_lines(activity or {}), ()) for activity in (before, after)]
    return ProvenanceComparison(
        first=entities[refs[0]],
        second=entities[refs[1]],
        activities=(before, after),
        content=_compare_content(*(entities[ref].content for ref in refs)),
        inputs=_compare_sources(sources, names, executed=False),
        code=_compare_sources(sources, names, executed=True),
        parameters=_compare(*values),
        gaps=_compare(*gaps),
        description=tuple(each for each in _compare(*lines) if each.is_difference),
    )


def format_comparison(comparison: ProvenanceComparison) -> str:
    """Format the differences as text, without a trailing newline.

    Lines start with ``+`` (added), ``-`` (removed) or ``~`` (changed).
    """
    first, second = (_format_entity(one) for one in (comparison.first, comparison.second))
    lines = [f"{first} -> {second}"]
    for entity, activity in zip((first, second), comparison.activities, strict=True):
        if activity is None:
            lines.append(f"{entity} has no Activity.")
    content = "Content" if comparison.content.change != "unknown" else "Content (unknown MD5)"
    sections = {
        content: [comparison.content],
        "Inputs": comparison.inputs,
        "Code": comparison.code,
        "Parameters": comparison.parameters,
        "Gaps": comparison.gaps,
        "Description": comparison.description,
    }
    for heading, differences in sections.items():
        changed = [each for each in differences if each.is_difference]
        same = sum(each.change == "same" for each in differences)
        if changed:
            note = f" ({same} unchanged)" if same else ""
            lines += ["", f"{heading}{note}:", *(_format_difference(each) for each in changed)]
        elif same or heading == content:
            lines += ["", f"{heading}: unchanged" if same else heading]
    return "\n".join(lines)


def _parse_ref(entity: Any) -> EntityRef:
    target = parse_entity_id(entity)
    number = entity.get("versionNumber") if isinstance(entity, Mapping) else target.version
    return EntityRef(target.id, number)


def _compare_content(first: FileContent | None, second: FileContent | None) -> Difference:
    hashes = [content.md5 if content else None for content in (first, second)]
    if None in hashes:
        values = [() if one is None else (one,) for one in hashes]
        return Difference("MD5", "unknown", *values)
    return _compare({"MD5": (hashes[0],)}, {"MD5": (hashes[1],)})[0]


def _compare_sources(
    sources: Iterable[Iterable[Source]],
    names: Mapping[str, str],
    *,
    executed: bool,
) -> tuple[Difference, ...]:
    """Compare the used or the executed sources of two Activities."""
    grouped = []
    for each in sources:
        versions: defaultdict[str, list[str]] = defaultdict(list)
        for source in each:
            if source.executed is executed:
                subject, version = _split_source(source, names)
                versions[subject].append(version)
        grouped.append({subject: tuple(sorted(found)) for subject, found in versions.items()})
    return _compare(*grouped)


def _split_source(source: Source, names: Mapping[str, str]) -> tuple[str, str]:
    """Return what a source is, and its version."""
    if isinstance(source.ref, UrlRef):
        found = parse_url_version(source.ref.url)
        return found.base, found.version or _NO_VERSION
    name = names.get(source.ref.id)
    version = _NO_VERSION if source.ref.version is None else str(source.ref.version)
    return f"{name} ({source.ref.id})" if name else source.ref.id, version


def _compare(
    first: Mapping[str, tuple[Any, ...]], second: Mapping[str, tuple[Any, ...]]
) -> tuple[Difference, ...]:
    """Compare the values of each subject."""

    def create(subject: str) -> Difference:
        before, after = first.get(subject), second.get(subject)
        if before is None or after is None:
            change: Change = "added" if before is None else "removed"
            return Difference(subject, change, before or (), after or ())
        return Difference(subject, "same" if before == after else "changed", before, after)

    return tuple(create(subject) for subject in dict.fromkeys((*first, *second)))


def _list_lines(activity: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a description other than parameters and gaps, and the name."""
    gaps = list_stated_gaps(activity)
    if activity.get("name"):
        yield f"Name: {activity['name']}"
    for line in (activity.get("description") or "").splitlines():
        is_compared = line in gaps or line.startswith((PARAMETERS_PREFIX, CONF_PREFIX, GAP_PREFIX))
        if line and not is_compared:
            yield line


def _format_entity(entity: EntityVersion) -> str:
    return f"{entity.name} ({entity.ref})" if entity.name else str(entity.ref)


def _format_difference(difference: Difference) -> str:
    start = f"  {_SIGNS[difference.change]} {difference.subject}"
    first, second = (
        ", ".join(map(str, values)) for values in (difference.first, difference.second)
    )
    if difference.change == "changed":
        return f"{start}: {first} -> {second}"
    values = first or second
    return f"{start}: {values}" if values and values != _NO_VERSION else start
