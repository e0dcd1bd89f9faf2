"""Lineage coverage of a project: which versions have a complete and exact Activity."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from synapse_workflows.client.core.session import Session
from synapse_workflows.constants import TABLE, VIEWS
from synapse_workflows.provenance.container_scan import VERSIONED_TYPES, ContainerScan
from synapse_workflows.provenance.provenance_graph import (
    EntityVersion,
    Source,
    iter_sources,
    list_stated_gaps,
)
from synapse_workflows.provenance.provenance_reader import Progress, ProvenanceReader
from synapse_workflows.provenance.record import EntityRef, UrlRef
from synapse_workflows.provenance.url_versions import parse_url_version

FindingKind = Literal[
    "no_activity",
    "unpinned_input",
    "moving_url",
    "missing_input",
    "recorded_gap",
    "unreadable_input",
]
#: Kind of a finding -> heading in the report.
HEADINGS: Final[Mapping[FindingKind, str]] = {
    "no_activity": "No Activity",
    "unpinned_input": "Sources without a fixed version",
    "moving_url": "URLs that follow a branch or tag",
    "missing_input": "Sources that do not exist any more",
    "recorded_gap": "Gaps that an Activity states",
    "unreadable_input": "Sources that are not readable with these credentials (not a problem)",
}
#: Kinds that are no problem of the lineage.
_HINTS: Final = frozenset({"unreadable_input"})
_MISSING: Final = {
    "trashed": "is in the trash can",
    "deleted": "does not exist any more",
    "version_deleted": "does not exist any more: this version is deleted",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is missing or inexact in the lineage of versions.

    Args:
        kind: Kind of the finding.
        entities: The versions, all of the same Activity.
        text: What is missing or inexact.
        activity_id: ID of the Activity; None if there is none.
        source: The source, as ``syn123.4`` or a URL; None if the finding is not about a source.
    """

    kind: FindingKind
    entities: tuple[EntityVersion, ...]
    text: str
    activity_id: str | None = None
    source: str | None = None

    @property
    def is_problem(self) -> bool:
        """Whether the lineage is incomplete or inexact; False for a hint."""
        return self.kind not in _HINTS

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON; unknown fields are omitted."""
        values = {
            "kind": self.kind,
            "entities": [str(entity.ref) for entity in self.entities],
            "names": [entity.name for entity in self.entities],
            "text": self.text,
            "activity_id": self.activity_id,
            "source": self.source,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """Lineage coverage of a container.

    Args:
        container: Name and ID of the container.
        versions: Number of checked versions.
        with_activity: Number of versions that have an Activity.
        complete: Number of versions that have an Activity, and no problem.
        sources: Number of sources of the Activities, without `unknown_urls`.
        pinned: Number of sources with a fixed version.
        unknown_urls: Number of URLs in which no version can be recognized.
        findings: What is missing or inexact.
        notes: Sentences about what was not checked.
    """

    container: str
    versions: int
    with_activity: int
    complete: int
    sources: int
    pinned: int
    unknown_urls: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that are problems."""
        return tuple(finding for finding in self.findings if finding.is_problem)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON. Percentages are numbers from 0 to 100, null for zero items."""
        return {
            "container": self.container,
            "versions": self.versions,
            "with_activity": self.with_activity,
            "with_activity_percent": _percent(self.with_activity, self.versions),
            "complete": self.complete,
            "complete_percent": _percent(self.complete, self.versions),
            "sources": self.sources,
            "pinned": self.pinned,
            "pinned_percent": _percent(self.pinned, self.sources),
            "unknown_urls": self.unknown_urls,
            "problems": len(self.problems),
            "findings": [finding.to_json() for finding in self.findings],
            "notes": list(self.notes),
        }


def check_coverage(
    syn: Session,
    container: Any,
    *,
    all_versions: bool = False,
    progress: Progress | None = None,
) -> CoverageReport:
    """Check the lineage of the files, tables and views in a project or folder.

    A file is checked in its current version, a table in its open version if that has an Activity,
    else in its newest snapshot, and a view in its newest snapshot. The open version of a view is
    not checked, because its rows are computed from other objects.

    Args:
        syn: Client with permission to read the container.
        container: Project, folder or other entity, or its ID.
        all_versions: Whether to check all versions instead.
        progress: Called with the number of completed and of known requests.

    Raises:
        ValueError: `container` is not an entity.
        SynapseNotFoundError: The container does not exist, or is in the trash can.
        SynapseForbiddenError: The caller may not read the container.

    Source:
        POST /entity/children, GET /entity/{id}/version,
        GET /entity/{id}/version/{versionNumber}/generatedBy, POST /entity/header
    """
    reader = ProvenanceReader(syn, progress=progress)
    scan = ContainerScan.read(reader, container, all_versions=all_versions)
    return _CoverageCheck(scan, all_versions=all_versions).report()


class _CoverageCheck:
    """Check of the versions of a scan."""

    def __init__(self, scan: ContainerScan, *, all_versions: bool) -> None:
        self.scan = scan
        wanted = list(_select_versions(scan, all_versions=all_versions))
        self.checked = scan.reader.read_entities(wanted)
        self.by_activity: defaultdict[str, list[EntityVersion]] = defaultdict(list)
        self.activities: dict[str, Mapping[str, Any]] = {}
        for ref, entity in self.checked.items():
            activity = scan.activities.get(ref)
            if activity is not None:
                self.by_activity[str(activity["id"])].append(entity)
                self.activities[str(activity["id"])] = activity
        self.sources = {
            activity_id: list(iter_sources(activity))
            for activity_id, activity in self.activities.items()
        }
        all_sources = [source for sources in self.sources.values() for source in sources]
        refs = [source.ref for source in all_sources if isinstance(source.ref, EntityRef)]
        self.inputs = scan.reader.read_entities(refs)

    def report(self) -> CoverageReport:
        """Return the report."""
        findings = list(self._find_versions_without_activity())
        for activity_id in self.activities:
            findings += self._check_activity(activity_id)
        order = list(HEADINGS)
        findings.sort(key=lambda finding: order.index(finding.kind))
        affected = {
            entity.ref for finding in findings if finding.is_problem for entity in finding.entities
        }
        sources = [source for each in self.sources.values() for source in each]
        unknown = [source for source in sources if self._is_unknown_url(source)]
        unpinned = [each for each in findings if each.kind in {"unpinned_input", "moving_url"}]
        known = len(sources) - len(unknown)
        return CoverageReport(
            container=f"{self.scan.container['name']} ({self.scan.container['id']})",
            versions=len(self.checked),
            with_activity=sum(len(each) for each in self.by_activity.values()),
            complete=len(self.checked.keys() - affected),
            sources=known,
            pinned=known - len(unpinned),
            unknown_urls=len(unknown),
            findings=tuple(findings),
            notes=self.scan.notes,
        )

    def _find_versions_without_activity(self) -> Iterator[Finding]:
        for ref, entity in self.checked.items():
            if ref not in self.scan.activities:
                yield Finding("no_activity", (entity,), "has no Activity")

    def _check_activity(self, activity_id: str) -> Iterator[Finding]:
        entities = tuple(self.by_activity[activity_id])
        reported = set()
        for source in self.sources[activity_id]:
            found = self._check_source(source)
            if found is not None:
                kind, reason = found
                shown = self._format_source(source)
                text = f"{'executed' if source.executed else 'used'} {shown}: {reason}"
                reported.add(_get_identifier(source))
                yield Finding(kind, entities, text, activity_id, _get_identifier(source))
        for gap in list_stated_gaps(self.activities[activity_id]):
            if gap.partition(" ")[0].rstrip(":,") not in reported:
                yield Finding("recorded_gap", entities, gap, activity_id)

    def _check_source(self, source: Source) -> tuple[FindingKind, str] | None:
        """Return the kind of finding about a source and the reason; None without a finding."""
        if isinstance(source.ref, UrlRef):
            return _check_url(source.ref)
        entity = self.inputs[source.ref]
        if entity.availability == "unreadable":
            return "unreadable_input", "is not readable"
        if not entity.is_available:
            return "missing_input", _MISSING[entity.availability]
        reason = _find_reason_for_no_version(entity)
        return None if reason is None else ("unpinned_input", reason)

    def _is_unknown_url(self, source: Source) -> bool:
        is_url = isinstance(source.ref, UrlRef)
        return is_url and parse_url_version(_get_identifier(source)).pinning == "unknown"

    def _format_source(self, source: Source) -> str:
        if isinstance(source.ref, UrlRef):
            return source.ref.url
        return format_entity(self.inputs[source.ref])


def _check_url(ref: UrlRef) -> tuple[FindingKind, str] | None:
    found = parse_url_version(ref.url)
    if found.pinning != "moving":
        return None
    followed = repr(found.version) if found.version else "the default branch or tag"
    return "moving_url", f"follows {followed}, whose content changes"


def _find_reason_for_no_version(entity: EntityVersion) -> str | None:
    """Return why a source has no fixed version; None if it has one."""
    if entity.ref.version is None:
        return "has no version"
    if entity.is_open:
        return "is an open version, not a snapshot"
    if entity.concrete_type not in VERSIONED_TYPES:
        return f"is a {entity.type_name}, which has no versions"
    return None


def format_entity(entity: EntityVersion) -> str:
    """Return name and ID of a version: ``raw.csv (syn123.4)``."""
    return f"{entity.name} ({entity.ref})" if entity.name else str(entity.ref)


def format_report(report: CoverageReport) -> str:
    """Format a report as text, without a trailing newline."""
    rows = [
        ("versions with an Activity", report.with_activity, report.versions),
        ("versions without any problem", report.complete, report.versions),
        ("sources with a fixed version", report.pinned, report.sources),
    ]
    count = f"{report.versions} version{'s' * (report.versions != 1)}"
    lines = [f"Lineage coverage of {report.container}: {count}", ""]
    for label, part, whole in rows:
        percent = _percent(part, whole)
        shown = "" if percent is None else f"  ({percent:g} %)"
        lines.append(f"  {label:<30} {part} of {whole}{shown}")
    if report.unknown_urls:
        lines.append(f"  {'URLs without a known version':<30} {report.unknown_urls} (not checked)")
    for kind, heading in HEADINGS.items():
        found = [finding for finding in report.findings if finding.kind == kind]
        if found:
            lines += ["", f"{heading} ({len(found)}):"]
            lines += [f"  {line}" for finding in found for line in _format_finding(finding)]
    return "\n".join([*lines, *(f"\nNote: {note}" for note in report.notes)])


def _format_finding(finding: Finding) -> Iterable[str]:
    first, *others = [format_entity(entity) for entity in finding.entities]
    more = f" and {len(others)} more" if others else ""
    yield f"{first}{more}" if finding.kind == "no_activity" else f"{first}{more}: {finding.text}"


def _select_versions(scan: ContainerScan, *, all_versions: bool) -> Iterator[EntityRef]:
    """Yield the versions to check; see `check_coverage`."""
    for entity_id, versions in scan.versions.items():
        kind = scan.entities[entity_id]["type"]
        candidates = list(versions)
        is_empty = candidates[0] not in scan.activities and len(candidates) > 1
        if kind in VIEWS or (kind == TABLE and is_empty):
            candidates = candidates[1:]
        yield from candidates if all_versions else candidates[:1]


def _get_identifier(source: Source) -> str:
    return source.ref.url if isinstance(source.ref, UrlRef) else str(source.ref)


def _percent(part: int, whole: int) -> float | None:
    """Return a percentage that is 100 only if all items count, and 0 only if none does."""
    if whole == 0:
        return None
    exact = 100 * part / whole
    rounded = round(exact, 1)
    if rounded in (0, 100) and exact != rounded:
        return 0.1 if rounded == 0 else 99.9
    return rounded
