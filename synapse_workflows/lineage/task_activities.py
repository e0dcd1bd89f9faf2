"""The Activities of a running task. A task that did its work does not fail because of them."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar

import requests

from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.redaction import redact_text
from synapse_workflows.client.errors import SynapseError, SynapseStaleError
from synapse_workflows.constants import TABLE, VIEWS
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.activity_writer import ActivityWriter
from synapse_workflows.lineage.declared_provenance import DeclaredProvenance
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.lineage.source_versions import SourceVersions, UnknownSourceError
from synapse_workflows.lineage.task_state_store import (
    AIRFLOW_LOCK,
    LockedStateStore,
    TaskStateStore,
)
from synapse_workflows.provenance.activity import GAP_PREFIX
from synapse_workflows.provenance.pending_activity import PENDING_KEY, PendingActivity
from synapse_workflows.provenance.record import EntityRef, Record
from synapse_workflows.provenance.repair import link_if_missing

T = TypeVar("T")
_log: Final = logging.getLogger(__name__)
#: What to do about a version without its Activity.
_ADDED_LATER: Final = "Run this task again, or 'synapse-workflows provenance repair', to add it."
_ADDED_TO_SNAPSHOT: Final = (
    "Synapse cannot link an Activity to a snapshot later: 'synapse-workflows provenance repair' "
    "adds the sources to the Activity that the snapshot has from its table, if it has one. "
    "Otherwise delete the snapshot and clear this task. lineage_required=True creates no snapshot "
    "without its Activity."
)
#: Start of the keys of Activities that are not merged into those of the task.
_DECLARED: Final = "declared:"
#: Time after a failure without a further attempt, in seconds. Each attempt has retries.
_PAUSE: Final = 60.0


class OutdatedEntityError(Exception):
    """What is known of a table was read before its rows changed, and is not its state any more."""


class ActivityClient(Protocol):
    """Connection and lineage settings of a client that stores Activities."""

    synapse_conn_id: str
    repoEndpoint: str  # noqa: N815 - name of the client attribute
    lineage_required: bool

    @property
    def lineage_mode(self) -> LineageMode:
        """Sources of the Activities that the client writes."""


class TaskActivities:
    """Writers of the Activities of a task, one for the files and one for each table.

    If an Activity cannot be stored, and the client does not require lineage, the entity is stored
    without it. The Activity is then pending: it is an item of the XCom `PENDING_KEY`, from which
    `synapse-workflows provenance repair` completes it. A retry of the task completes it as well.

    Args:
        context: Context of the running task.
        logged_gaps: Gaps that the task has logged.
    """

    def __init__(self, context: Mapping[str, Any], logged_gaps: set[str]) -> None:
        self._context = context
        self._ti = context["ti"]
        self._logged_gaps = logged_gaps
        #: Settings whose absent parameters were logged.
        self._settings: set[Any] = set()
        self._writers: dict[tuple[str, str | None], ActivityWriter] = {}
        self._versions: dict[str, SourceVersions] = {}
        self._failures: dict[tuple[str, str | None], tuple[float, PendingActivity]] = {}
        self._pending: dict[tuple[str, str | None], PendingActivity] = {}

    @cached_property
    def state_store(self) -> TaskStateStore:
        """Task state store for all threads of the task."""
        return LockedStateStore(self._context["task_state_store"])

    @cached_property
    def description(self) -> ActivityDescription:
        """Name and description of the Activity of the task."""
        return ActivityDescription.from_context(self._context)

    def save(self, client: Any, declared: DeclaredProvenance, sources: Record) -> str | None:
        """Write the Activity of a version that is about to be created; see `ActivityWriter`."""
        writer = self.get_writer(client, declared)
        return self._attempt(
            client, None, lambda: writer.build_body(sources), lambda: writer.save(sources)
        )

    def keep(
        self, client: Any, activity: dict[str, Any], entity: Mapping[str, Any], sources: Record
    ) -> None:
        """Update the Activity of a version of an earlier try; see `ActivityWriter`."""
        writer = self.get_writer(client)
        self._attempt(
            client,
            None,
            lambda: writer.build_body(sources),
            lambda: writer.keep(activity, entity, sources),
        )

    def store_declared(
        self, client: Any, key: str, activity: Mapping[str, Any], store: Callable[[], T]
    ) -> T | None:
        """Store a declared Activity that is not merged into the Activity of the task.

        Args:
            client: Client of the connection.
            key: What is stored with the Activity: the ID of a table, or see `get_place`.
            activity: The Activity, without secrets. If it has an ID, it must exist.
            store: Stores the Activity.
        """
        if activity.get("id"):
            return store()
        known = ("name", "description", "used")
        body = {name: activity.get(name) or ([] if name == "used" else "") for name in known}
        return self._attempt(client, f"{_DECLARED}{key}", lambda: body, store)

    def complete(self, client: Any, entity: Mapping[str, Any], activity_id: str) -> str | None:
        """Link the saved Activity to a version that was stored without it; return its ID.

        If the version has another Activity by now, that Activity stays.
        """
        repair = link_if_missing(client, entity["id"], entity["versionNumber"], activity_id)
        if repair.state == "repaired":
            self.get_writer(client).mark_linked()
        else:
            self.get_writer(client).discard()
        return repair.activity_id

    def link(
        self, client: Any, declared: DeclaredProvenance, stored: Wrote, sources: Record
    ) -> str | None:
        """Add sources to the Activity of an open version; see `ActivityWriter`.

        Raises:
            OutdatedEntityError: The entity was read before its rows changed, and the Activity
                could not be linked to it. Read the entity and call this method again.
        """
        table_id = stored.entity_id
        writer = self.get_writer(client, declared, table_id)
        linked = self._attempt(
            client,
            table_id,
            lambda: writer.build_body(sources),
            lambda: _link_unless_outdated(writer, stored, sources),
        )
        if linked is None and stored.is_read_before:
            raise OutdatedEntityError
        return linked

    def create_for_snapshot(
        self, client: Any, declared: DeclaredProvenance, current: EntityRef, sources: Record
    ) -> str | None:
        """Write the Activity of a snapshot; see `ActivityWriter`."""
        writer = self.get_writer(client, declared, current.id)
        return self._attempt(
            client,
            current.id,
            lambda: writer.build_body(sources),
            lambda: writer.create_for_snapshot(current, sources),
        )

    def get_writer(
        self,
        client: Any,
        declared: DeclaredProvenance | None = None,
        table_id: str | None = None,
    ) -> ActivityWriter:
        """Return the writer of the Activity of a table, or of the files, under a connection.

        Args:
            client: Client of the connection.
            declared: Provenance that the caller declares.
            table_id: The table or view; None for the Activity of the files.
        """
        with AIRFLOW_LOCK:  # several threads may store files
            writer = self._get_or_create_writer(client, table_id)
        if declared is not None:
            writer.declared_name = declared.name or writer.declared_name
            writer.declared_description = declared.description or writer.declared_description
        return writer

    def _get_or_create_writer(self, client: Any, table_id: str | None) -> ActivityWriter:
        conn_id = client.synapse_conn_id
        key = (conn_id, table_id)
        if key not in self._writers:
            suffix = "" if table_id is None else f":{table_id}"
            self._writers[key] = ActivityWriter(
                client,
                self.description,
                self.state_store,
                f"synapse_activity:{conn_id}{suffix}",
                int(self._ti.max_tries),
                self._versions.setdefault(conn_id, SourceVersions(client)),
            )
        writer = self._writers[key]
        writer.logged_gaps = self._logged_gaps
        writer.keeps_changes = client.lineage_mode is not LineageMode.REPLACE
        if client.lineage_settings not in self._settings:
            self._settings.add(client.lineage_settings)
            client.lineage_settings.log_absent(self._context)
        if parameters := client.lineage_settings.describe_run(self._context):
            writer.description = replace(self.description, parameters=parameters)
        return writer

    def find(self, conn_id: str, activity_id: str | None) -> Mapping[str, Any] | None:
        """Return an Activity if this task wrote it, else only its id; None without an Activity."""
        if activity_id is None:
            return None
        for (writer_conn_id, _), writer in self._writers.items():
            saved = writer.saved
            if writer_conn_id == conn_id and saved and str(saved["id"]) == str(activity_id):
                return saved
        return {"id": activity_id}

    def add_pending(self, client: ActivityClient, stored: Wrote) -> None:
        """Note that a version was stored without its Activity, if its Activity has failed."""
        is_snapshot = stored.concrete_type in {TABLE, *VIEWS} and not stored.is_open
        has_own_activity = is_snapshot or not stored.activity_given
        key = (client.synapse_conn_id, stored.entity_id if has_own_activity else None)
        for place in (stored.entity_id, get_place(stored.parent_id, stored.name)):
            declared = (client.synapse_conn_id, f"{_DECLARED}{place}")
            key = declared if declared in self._failures else key
        if key not in self._failures or stored.version is None:
            return
        failed = self._failures[key][1]
        known = self._pending.get(key, failed)
        pending = PendingActivity(
            known.versions, failed.activity, failed.reason, known.synapse_conn_id, known.site
        ).with_version(stored.entity_id, stored.version)
        self._pending[key] = pending
        _log.warning(
            "%s.%s was stored without its Activity: %s. %s Without it: %s",
            stored.entity_id,
            stored.version,
            failed.reason,
            _ADDED_TO_SNAPSHOT if is_snapshot else _ADDED_LATER,
            failed.activity["used"],
        )
        self.state_store.set(_get_state_key(client), self._list_pending(client.synapse_conn_id))
        self._ti.xcom_push(PENDING_KEY, [one.to_json() for one in self._pending.values()])

    def is_pending(self, client: ActivityClient, entity: Mapping[str, Any]) -> bool:
        """Return whether an earlier try stored a version without its Activity."""
        known = self.state_store.get(_get_state_key(client)) or []
        return [entity["id"], entity.get("versionNumber")] in [list(one) for one in known]

    def has_failed(self, client: ActivityClient) -> bool:
        """Return whether the Activity of the files of this try could not be stored."""
        return (client.synapse_conn_id, None) in self._failures

    def forget_deleted(self, client: ActivityClient) -> set[str]:
        """Forget the Activities that were deleted under a connection; return their IDs."""
        writers = [
            writer
            for (conn_id, _), writer in self._writers.items()
            if conn_id == client.synapse_conn_id
        ]
        return {one for writer in writers if (one := writer.activities.forget_deleted())}

    @property
    def has_failures(self) -> bool:
        """Whether any Activity of this try could not be stored."""
        return bool(self._failures)

    def finish(self) -> None:
        """Mark the stored ids of the Activities as done."""
        for writer in self._writers.values():
            writer.finish()

    def _list_pending(self, conn_id: str) -> list[list[Any]]:
        return [
            list(version)
            for (pending_conn_id, _), pending in self._pending.items()
            if pending_conn_id == conn_id
            for version in pending.versions
        ]

    def _attempt(
        self,
        client: ActivityClient,
        subject: str | None,
        build_body: Callable[[], dict[str, Any]],
        store: Callable[[], T],
    ) -> T | None:
        """Store an Activity. If that fails and lineage is not required, log it and return None."""
        key = (client.synapse_conn_id, subject)
        if key in self._failures and time.monotonic() - self._failures[key][0] < _PAUSE:
            return None
        try:
            result = store()
        except (UnknownSourceError, OutdatedEntityError):
            raise
        except (SynapseError, requests.RequestException) as error:
            if client.lineage_required:
                raise
            reason = redact_text(f"{type(error).__name__}: {error}")
            _log.warning("The Activity could not be stored: %s", reason, exc_info=True)
            body = _without_unpinned(build_body())
            pending = PendingActivity((), body, reason, key[0], client.repoEndpoint)
            self._failures[key] = (time.monotonic(), pending)
            return None
        self._failures.pop(key, None)
        return result


def get_place(parent_id: str | None, name: str | None) -> str:
    """Return a key of an entity that may not exist yet."""
    return f"{parent_id}/{name}"


def _link_unless_outdated(writer: ActivityWriter, stored: Wrote, sources: Record) -> str:
    try:
        return writer.link(stored, sources)
    except SynapseStaleError as error:
        if stored.is_read_before:
            raise OutdatedEntityError from error
        raise


def _without_unpinned(body: dict[str, Any]) -> dict[str, Any]:
    """Move entities without a version to the description: a repair would pin another version."""
    pinned = [
        item
        for item in body["used"]
        if "url" in item or item["reference"].get("targetVersionNumber") is not None
    ]
    lines = [
        f"{GAP_PREFIX}{item['reference']['targetId']}: its version was not found when it was used"
        for item in body["used"]
        if item not in pinned
    ]
    return {**body, "used": pinned, "description": "\n".join([body["description"], *lines])}


def _get_state_key(client: ActivityClient) -> str:
    return f"synapse_pending:{client.synapse_conn_id}"
