"""How the record of a running task is gathered, and becomes its Activity.

One collector belongs to one running task, and lies in the task's own context: a process may run
many tasks, one after the other. All clients of a task share it.
"""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from airflow.sdk import BaseOperator, get_current_context

from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.events import Event, Ran, Read, Wrote
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.activity_writer import ActivityWriter
from synapse_workflows.lineage.asset_events import emit_asset_event
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.lineage.upstream import XCOM_KEY, collect_static_lineage, collect_upstream
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref, UrlRef

T = TypeVar("T")
_CONTEXT_KEY: Final = "synapse_lineage"
#: A task that stores thousands of files does not send its whole record after each of them.
_GROWTH: Final = 1.1


@dataclass(frozen=True)
class DeclaredProvenance:
    """What somebody typed about one store.

    Args:
        record: used and executed.
        name: of the Activity.
        description: of the Activity.
    """

    record: Record = field(default_factory=Record)
    name: str | None = None
    description: str | None = None


_declared: ContextVar[DeclaredProvenance | None] = ContextVar("declared", default=None)


class EventSource(Protocol):
    """A client that announces: which connection it speaks for, and how much it wants gathered."""

    synapse_conn_id: str
    lineage_mode: LineageMode
    repoEndpoint: str  # noqa: N815 - a name of the client


def current_collector() -> "LineageCollector | None":
    """Find the collector of the task that runs here; make it when asked for the first time."""
    try:
        context = cast("dict[str, Any]", get_current_context())
    except RuntimeError:
        return None
    if "ti" not in context:
        return None
    if _CONTEXT_KEY not in context:
        context[_CONTEXT_KEY] = LineageCollector(context)
    collector: LineageCollector = context[_CONTEXT_KEY]
    return collector


@contextmanager
def attach_declared(declaration: DeclaredProvenance) -> Iterator[None]:
    """Add what somebody typed to the lineage of what is stored inside."""
    token = _declared.set(declaration)
    try:
        yield
    finally:
        _declared.reset(token)


