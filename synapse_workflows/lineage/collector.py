"""Collection of a running task's lineage, by one collector for all clients of the task."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from airflow.sdk import get_current_context

from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.events import Event, Wrote
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.asset_events import emit_asset_event, withdraw_asset_events
from synapse_workflows.lineage.code_storage import store_task_code
from synapse_workflows.lineage.context_key import CONTEXT_KEY
from synapse_workflows.lineage.data_dependencies import TaskInstances
from synapse_workflows.lineage.declared_provenance import DeclaredProvenance, current_declared
from synapse_workflows.lineage.event_records import EntityDetails, EventSource, create_record
from synapse_workflows.lineage.execution_callbacks import call_after_execute
from synapse_workflows.lineage.hook_lineage import collect_hook_lineage
from synapse_workflows.lineage.lineage_log import log_gaps, log_reads, log_store
from synapse_workflows.lineage.lineage_mode import LineageMode, is_suspended
from synapse_workflows.lineage.published_record import XCOM_KEY, PublishedRecord
from synapse_workflows.lineage.store_notes import StoreNotes
from synapse_workflows.lineage.task_activities import OutdatedEntityError, TaskActivities
from synapse_workflows.lineage.task_state_store import AIRFLOW_LOCK, TaskStateStore
from synapse_workflows.lineage.upstream import (
    UpstreamLineage,
    collect_static_lineage,
    collect_upstream,
)
from synapse_workflows.provenance.record import EntityRef, Origin, Record
from synapse_workflows.provenance.record_builder import RecordBuilder
from synapse_workflows.provenance.record_limit import limit_record

T = TypeVar("T")
#: Factor by which the number of stored entities must grow before the record is published again.
#: The factor limits the number of XComs of a task that stores thousands of files.
_PUBLISH_GROWTH: Final = 1.1


def current_collector() -> "LineageCollector | None":
    """Return the collector of the running task, which the first call creates; else None."""
    try:
        context = cast("dict[str, Any]", get_current_context())
    except RuntimeError:
        return None
    if "ti" not in context:
        return None
    with AIRFLOW_LOCK:
        if CONTEXT_KEY not in context:
            context[CONTEXT_KEY] = LineageCollector(context)
    collector: LineageCollector = context[CONTEXT_KEY]
    return collector


class LineageCollector:
    """Collector of what one try of a task reads, writes and runs.

    Args:
        context: Context of the running task.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.context = context
        self.ti = context["ti"]
        self._builder = RecordBuilder()
        self._logged_reads: set[Any] = set()
        #: Id of the Activity of each stored entity.
        self.activity_ids: dict[str, str] = {}
        #: Whether a client without automatic lineage was used.
        self.has_manual_lineage = False
        #: Ids of the files of which this try has created a version.
        self.stored_files: set[str] = set()
        #: Highest version of each file that this try has kept as the result of an operation.
        self.kept_versions: dict[str, int] = {}
        self._task_objects: dict[str, Any] = {}
        self._caches: dict[int, Cache] = {}
        self._attached: dict[str, str] = {}
        self._finish_callbacks: list[Callable[[], object]] = []
        #: Functions that return what other libraries have read and written in this task so far.
        self._observers: list[Callable[[], Record]] = []
        self._logged_gaps: set[str] = set()
        self.activities = TaskActivities(context, self._logged_gaps)
        self.details = EntityDetails()
        self._published: PublishedRecord | None = None
        self._published_count = 0
        self._file_sources: list[TaskInstances] = []
        self._lock = AIRFLOW_LOCK
        call_after_execute(self.ti.task, self.finish)

    @property
    def state_store(self) -> TaskStateStore:
        """Task state store for all threads of the task."""
        return self.activities.state_store

    @property
    def description(self) -> ActivityDescription:
        """Name and description of the Activity of the task."""
        return self.activities.description

    @property
    def record(self) -> Record:
        """What the clients of the task have read, run and written so far."""
        return self._builder.record

    @property
    def is_retry(self) -> bool:
        """Whether this is not the first try of the task."""
        return bool(self.ti.try_number > 1)

    def record_event(self, event: Event, client: EventSource) -> None:
        """Record an event of a client, and write the Activity of a stored entity."""
        mode = client.lineage_mode
        with self._lock:
            self.details.add(event, client.repoEndpoint, client.portalEndpoint)
            if isinstance(event, Wrote):
                if mode is LineageMode.OFF:
                    self.activities.add_pending(client, event)
                elif event.concrete_type not in CONTAINERS:
                    self._record_write(event, client)
            elif mode.is_automatic:
                self.add(create_record(event, client.repoEndpoint))
            if mode.is_automatic:
                self.add_observer(collect_hook_lineage)
            else:
                self.has_manual_lineage = True

    def add(self, record: Record) -> None:
        """Add references to the record of the task, except in a `without_lineage` block."""
        if is_suspended():
            return
        with self._lock:
            log_reads(self._logged_reads, record)
            self._builder.add(record)

    def restore(self, record: Record) -> None:
        """Add what the task recorded in another process before it was deferred."""
        with self._lock:
            self._builder.add(record)

    def discard_output(self, entity_id: str, version: int | None, client: EventSource) -> None:
        """Ignore what the task has stored, because it has deleted it again.

        Args:
            entity_id: `syn123`.
            version: The deleted version; None for the entity, with what the task stored below it.
            client: Client of the connection.
        """
        with self._lock:
            below = self.details.find_below(entity_id) if version is None else []
            for one in (entity_id, *below):
                if self._forget(one, version):
                    self._update_asset_events(one, client)

    def discard_url(self, url: str) -> None:
        """Ignore an object outside Synapse, or a wiki page, that the task has deleted again."""
        with self._lock:
            self._builder.discard_url(url)

    def _forget(self, entity_id: str, version: int | None) -> bool:
        self._builder.discard_output(entity_id, version)
        return self.details.discard(entity_id, version)

    def rename_output(self, entity_id: str, name: str, client: EventSource) -> None:
        """Update the asset events of an entity that the task has moved, if it has stored it."""
        with self._lock:
            self.details.rename(entity_id, name)
            for one in (entity_id, *self.details.find_below(entity_id)):
                if self.details.find_stored(one) is not None:
                    self._update_asset_events(one, client)

    def _update_asset_events(self, entity_id: str, client: EventSource) -> None:
        event = self.details.find_stored(entity_id)
        if event is None:
            withdraw_asset_events(self.context, entity_id)
        elif event.concrete_type not in CONTAINERS:
            activity_id = self.activity_ids.get(entity_id)
            emit_asset_event(self.context, event, activity_id, client, use_aliases=False)

    def add_upstream(self, instances: TaskInstances) -> None:
        """Inherit the lineage of further task instances, whose files the task has read."""
        with self._lock:
            if instances not in self._file_sources:
                self._file_sources.append(instances)
                self.__dict__.pop("upstream", None)

    def get_or_create(self, key: str, factory: Callable[[], T]) -> T:
        """Return an object that the task shares, for example a hook; create a missing object."""
        with self._lock:
            if key not in self._task_objects:
                self._task_objects[key] = factory()
            shared: T = self._task_objects[key]
            return shared

    def pin_file(self, cache: Cache, path: str | Path) -> None:
        """Protect a cached file from eviction until the task ends.

        Raises:
            FileNotFoundError: The file does not exist.
        """
        with self._lock:
            # the cache object owns the pin, so keep a reference to the cache until the task ends
            self._caches[id(cache)] = cache
            cache.pin(path)

    def create_snapshot_activity(self, current: EntityRef, client: EventSource) -> str | None:
        """Write the Activity of a snapshot before the snapshot is created.

        Args:
            current: The current version, which the snapshot will make immutable.
            client: The client that will create the snapshot.

        Returns:
            The id of the Activity, or None if the lineage mode requires none.
        """
        with self._lock:
            declared, sources = self._collect(client)
            if sources is None:
                return None
            return self.activities.create_for_snapshot(client, declared, current, sources)

    def save_activity(self, client: EventSource) -> str | None:
        """Write the Activity of a version that is about to be created.

        Returns:
            The id of the Activity, or None if the lineage mode requires none.

        Raises:
            SynapseNotFoundError: A declared source does not exist.
        """
        with self._lock:
            declared, sources = self._collect(client)
            if sources is None:
                return None
            return self.activities.save(client, declared, sources)

    def keep_activity(
        self, client: EventSource, activity: dict[str, Any], entity: Mapping[str, Any]
    ) -> None:
        """Update the Activity of a version that an earlier try of the task stored.

        Args:
            client: Client of the connection.
            activity: The Activity of the version.
            entity: Properties of the version.
        """
        with self._lock:
            declared, sources = self._collect(client)
            if sources is not None:
                self.activities.get_writer(client, declared)
                self.activities.keep(client, activity, entity, sources)

    def complete_activity(self, client: EventSource, entity: Mapping[str, Any]) -> str | None:
        """Add the Activity that an earlier try of the task could not store; return its ID.

        Args:
            client: Client of the connection.
            entity: Properties of the version, which has no Activity.
        """
        activity_id = self.save_activity(client)
        return activity_id and self.activities.complete(client, entity, activity_id)

    def get_notes(self, client: EventSource) -> StoreNotes:
        """Return the notes about what the task stores under a connection."""
        return self.get_or_create(
            f"store notes {client.synapse_conn_id}", lambda: self._create_notes(client)
        )

    def _create_notes(self, client: EventSource) -> StoreNotes:
        notes = StoreNotes(self.state_store, client.synapse_conn_id, int(self.ti.max_tries))
        self.add_finish_callback(notes.mark_done)
        return notes

    def attach_activity(self, entity_id: str, activity_id: str, client: EventSource) -> None:
        """Set the Activity that the next stored version of an entity will have."""
        with self._lock:
            self._attached[entity_id] = activity_id
            self.activities.get_writer(client, table_id=entity_id).attach(activity_id)

    def add_finish_callback(self, callback: Callable[[], object]) -> None:
        """Add a function that is called after the task's code and before it reports success."""
        with self._lock:
            self._finish_callbacks.append(callback)

    def add_observer(self, observer: Callable[[], Record]) -> None:
        """Add a function that returns what the task has read and written outside Synapse so far.

        The function is called whenever an Activity is written, and at the end of the task.
        """
        with self._lock:
            if observer not in self._observers:
                self._observers.append(observer)

    @property
    def observed(self) -> Record:
        """The record of the task, with what all observers return."""
        return Record.merge((self.record, *(observer() for observer in self._observers)))

    def publish(self) -> None:
        """Push the record as an XCom for the downstream tasks, if it has changed."""
        record, index = self.observed | self.static_lineage, self.ti.map_index
        log_gaps(self._logged_gaps, record.list_gaps())
        inherits = record.stored_entities and "upstream" in self.__dict__
        upstream = self.upstream if inherits else UpstreamLineage(Record())
        record = limit_record(record, self.description.name)
        published = PublishedRecord(
            record,
            index if index is not None and index >= 0 else None,
            limit_record(upstream.record, self.description.name),
            upstream.flows,
            dict(self.details.names),
            dict(self.activity_ids),
            dict(self.details.portals),
            tuple(self.details.reused),
        )
        if published != self._published:
            self.ti.xcom_push(XCOM_KEY, published.to_json())
            self._published = published
        self._published_count = len(self.record.wrote)

    def finish(self) -> None:
        """Publish the record and release all resources. Called before the task reports success."""
        with self._lock:
            if self.observed:
                self.publish()
            self.activities.finish()
            for callback in self._finish_callbacks:
                callback()
            for cache in self._caches.values():
                cache.release_pins()

    @cached_property
    def static_lineage(self) -> Record:
        """The lineage of the task that is known without running it."""
        operator = self.ti.task.dag.get_task(self.ti.task_id)
        bundle = getattr(self.ti, "bundle_instance", None)
        return collect_static_lineage(operator, self.context, bundle, self.ti.task)

    @cached_property
    def upstream(self) -> UpstreamLineage:
        """The lineage that the task inherits from its upstream tasks."""
        return collect_upstream(self.context, self._file_sources)

    def _record_write(self, event: Wrote, client: EventSource) -> None:
        declared = current_declared()
        stored = EntityRef(event.entity_id, event.version, client.repoEndpoint, event.is_open)
        is_new = stored not in self.record.wrote
        self._builder.add(Record.from_stored(stored) | declared.record)
        attached = self._attached.pop(event.entity_id, None)
        if event.is_reused:
            activity_id = event.activity_id
        elif event.activity_given:
            activity_id = attached or event.activity_id
        else:
            try:
                activity_id = self._link_activity(event, client)
            except OutdatedEntityError:
                if is_new:
                    self._forget(event.entity_id, event.version)
                raise
        if activity_id is not None:
            self.activity_ids[event.entity_id] = activity_id
        else:
            self.activities.add_pending(client, event)
        log_store(event, self.activities.find(client.synapse_conn_id, activity_id))
        use_aliases = event.changed or (self.is_retry and not event.is_reused)
        emit_asset_event(self.context, event, activity_id, client, use_aliases=use_aliases)
        self._publish_if_grown()

    def _publish_if_grown(self) -> None:
        if len(self.record.wrote) >= self._published_count * _PUBLISH_GROWTH:
            self.publish()

    def _link_activity(self, event: Wrote, client: EventSource) -> str | None:
        declared, sources = self._collect(client)
        if sources is not None:
            return self.activities.link(client, declared, event, sources)
        if event.is_read_before:
            raise OutdatedEntityError
        return None

    def _collect(self, client: EventSource) -> tuple[DeclaredProvenance, Record | None]:
        """Return the declared provenance, and the sources of an Activity with it."""
        declared = current_declared()
        self._builder.add(declared.record)
        return declared, self.collect_sources(client, declared)

    def collect_sources(self, client: EventSource, declared: DeclaredProvenance) -> Record | None:
        """Return the sources of an Activity, or None if the lineage mode requires none."""
        if client.lineage_mode.is_automatic:
            self.add_observer(collect_hook_lineage)
            sources = self.observed | self.static_lineage | self.upstream.record
            sources = sources.without_outputs_below(declared.own_url)
            return store_task_code(client, self, sources)
        sources = self.record.with_origins(Origin.DECLARED)
        is_declared = sources.used or sources.ran or declared.name or declared.description
        return sources if is_declared else None
