"""Provenance of one store operation of a task."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from synapse_workflows.client.api import bundles, provenance
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.constants import CONTAINERS, FILE
from synapse_workflows.lineage.collector import LineageCollector
from synapse_workflows.lineage.task_activities import get_place

#: What to do if another run or a person has already stored the same content: `keep` the existing
#: version and its Activity, or create a `new_version` with the Activity of this task.
IfUnchanged = Literal["keep", "new_version"]


class TaskProvenance(StoreProvenance):
    """Provenance of a store operation of a task.

    A version that another run created is never changed. If an earlier try of the task created a
    version, a repeated operation returns that version.

    Args:
        client: The `LineageClient` of the task.
        collector: Collector of the task.
        activity: Activity to use instead of the task's Activity; None to use the task's Activity.
        has_task_activity: Whether created versions get the Activity of the task.
        force: Whether to create a version even if the content is already stored.
    """

    edits_comment = False
    syn: Any

    def __init__(
        self,
        client: Any,
        collector: LineageCollector,
        activity: Mapping[str, Any] | None,
        *,
        has_task_activity: bool,
        force: bool,
    ) -> None:
        super().__init__(client, activity)
        self.collector = collector
        self.has_task_activity = has_task_activity
        self.force = force
        self.requires_existing = True
        self._is_linked = False

    @property
    def is_given(self) -> bool:
        """Whether the stored version has an Activity; False to extend a table's Activity."""
        return self._is_linked or super().is_given

    def keeps_unchanged(self) -> bool:
        """Return whether a file with unchanged content keeps its version."""
        return not self.force or super().keeps_unchanged()

    def iter_own(self, existing: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the bundles of the versions that earlier tries of the task created.

        The versions are in the order of their creation. A version that is the result of an
        earlier operation of this try, and all versions before it, are left out.
        """
        entity = existing["entity"]
        current = entity.get("versionNumber")
        if entity["concreteType"] != FILE or entity["id"] in self.collector.stored_files:
            return
        kept = self.collector.kept_versions.get(entity["id"], 0)
        for number in self._list_own(entity):
            if number <= kept:
                continue
            if number == current:
                yield existing
            else:
                with suppress(SynapseNotFoundError):
                    yield bundles.get_bundle(self.syn, entity["id"], number)

    def _list_own(self, entity: Mapping[str, Any]) -> list[int]:
        """Return the numbers of the versions that earlier tries of the task created."""
        numbers = self.collector.activities.get_writer(self.syn).earlier_versions.get(
            entity["id"], []
        )
        if not self.force:
            return numbers
        noted = self.collector.get_notes(self.syn).find(entity["parentId"], entity["name"])
        if noted is None:
            return numbers
        return sorted({*numbers, *range(noted + 1, entity["versionNumber"] + 1)})

    def keep(self, existing: Mapping[str, Any]) -> None:
        """Record that an existing version is the result of the operation.

        The Activity is updated only if this task instance wrote it.
        """
        entity = existing["entity"]
        if entity["concreteType"] != FILE:
            return
        self._is_linked = True
        self.collector.kept_versions[entity["id"]] = entity["versionNumber"]
        activity = provenance.find_activity(self.syn, entity)
        self.activity_id = None if activity is None else activity["id"]
        writer = self.collector.activities.get_writer(self.syn)
        if self.has_task_activity and activity is not None and writer.is_own(activity):
            self.collector.keep_activity(self.syn, activity, entity)
        elif activity is None and self.has_task_activity and self._is_incomplete(entity):
            self.activity_id = self.collector.complete_activity(self.syn, entity)
        else:
            self._log_kept(entity, activity)

    def _is_incomplete(self, entity: Mapping[str, Any]) -> bool:
        """Return whether an earlier try stored a version whose Activity could not be stored."""
        if self.collector.activities.is_pending(self.syn, entity):
            return True
        notes = self.collector.get_notes(self.syn)
        before = notes.find(entity["parentId"], entity["name"])
        return before is not None and entity["versionNumber"] == before + 1

    def save(
        self,
        properties: Mapping[str, Any],
        existing: Mapping[str, Any] | None,
        *,
        new_version: bool,
    ) -> str | None:
        """Store the Activity of the version that is about to be created; return its ID."""
        concrete_type = properties["concreteType"]
        self._is_linked = new_version or concrete_type == FILE
        if concrete_type == FILE and not new_version:
            return None  # another run may have created the version
        if not self.has_task_activity:
            self._save_declared(properties, existing, new_version=new_version)
        elif new_version and concrete_type not in CONTAINERS:
            writer = self.collector.activities.get_writer(self.syn)
            writer.begin(self)
            self.activity_id = self.collector.save_activity(self.syn)
            if self.activity_id is None:
                writer.end(self)
        elif self.activity_id is not None:
            # the entity was not created, because it exists: its Activity gets the sources later
            self.discard()
            self.activity_id = None
        if new_version and concrete_type == FILE:
            self._note(properties, existing)
        return self.activity_id

    def _save_declared(
        self,
        properties: Mapping[str, Any],
        existing: Mapping[str, Any] | None,
        *,
        new_version: bool,
    ) -> None:
        entity = properties if existing is None else existing["entity"]
        if self.activity is not None:
            self.collector.activities.store_declared(
                self.syn,
                get_place(entity["parentId"], entity["name"]),
                self.activity,
                lambda: super(TaskProvenance, self).save(
                    properties, existing, new_version=new_version
                ),
            )

    def mark_linked(self) -> None:
        """Record that a version has the Activity."""
        super().mark_linked()
        if self.has_task_activity and self.activity_id is not None:
            self.collector.activities.get_writer(self.syn).mark_linked(self)

    def discard(self) -> None:
        """Delete the Activity that was stored for a version that was not created."""
        super().discard()
        if self.has_task_activity:
            self.collector.activities.get_writer(self.syn).discard(self)

    def _note(self, properties: Mapping[str, Any], existing: Mapping[str, Any] | None) -> None:
        """Note the previous version if the Activity does not identify the task."""
        entity = properties if existing is None else existing["entity"]
        if existing is not None:
            self.collector.stored_files.add(entity["id"])
        has_failed = self.has_task_activity and self.collector.activities.has_failed(self.syn)
        if has_failed or (self.force and not (self.has_task_activity and self.activity_id)):
            version = 0 if existing is None else entity["versionNumber"]
            self.collector.get_notes(self.syn).begin(entity["parentId"], entity["name"], version)

    def _log_kept(self, entity: Mapping[str, Any], activity: Mapping[str, Any] | None) -> None:
        origin = f"user {entity.get('modifiedBy')}, without an Activity"
        if activity is not None:
            lines = (activity.get("description") or "").splitlines()
            run = next((line for line in lines if line.startswith("Airflow run ")), None)
            origin = f"Activity {activity['id']} ({run or activity.get('name')})"
        self.syn.logger.info(
            "%s.%s (%s) already has this content. It was stored by %s, and is left as it is; set "
            "if_unchanged='new_version' to create a version with the Activity of this task",
            entity["id"],
            entity["versionNumber"],
            entity["name"],
            origin,
        )