class LineageCollector:
    """Gathers what one try of one task reads, writes and runs.

    Args:
        context: of the running task.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.context = context
        self.ti = context["ti"]
        self.record = Record()
        self.activity_ids: dict[str, str] = {}
        self._activities: dict[str, ActivityWriter] = {}
        self._kept: dict[str, Any] = {}
        self._caches: dict[int, Cache] = {}
        self._bound: dict[str, str] = {}
        self._finish_callbacks: list[Callable[[], object]] = []
        self._published: Record | None = None
        self._lock = threading.RLock()
        _call_after_execute(self.ti.task, self.finish)

    @property
    def is_retry(self) -> bool:
        """Tell whether an earlier try of the task may have done some of the work."""
        return bool(self.ti.try_number > 1)

    def record_event(self, event: Event, client: EventSource) -> None:
        """Take in what a client announces."""
        mode = client.lineage_mode
        with self._lock:
            if isinstance(event, Wrote):
                if mode is not LineageMode.OFF and event.concrete_type not in CONTAINERS:
                    self._stored(event, client)
            elif mode is LineageMode.AUTO:
                self.add(_record_from_event(event, client.repoEndpoint))

    def add(self, record: Record) -> None:
        """Add what the task did."""
        with self._lock:
            self.record |= record
            if record and self.ti.task.inherits_from_skipmixin:
                # a branch ends by an exception, and nothing of ours is called at its end
                self.publish()

    def get_or_create(self, key: str, make: Callable[[], T]) -> T:
        """Keep one thing for the life of the task, as a hook that is needed again and again."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            kept: T = self._kept[key]
            return kept

    def pin_file(self, cache: Cache, path: str | Path) -> None:
        """Keep a file of a cache from eviction until the task has ended.

        Raises:
            FileNotFoundError: It is gone already.
        """
        with self._lock:
            # the hold falls with the object that took it, hence it is kept here
            self._caches[id(cache)] = cache
            cache.hold(path)

    def create_snapshot_activity(self, present: EntityRef, client: EventSource) -> str | None:
        """Make the Activity for a version that is about to be frozen; None when there is none.

        A frozen version takes no Activity any more: it has to be there before.

        Args:
            present: the version, which still changes.
            client: the client that will freeze it.
        """
        with self._lock:
            if client.lineage_mode is LineageMode.OFF:
                return None
            declaration = _declared.get() or DeclaredProvenance()
            self.record |= declaration.record
            sources = self._sources(client, declaration)
            if sources is None:
                return None
            return self._activity(client, declaration).create_for_snapshot(present, sources)

    def attach_activity(self, entity_id: str, activity_id: str, client: EventSource) -> None:
        """Say which Activity of the task the next announced version of an entity carries."""
        with self._lock:
            self._bound[entity_id] = activity_id
            self._activity(client).attach(activity_id)

    def add_finish_callback(self, callback: Callable[[], object]) -> None:
        """Have something done when the task has done its work, before it reports success."""
        with self._lock:
            self._finish_callbacks.append(callback)

    def publish(self) -> None:
        """Leave the record for the tasks downstream, as an XCom."""
        record = self.record | self.static_lineage
        if record != self._published:
            self.ti.xcom_push(XCOM_KEY, record.to_json())
            self._published = record

    def finish(self) -> None:
        """Leave the record when the task has done its work, before it reports success."""
        with self._lock:
            if self.record:
                self.publish()
            for activity in self._activities.values():
                activity.finish()
            for callback in self._finish_callbacks:
                callback()
            for cache in self._caches.values():
                cache.release()

    @cached_property
    def static_lineage(self) -> Record:
        """What is known of the task without running it."""
        operator = self.ti.task.dag.get_task(self.ti.task_id)
        return collect_static_lineage(
            operator, self.context, getattr(self.ti, "bundle_instance", None)
        )

    @cached_property
    def upstream(self) -> Record:
        """What the task takes over from the tasks before it."""
        return collect_upstream(self.context)

    def _stored(self, event: Wrote, client: EventSource) -> None:
        declaration = _declared.get() or DeclaredProvenance()
        stored = EntityRef(event.entity_id, event.version, client.repoEndpoint)
        self.record |= Record.from_stored(stored) | declaration.record
        bound = self._bound.pop(event.entity_id, None)
        activity_id = bound if event.activity_given else self._write(event, client, declaration)
        if activity_id is not None:
            self.activity_ids[event.entity_id] = activity_id
        emit_asset_event(self.context, event, activity_id, news=event.changed or self.is_retry)
        self._publish_if_due()

    def _publish_if_due(self) -> None:
        """Leave the record now, unless that was done a few stores ago and many came before."""
        published = len(self._published.wrote) if self._published is not None else 0
        if len(self.record.wrote) >= published * _GROWTH:
            self.publish()

    def _write(
        self, event: Wrote, client: EventSource, declaration: DeclaredProvenance
    ) -> str | None:
        sources = self._sources(client, declaration)
        if sources is None:
            return None
        return self._activity(client, declaration).link(event, sources)

    def _sources(self, client: EventSource, declaration: DeclaredProvenance) -> Record | None:
        """Collect what goes into the Activity; None when there is to be none."""
        if client.lineage_mode is not LineageMode.DECLARED:
            return Record.merge((self.record, self.static_lineage, self.upstream))
        sources = self.record.with_origins(Origin.DECLARED)
        said = sources.used or sources.ran or declaration.name or declaration.description
        return sources if said else None

    def _activity(
        self, client: Any, declaration: DeclaredProvenance = DeclaredProvenance()
    ) -> ActivityWriter:
        conn_id = client.synapse_conn_id
        if conn_id not in self._activities:
            self._activities[conn_id] = ActivityWriter(
                client,
                ActivityDescription.from_context(self.context),
                self.context["task_state_store"],
                f"synapse_activity:{conn_id}",
            )
        activity = self._activities[conn_id]
        activity.name = declaration.name or activity.name
        activity.text = declaration.description or activity.text
        return activity


def _record_from_event(event: Event, site: str) -> Record:
    """Turn what was announced into a record; containers are places, not inputs."""
    if isinstance(event, Ran):
        ref = _create_ref(event.entity_id, event.version, event.url, event.name, site)
        return Record.from_refs(Origin.CODE, ran=[ref] if ref else ())
    if isinstance(event, Read) and event.concrete_type not in CONTAINERS:
        ref = _create_ref(event.entity_id, event.version, event.url, event.name, site)
        return Record.from_refs(Origin.READ, used=[ref] if ref else ())
    return Record()


def _create_ref(
    entity_id: str | None, version: int | None, url: str | None, name: str | None, site: str
) -> Ref | None:
    if entity_id is not None:
        return EntityRef(entity_id, version, site)
    return None if url is None else UrlRef(_redacted(url), name)


def _redacted(url: str) -> str:
    """Leave out of an address what may be secret: who asks, and the query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _call_after_execute(task: Any, finish: Any) -> None:
    """Have something done after a task's own code and before it reports success.

    The success listener of Airflow runs later: a task downstream may have started by then.
    """
    before = task.post_execute
    overridden = getattr(before, "__func__", None) is not BaseOperator.post_execute

    def post_execute(context: Any, result: Any = None) -> Iterator[Any]:  # noqa: ARG001
        if overridden and inspect.isgeneratorfunction(before):
            yield from before(context)
        elif overridden:
            before(context)
        finish()
        yield from ()

    task.post_execute = post_execute
