"""The Activity of a running task: created once, updated, and linked to tables."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from synapse_workflows.client.api.async_jobs import polling_settings
from synapse_workflows.client.core import table_state
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseHTTPError
from synapse_workflows.constants import TABLE
from synapse_workflows.lineage import hand_written
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.lineage_log import log_gaps, log_left_out
from synapse_workflows.lineage.source_versions import SourceVersions
from synapse_workflows.lineage.stored_activities import StoredActivities
from synapse_workflows.lineage.task_state_store import AIRFLOW_LOCK, TaskStateStore
from synapse_workflows.provenance.activity import (
    build_activity,
    get_source_key,
    have_same_sources,
    move_uncommon_urls,
    parse_activity,
)
from synapse_workflows.provenance.record import EntityRef, Origin, Record
from synapse_workflows.provenance.source_limit import (
    MAX_SOURCES,
    count_left_out,
    limit_listed_gaps,
    limit_sources,
)

#: Maximum number of sources after Synapse has rejected an Activity with more.
_SMALL_LIMITS: Final = (200, 20)
_REJECTIONS: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class ActivityWriter:
    """Writer of the Activity of one task instance under one connection.

    The files that a task stores share one Activity. Each table has one of its own, because it also
    contains the sources of other tasks.

    Args:
        client: Client of the connection.
        description: Default name and description of the Activity.
        state_store: Stores the id of the Activity for retries.
        key: Key of the Activity id in `state_store`.
        max_tries: `max_tries` of the task instance. Clearing the task increases `max_tries`.
        versions: Current versions of the sources, shared by the writers of a connection.
    """

    def __init__(
        self,
        client: Session,
        description: ActivityDescription,
        state_store: TaskStateStore,
        key: str,
        max_tries: int = 0,
        versions: SourceVersions | None = None,
    ) -> None:
        self.client = client
        self.description = description
        #: Gaps that the task has logged.
        self.logged_gaps: set[str] = set()
        self.declared_name: str | None = None
        self.declared_description: str | None = None
        #: Whether what a person wrote into an Activity is kept; False to replace it.
        self.keeps_changes = True
        self.activities = StoredActivities(
            client, description, state_store, key, max_tries, self._merge_changes
        )
        self._versions = SourceVersions(client) if versions is None else versions
        self._operations: set[object] = set()
        self._claimed: set[tuple[str, int]] = set()
        self._inherited = Record()
        self._kept_texts: list[str] = []
        self._left_out_before = 0
        self._least_left_out = 0
        self._limit = MAX_SOURCES
        self._common_urls_only = False

    @property
    def saved(self) -> Mapping[str, Any] | None:
        """The Activity as last saved; None before the first save."""
        return self.activities.current

    @property
    def earlier_activity_id(self) -> str | None:
        """Id of the Activity that earlier tries of the task wrote last."""
        with AIRFLOW_LOCK:
            ids = self.activities.earlier_ids
        return ids[-1] if ids else None

    @property
    def earlier_versions(self) -> Mapping[str, list[int]]:
        """Versions that earlier tries of the task created, by entity id, in ascending order.

        The lock is taken first: a cached property has a lock of its own in Python 3.11, and
        another thread may read it inside `save`, which has the lock of Airflow.
        """
        with AIRFLOW_LOCK:
            return self.activities.earlier_versions

    def save(self, sources: Record) -> str:
        """Write the Activity of a version that is about to be created.

        An Activity of an earlier try is used again if it has the same sources, or if this try has
        repeated all versions that have it. Otherwise it stays, because it is true for them.

        Args:
            sources: What the task used and ran.

        Returns:
            The id of the Activity.

        Raises:
            UnknownSourceError: A declared source does not exist.
        """
        _ = self.earlier_versions  # read before this try creates versions with this Activity
        body = self._create_body(sources)
        existing = self.activities.latest
        if existing is not None and not self._may_update(existing, body):
            existing = None
        return str(self._store(sources, body, existing)["id"])

    def keep(self, activity: dict[str, Any], entity: Mapping[str, Any], sources: Record) -> None:
        """Update the Activity of a version that a try of this task instance stored before.

        The Activity is left as it is if other versions have it that this try has not repeated, or
        if this try has an Activity already.

        Args:
            activity: The Activity of the version.
            entity: Properties of the version.
            sources: What the task used and ran.
        """
        self._claimed.add((entity["id"], entity["versionNumber"]))
        current = self.activities.current
        if current is not None and current["id"] != activity["id"]:
            return
        body = self._create_body(sources)
        if self._may_update(activity, body):
            self._store(sources, body, activity)

    def is_own(self, activity: Mapping[str, Any] | None) -> bool:
        """Return whether a try of this task instance wrote an Activity."""
        return activity is not None and self.description.matches(activity)

    def begin(self, operation: object) -> None:
        """Record that an operation will create a version that has the Activity.

        Args:
            operation: Identifies the operation until `mark_linked`, `discard` or `end`.
        """
        with AIRFLOW_LOCK:
            self._operations.add(operation)

    def end(self, operation: object) -> None:
        """Record that an operation creates no version with the Activity."""
        with AIRFLOW_LOCK:
            self._operations.discard(operation)

    def mark_linked(self, operation: object = None) -> None:
        """Record that a version that has the Activity was created."""
        with AIRFLOW_LOCK:
            self._operations.discard(operation)
            self.activities.is_unlinked = False

    def discard(self, operation: object = None) -> None:
        """Delete the Activity if this try created the Activity and no version has it.

        The Activity is kept while operations of other threads are about to link it.
        """
        with AIRFLOW_LOCK:
            self._operations.discard(operation)
            if not self._operations:
                self.activities.discard()

    def finish(self) -> None:
        """Mark the stored Activity id as done, so that a cleared task creates a new Activity."""
        self.activities.finish()

    def attach(self, activity_id: str) -> None:
        """Use an existing Activity, which this or an earlier process of the task created."""
        known = self.activities.current
        if known is None or str(known["id"]) != activity_id:
            self.activities.current = self.activities.get(f"/activity/{activity_id}")

    def link(self, stored: Wrote, sources: Record) -> str:
        """Add sources to the Activity of an entity's open version, after the entity was changed.

        Use this method for entities whose content changes without a new version, such as tables.
        The Activity of a table accumulates the sources of all rows: the sources of its current
        Activity are added to the sources of the task. If the task replaced all rows, and no other
        client has changed rows since, the earlier sources are removed. If nothing changed, the
        entity keeps its current Activity.

        The Activity is linked under the etag of the entity. If another client has changed the
        entity meanwhile, the sources are merged again. Each changed table gets a new etag, even
        if its sources stay the same: another task that replaces all rows has to notice that the
        sources were linked after its replacement. If the entity was read before the rows were
        replaced, its etag is the proof that no other task has linked sources since.

        Args:
            stored: The stored entity. With `is_read_before`, there is one attempt.
            sources: What the task used and ran.

        Returns:
            The id of the Activity that the open version is linked to.

        Raises:
            SynapseStaleError: Other clients keep changing the entity, or it was changed since it
                was read before the rows changed.
        """
        if stored.is_read_before and stored.properties is not None:
            return self._merge(stored, sources, stored.properties)
        known = [stored.properties] if stored.properties is not None else []
        return retry_stale(
            lambda: self._merge(stored, sources, known.pop() if known else self._read(stored))
        )

    def create_for_snapshot(self, current: EntityRef, sources: Record) -> str:
        """Write the Activity of a snapshot that is about to be created, without linking it.

        The Activity also contains the sources of the current version's Activity. The current
        version itself is not a source.

        Args:
            current: The current version, which the snapshot will make immutable.
            sources: What the task used and ran.

        Returns:
            The id of the Activity.
        """
        linked = self.activities.get(f"/entity/{current.id}/generatedBy")
        if linked is not None:
            self._inherit(linked)
        sources |= Record.from_stored(current)
        body = self._create_body(sources)
        activity = self._store(sources, body, self._find_for_open_version(linked, body))
        self.activities.is_unlinked = False
        return str(activity["id"])

    def _read(self, stored: Wrote) -> Mapping[str, Any]:
        return self.client.call("GET", f"/entity/{stored.entity_id}").object

    def _merge(self, stored: Wrote, sources: Record, entity: Mapping[str, Any]) -> str:
        linked = self.activities.get_linked(entity)
        if linked is not None:
            if not stored.changed:
                return str(linked["id"])
            if not self._has_only_own_rows(stored):
                self._inherit(linked)
        body = self._create_body(sources)
        if linked is not None and not self.is_own(linked) and have_same_sources(linked, body):
            self.discard()  # of an attempt before another client linked the same sources
            saved = linked
        else:
            saved = self._store(sources, body, self._find_for_open_version(linked, body))
        self.activities.link(entity, saved)
        self.mark_linked()
        return str(saved["id"])

    def _inherit(self, linked: Mapping[str, Any]) -> None:
        """Add the sources and hand-written texts of the Activity of an open version."""
        is_own = self.is_own(linked)
        if not self.keeps_changes and hand_written.is_hand_written(linked):
            self.client.logger.warning(
                "lineage_mode='replace': replacing %s", hand_written.describe_replaced(linked)
            )
            return
        if hand_written.is_hand_written(linked):
            self.client.logger.info(
                "Keeping hand-written provenance: %s", hand_written.describe_replaced(linked)
            )
        self._inherited |= parse_activity(linked, Origin.WROTE)
        texts = (*self._kept_texts, *hand_written.list_kept_texts(linked))
        self._kept_texts = list(dict.fromkeys(texts))
        if is_own:
            self._least_left_out = max(self._least_left_out, count_left_out(linked))
        else:
            self._left_out_before = max(self._left_out_before, count_left_out(linked))

    def _find_for_open_version(
        self, linked: dict[str, Any] | None, body: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the Activity to update for an open version; None to create one.

        The Activity of an earlier version must not change any more: the version is immutable.
        """
        if linked is not None and self.is_own(linked):
            return linked
        existing = self.activities.latest
        if existing is None or self.activities.is_unlinked or have_same_sources(existing, body):
            return existing
        is_linked = next(self.activities.iter_generated(str(existing["id"])), None) is not None
        return None if is_linked else existing

    def _has_only_own_rows(self, stored: Wrote) -> bool:
        """Return whether the task replaced all rows of a table and no row was changed since."""
        if stored.replaced_etag is None or stored.is_read_before:
            return stored.replaced_etag is not None
        fingerprint = table_state.fetch_fingerprint(
            stored.entity_id, None, polling_settings(self.client), TABLE
        )
        return self.client.run(fingerprint).etag == stored.replaced_etag

    def _may_update(self, existing: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        """Return whether the new sources are true for all versions that have an Activity."""
        if have_same_sources(existing, body):
            return True
        return self.activities.get_versions(existing) <= self._claimed

    def build_body(self, sources: Record) -> dict[str, Any]:
        """Build the Activity without any request."""
        merged = sources.resolve_inlets() | self._inherited
        text = self.description.to_text(
            self.declared_description, limit_listed_gaps(merged.list_gaps())
        )
        return build_activity(
            merged,
            self.declared_name or self.description.name,
            "\n".join([text, *self._kept_texts]),
            site=self.client.repoEndpoint,
        )

    def _create_body(self, sources: Record) -> dict[str, Any]:
        pinned = self._versions.pin(sources)
        log_gaps(self.logged_gaps, (pinned.resolve_inlets() | self._inherited).list_gaps())
        body = self.build_body(pinned)
        if self._common_urls_only:
            body = move_uncommon_urls(body)
        return self._limit_sources(body, pinned)

    def _limit_sources(self, body: dict[str, Any], own: Record) -> dict[str, Any]:
        if len(body["used"]) <= self._limit and not self._left_out_before + self._least_left_out:
            return body
        preferred = build_activity(own, "", "", site=self.client.repoEndpoint)["used"]
        before = self._left_out_before
        excess = max(len(body["used"]) - self._limit, 0)
        limited, left_out = limit_sources(
            body,
            self._limit,
            preferred={get_source_key(item) for item in preferred},
            left_out_before=before + max(self._least_left_out - before - excess, 0),
        )
        log_left_out(left_out)
        return limited

    def _merge_changes(
        self, body: Mapping[str, Any], changed: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Merge what a person changed in an Activity of this task instance, or log its loss."""
        described = hand_written.describe_replaced(changed)
        if not self.keeps_changes:
            self.client.logger.warning("lineage_mode='replace': replacing %s", described)
            return body
        self.client.logger.info("Keeping what was changed by hand: %s", described)
        return hand_written.merge_changes(body, changed, self.description.name)

    def _store(
        self, sources: Record, body: Mapping[str, Any], existing: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Store the Activity. If Synapse rejects it, leave out what it may not accept.

        Args:
            sources: What the task used and ran.
            body: The Activity with these sources.
            existing: The Activity to update; None to create one.
        """
        try:
            return self.activities.store(body, existing)
        except SynapseHTTPError as error:
            if error.status not in _REJECTIONS:
                raise
            rejection = error
        for smaller in self._iter_smaller(sources, body):
            self.client.logger.warning("Synapse rejected an Activity: %s", rejection)
            try:
                return self.activities.store(smaller, existing)
            except SynapseHTTPError as error:
                if error.status not in _REJECTIONS:
                    raise
        raise rejection

    def _iter_smaller(
        self, sources: Record, body: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the Activity without URLs of uncommon schemes, then with fewer sources."""
        if not self._common_urls_only and move_uncommon_urls(body)["used"] != body["used"]:
            self._common_urls_only = True
            yield self._create_body(sources)
        for limit in _SMALL_LIMITS:
            if len(body["used"]) > limit:
                self._limit = limit
                yield self._create_body(sources)
