"""Creation of the copies of a plan."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import (
    bundles,
    children,
    copy_files,
    copy_references,
    copy_tables,
    store_entity,
)
from synapse_workflows.client.api.annotations import put_annotations
from synapse_workflows.client.api.copy_comparison import (
    REFERENCES,
    CopyOptions,
    Match,
    get_activity,
    get_properties,
)
from synapse_workflows.client.api.copy_plan import (
    MAX_THREADS,
    CopyItem,
    CopyPlan,
    Planner,
    build_conflict,
)
from synapse_workflows.client.api.copy_references import CopiedVersion
from synapse_workflows.client.api.copy_wikis import WikiCopier
from synapse_workflows.client.api.store_entity import StoreResult
from synapse_workflows.client.api.store_properties import VersionOptions
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.api.store_request import StoreRequest
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Event, Read, Wrote
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseConflictError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.entity import get_entity_type

_VERSIONED: Final = frozenset({constants.FILE, constants.TABLE})


class CopyWriter:
    """One recursive copy.

    Args:
        syn: The session that sends the requests.
        options: Options of the copy.
        version: Version of the entity that the caller gave, if any.
    """

    def __init__(self, syn: Session, options: CopyOptions, version: int | None) -> None:
        self.syn = syn
        self.options = options
        self.version = version
        self.copies: dict[str, CopiedVersion] = {}
        self._planner = Planner(syn, options, version)
        self._count = 0

    def copy(self, source: Mapping[str, Any], destination_id: str, name: str) -> dict[str, str]:
        """Copy an entity, given its bundle, and return the IDs of the copies."""
        plan = self._planner.plan(source, destination_id, name)
        if plan.skipped:
            self.syn.logger.warning(
                "Docker repositories cannot be copied; skipping %s", ", ".join(plan.skipped)
            )
        self.copies[destination_id] = CopiedVersion(None, destination_id, None)
        root = source["entity"]
        if root["concreteType"] == constants.PROJECT:
            self.copies[root["id"]] = CopiedVersion(None, destination_id, None)
        self._copy_items(plan)
        if self.options.wikis:
            self._copy_wikis(source, plan)
        if destination_id != root["id"]:
            del self.copies[destination_id]
        return {source_id: one.id for source_id, one in self.copies.items()}

    def _copy_items(self, plan: CopyPlan) -> None:
        items = plan.items
        for item in items:
            if item.concrete_type == constants.FOLDER:
                self._record(item, self._copy_entity(item), len(items))
        files = [item for item in items if item.concrete_type == constants.FILE]
        threads = min(MAX_THREADS, self.syn.max_threads)
        for item, (copied, events) in map_parallel(self._copy_file, files, threads):
            for event in events:
                self.syn.emit(event)
            self._record(item, copied, len(items))
        for item in _order_by_reference(items):
            is_table = item.concrete_type == constants.TABLE
            copied = self._copy_table(item) if is_table else self._copy_entity(item)
            self._record(item, copied, len(items))

    def _copy_wikis(self, source: Mapping[str, Any], plan: CopyPlan) -> None:
        copier = WikiCopier(self.syn, update_existing=self.options.update_existing)
        root = source["entity"]
        bundles_by_id = {root["id"]: source} | {item.id: item.source for item in plan.items}
        for source_id, bundle in bundles_by_id.items():
            if bundle.get("rootWikiId"):
                copier.add(source_id, self.copies[source_id].id)
        copier.copy({source_id: one.id for source_id, one in self.copies.items()})

    def _record(self, item: CopyItem, copied: CopiedVersion, total: int) -> None:
        self.copies[item.id] = copied
        self._count += 1
        self.syn.logger.info(
            "Copied %s %r to %s (%d of %d)", item.id, item.name, copied.id, self._count, total
        )

    def _copy_file(self, item: CopyItem) -> tuple[CopiedVersion, list[Event]]:
        """Copy a file; return the copy, and the events to emit."""
        if item.match in {Match.SAME, Match.ANNOTATE} and item.existing is not None:
            return self._reuse(item, item.existing), []
        handle = bundles.get_file_handle(item.source) or {}
        parent = self.copies[item.parent].id
        handle_id = copy_files.copy_content(
            self.syn, item.id, handle, parent, self.options.storage
        )
        try:
            result, activity_id = self._store(item, item.name, dataFileHandleId=handle_id)
        except SynapseConflictError as conflict:
            return self._resolve_conflict(item, conflict), []
        read = Read(
            item.id, item.entity["versionNumber"], item.entity["name"], constants.FILE, how="copy"
        )
        return self._describe(item, result.properties), [
            read,
            self._written(result.properties, activity_id, handle.get("contentMd5")),
        ]

    def _copy_table(self, item: CopyItem) -> CopiedVersion:
        if item.existing is not None:
            return self._reuse(item, item.existing)
        target = {"parentId": self.copies[item.parent].id, "name": item.name}
        version = self.version if item.entity.get("isLatestVersion") is False else None

        activity_id = None

        def create(name: str) -> str:
            nonlocal activity_id
            result, activity_id = self._store(item, name)
            return result.id

        try:
            copy_id = copy_tables.copy_table(self.syn, item.entity, version, target, create)
        except SynapseConflictError as conflict:
            return self._resolve_conflict(item, conflict)
        properties = self.syn.call("GET", f"/entity/{copy_id}").object
        self.syn.emit(self._written(properties, activity_id))
        return self._describe(item, properties)

    def _copy_entity(self, item: CopyItem) -> CopiedVersion:
        """Copy an entity without content: a folder, a link or a view."""
        if item.existing is not None:
            return self._reuse(item, item.existing)
        try:
            result, activity_id = self._store(item, item.name)
        except SynapseConflictError as conflict:
            return self._resolve_conflict(item, conflict)
        self.syn.emit(self._written(result.properties, activity_id))
        return self._describe(item, result.properties)

    def _store(self, item: CopyItem, name: str, **changes: Any) -> tuple[StoreResult, str | None]:
        """Create the copy, or the next version of an existing file; return it and its Activity."""
        given = {"name": name, "parentId": self.copies[item.parent].id, **changes}
        existing = item.existing
        if existing is not None:
            given["id"] = existing["entity"]["id"]
        request = StoreRequest(
            get_entity_type(item.concrete_type),
            {**self._get_properties(item), **given},
            self._planner.comparison.get_annotations(item.source, existing),
        )
        activity = StoreProvenance(self.syn, self._get_activity(item))
        result = store_entity.create_or_update(
            self.syn, request, VersionOptions(create_or_update=False), activity
        )
        return result, activity.activity_id

    def _get_properties(self, item: CopyItem) -> dict[str, Any]:
        return copy_references.translate(
            get_properties(item.source),
            self.copies,
            has_entity_scope=item.concrete_type == constants.ENTITY_VIEW,
        )

    def _get_activity(self, item: CopyItem) -> Mapping[str, Any] | None:
        if item.concrete_type not in _VERSIONED or self.options.provenance == "none":
            return None
        if self.options.provenance == "existing":
            found = get_activity(self.syn, item.entity)
            return None if found is None else {"id": found["id"]}
        reference = f"{item.id}.{item.entity['versionNumber']}"
        given = self.options.activity or {}
        activity = Activity(
            name=given.get("name") or f"Copy of {reference}",
            description=given.get("description"),
            used=reference,
        )
        activity["used"] += given.get("used", ())
        return activity

    def _reuse(self, item: CopyItem, existing: Mapping[str, Any]) -> CopiedVersion:
        """Use what the destination has, after completing its annotations."""
        wanted, stored = self._get_properties(item), get_properties(existing)
        if any(wanted.get(key) != stored.get(key) for key in REFERENCES - {"scopeIds"}) or sorted(
            copy_references.iter_references(wanted)
        ) != sorted(copy_references.iter_references(stored)):
            raise build_conflict(
                f"{item.name!r} ({existing['entity']['id']}), which refers to something else"
            )
        if item.match is Match.ANNOTATE:
            self._annotate(item, existing["entity"]["id"])
        return self._describe(item, existing["entity"])

    def _annotate(self, item: CopyItem, entity_id: str) -> None:
        values = self._planner.comparison.get_annotations(item.source, None)

        def update() -> None:
            etag = self.syn.call("GET", f"/entity/{entity_id}").object["etag"]
            put_annotations(self.syn, entity_id, etag, values)

        retry_stale(update)

    def _resolve_conflict(self, item: CopyItem, conflict: SynapseConflictError) -> CopiedVersion:
        """Use the entity that has the name since the plan was made, if it is such a copy."""
        parent = self.copies[item.parent].id
        found = children.findEntityId(self.syn, item.name, parent)
        if found is None:
            raise conflict
        self._planner.match(item, found)
        if item.existing is None or item.match in {Match.OTHER, Match.UPDATE}:
            raise build_conflict(f"{item.name!r} ({found})") from conflict
        return self._reuse(item, item.existing)

    def _describe(self, item: CopyItem, properties: Mapping[str, Any]) -> CopiedVersion:
        version = item.entity.get("versionNumber")
        return CopiedVersion(version, properties["id"], properties.get("versionNumber"))

    def _written(
        self, properties: Mapping[str, Any], activity_id: str | None, md5: str | None = None
    ) -> Event:
        # without an Activity, the options of the copy demand none
        is_versioned = properties["concreteType"] in _VERSIONED
        return Wrote.from_entity(
            properties,
            md5=md5,
            activity_given=is_versioned or activity_id is not None,
            activity_id=activity_id,
        )


def _order_by_reference(items: Sequence[CopyItem]) -> Iterator[CopyItem]:
    """Iterate over tables, views and links, each after the entities that it refers to."""
    pending = {
        item.id: item
        for item in items
        if item.concrete_type not in {constants.FOLDER, constants.FILE}
    }

    def visit(item: CopyItem) -> Iterator[CopyItem]:
        if pending.pop(item.id, None) is None:
            return
        for reference in copy_references.iter_references(item.entity):
            if reference in pending:
                yield from visit(pending[reference])
        yield item

    for item in list(pending.values()):
        yield from visit(item)
