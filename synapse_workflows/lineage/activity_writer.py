"""The Activity of a running task: created once, updated, and linked to the stored entities."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)
from synapse_workflows.constants import CONTAINERS, TABLE
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.task_state_store import TaskStateStore
from synapse_workflows.provenance.activity import (
    build_activity,
    have_same_sources,
    iter_unpinned,
    move_uncommon_urls,
    parse_activity,
)
from synapse_workflows.provenance.record import EntityRef, Origin, Record


class ActivityWriter:
    """Writer of the Activity of one task instance under one connection.

    Args:
        client: client of the connection.
        description: default name and description of the Activity.
        state_store: stores the id of the Activity for retries.
        key: key of the id in the store.
    """

    def __init__(
        self,
        client: Session,
        description: ActivityDescription,
        state_store: TaskStateStore,
        key: str,
    ) -> None:
        self.client = client
        self.description = description
        self.state_store = state_store
        self.key = key
        self.declared_name: str | None = None
        self.declared_description: str | None = None
        self._saved: dict[str, Any] | None = None
        self._inherited = Record()
        self._common_urls_only = False
        self._versions: dict[str, EntityRef | None] = {}

    def link(self, stored: Wrote, sources: Record) -> str:
        """Write the Activity and link it to a stored version.

        The version keeps an Activity of another task instance with the same sources: the same
        content was stored again, and no new version was created.

        The Activity of a table accumulates the sources of all rows. The sources of the present
        Activity are therefore added, unless all rows were replaced. If no row changed, the table
        keeps its present Activity.

        Args:
            stored: the stored version.
            sources: what the task used and ran.

        Returns:
            The id of the Activity that the version is linked to.
        """
        linked = self._get(f"/entity/{stored.entity_id}/generatedBy")
        if linked is not None and stored.concrete_type == TABLE:
            if not stored.changed:
                return str(linked["id"])
            if not stored.replaced:
                self._inherited |= parse_activity(linked, Origin.WROTE)
        body = self._create_body(sources)
        if linked is not None and not self.description.matches(linked):
            if have_same_sources(linked, body):
                return str(linked["id"])
            linked = None
        saved = self._save_with_accepted_urls(body, linked)
        if linked is None or linked["id"] != saved["id"]:
            self.client.call(
                "PUT",
                f"/entity/{stored.entity_id}/generatedBy",
                params={"generatedBy": saved["id"]},
            )
        return str(saved["id"])

    def create_for_snapshot(self, current: EntityRef, sources: Record) -> str:
        """Write the Activity of a snapshot that is about to be created, without linking it.

        The sources of the current Activity are added. The version itself is not a source.

        Args:
            current: the current version, which the snapshot will make immutable.
            sources: what the task used and ran.

        Returns:
            The id of the Activity.
        """
        linked = self._get(f"/entity/{current.id}/generatedBy")
        is_own = linked is not None and self.description.matches(linked)
        if linked is not None:
            self._inherited |= parse_activity(linked, Origin.WROTE)
        body = self._create_body(sources | Record.from_stored(current))
        return str(self._save_with_accepted_urls(body, linked if is_own else None)["id"])

    def attach(self, activity_id: str) -> None:
        """Use an existing Activity, which an earlier process of the task created."""
        self._saved = self._get(f"/activity/{activity_id}")

    def finish(self) -> None:
        """Delete the stored id, so that a cleared task creates a new Activity."""
        if self._saved is not None:
            self.state_store.delete(self.key)

    def _create_body(self, sources: Record) -> dict[str, Any]:
        pinned = self._pin_versions(sources | self._inherited)
        body = build_activity(
            pinned,
            self.declared_name or self.description.name,
            self.description.to_text(self.declared_description, pinned.gaps),
            site=self.client.repoEndpoint,
        )
        return move_uncommon_urls(body) if self._common_urls_only else body

    def _save_with_accepted_urls(
        self, body: Mapping[str, Any], linked: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Save the Activity; if Synapse rejects it, save it without URLs of uncommon schemes."""
        try:
            return self._save(body, linked)
        except SynapseBadRequestError:
            accepted = move_uncommon_urls(body)
            if accepted["used"] == body["used"]:
                raise
            self._common_urls_only = True
            return self._save(accepted, linked)

    def _save(self, body: Mapping[str, Any], linked: dict[str, Any] | None) -> dict[str, Any]:
        existing = self._saved or self._get_from_earlier_try() or linked
        saved = None if existing is None else self._update(existing, body)
        if saved is None:
            saved = self.client.call("POST", "/activity", json=dict(body)).json
            self.state_store.set(self.key, saved["id"])
        self._saved = saved
        return saved

    def _get_from_earlier_try(self) -> dict[str, Any] | None:
        activity_id = self.state_store.get(self.key)
        if activity_id is None:
            return None
        activity = self._get(f"/activity/{activity_id}")
        return activity if activity is not None and self.description.matches(activity) else None

    def _update(self, existing: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Update an Activity if it differs; return None if it is gone or not writable."""
        if _is_up_to_date(existing, body):
            return existing
        path = f"/activity/{existing['id']}"
        try:
            return _to_dict(self.client.call("PUT", path, json={**existing, **body}))
        except SynapseStaleError:
            fresh = self._get(path)
            if fresh is None:
                return None
            return _to_dict(self.client.call("PUT", path, json={**fresh, **body}))
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def _get(self, path: str) -> dict[str, Any] | None:
        """Return the JSON of a GET request, or None if it is not found or not readable."""
        try:
            return _to_dict(self.client.call("GET", path))
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def _pin_versions(self, sources: Record) -> Record:
        """Set the current version where a reference has none.

        An unknown entity is added to `Record.gaps`.
        """
        record = sources
        for ref in list(iter_unpinned(sources, self.client.repoEndpoint)):
            current = self._get_current(ref)
            if current is None:
                record = record.replace_ref(ref, None).with_gap(
                    f"{ref.id} was not found, or is not readable by this account"
                )
            elif current.version is not None:
                record = record.replace_ref(ref, current)
        return record

    def _get_current(self, ref: EntityRef) -> EntityRef | None:
        """Return the current version of an entity, or None if it is not readable."""
        if ref.id not in self._versions:
            entity = self._get(f"/entity/{ref.id}")
            if entity is None:
                self._versions[ref.id] = None
            else:
                is_container = entity.get("concreteType") in CONTAINERS
                version = None if is_container else entity.get("versionNumber")
                self._versions[ref.id] = EntityRef(ref.id, version, self.client.repoEndpoint)
        return self._versions[ref.id]


def _is_up_to_date(existing: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    same_text = all(existing.get(key) == body[key] for key in ("name", "description"))
    return same_text and have_same_sources(existing, body)


def _to_dict(reply: Any) -> dict[str, Any]:
    return dict(reply.json)
