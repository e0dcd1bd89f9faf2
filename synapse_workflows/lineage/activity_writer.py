"""The Activity of a running task: created once, updated, and linked to tables."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from synapse_workflows.client.api.async_jobs import polling_settings
from synapse_workflows.client.api.provenance import delete_unlinked
from synapse_workflows.client.core import table_state
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Wrote, has_open_version
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)
from synapse_workflows.constants import CONTAINERS, TABLE
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.lineage_log import log_gaps
from synapse_workflows.lineage.task_state_store import TaskStateStore
from synapse_workflows.provenance.activity import (
    build_activity,
    have_same_sources,
    iter_unpinned,
    keep_added,
    move_uncommon_urls,
    parse_activity,
)
from synapse_workflows.provenance.record import EntityRef, Origin, Record


class ActivityWriter:
    """Writer of the Activity of one task instance under one connection.

    Args:
        client: Client of the connection.
        description: Default name and description of the Activity.
        state_store: Stores the id of the Activity for retries.
        key: Key of the Activity id in `state_store`.
        max_tries: `max_tries` of the task instance. Clearing the task increases `max_tries`.
    """

    def __init__(
        self,
        client: Session,
        description: ActivityDescription,
        state_store: TaskStateStore,
        key: str,
        max_tries: int = 0,
    ) -> None:
        self.client = client
        self.description = description
        self.state_store = state_store
        self.key = key
        self.max_tries = max_tries
        #: Gaps that the task has logged.
        self.logged_gaps: set[str] = set()
        self.declared_name: str | None = None
        self.declared_description: str | None = None
        self._saved: dict[str, Any] | None = None
        self._is_unlinked = False
        self._inherited = Record()
        self._common_urls_only = False
        self._versions: dict[str, EntityRef | None] = {}

    @property
    def saved(self) -> Mapping[str, Any] | None:
        """The Activity as last saved; None before the first save."""
        return self._saved

    @cached_property
    def earlier_activity_id(self) -> str | None:
        """Id of the Activity that earlier tries of the task wrote."""
        state: Mapping[str, Any] | str | None = self.state_store.get(self.key)
        if isinstance(state, Mapping):
            return str(state["id"]) if state["done"] == self.max_tries else None
        return state

    @cached_property
    def earlier_versions(self) -> Mapping[str, list[int]]:
        """Versions that earlier tries of the task created, by entity id, in ascending order."""
        versions: defaultdict[str, list[int]] = defaultdict(list)
        if self.earlier_activity_id is None:
            return versions
        path = f"/activity/{self.earlier_activity_id}"
        activity = self._get(path)
        if activity is None or not self.description.matches(activity):
            return versions
        for reference in self.client.iter_items(Call("GET", f"{path}/generated")):
            number = reference.get("targetVersionNumber")
            versions[reference["targetId"]].append(int(number or 0))
        return {entity_id: sorted(numbers) for entity_id, numbers in versions.items()}

    def save(self, sources: Record) -> str:
        """Write the Activity of a version that is about to be created.

        Args:
            sources: What the task used and ran.

        Returns:
            The id of the Activity.

        Raises:
            SynapseNotFoundError: A declared source does not exist.
        """
        _ = self.earlier_versions  # read before this try creates versions with this Activity
        return str(self._save_with_accepted_urls(self._create_body(sources), None)["id"])

    def mark_linked(self) -> None:
        """Record that a version that has the Activity was created."""
        self._is_unlinked = False

    def discard(self) -> None:
        """Delete the Activity if this try created the Activity and no version has it."""
        if self._is_unlinked and self._saved is not None:
            delete_unlinked(self.client, self._saved["id"])
            self.state_store.delete(self.key)
            self._is_unlinked, self._saved = False, None

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
        sources were linked after its replacement.

        Args:
            stored: The stored entity.
            sources: What the task used and ran.

        Returns:
            The id of the Activity that the open version is linked to.

        Raises:
            SynapseStaleError: Other clients keep changing the entity.
        """
        return retry_stale(lambda: self._merge(stored, sources))

    def _merge(self, stored: Wrote, sources: Record) -> str:
        path = f"/entity/{stored.entity_id}"
        entity = self.client.call("GET", path).json
        linked = self._get(f"{path}/generatedBy")
        if linked is not None:
            if not stored.changed:
                return str(linked["id"])
            if not self._has_only_own_rows(stored):
                self._inherited |= parse_activity(linked, Origin.WROTE)
        body = self._create_body(sources)
        is_own = linked is not None and self.description.matches(linked)
        if linked is not None and not is_own and have_same_sources(linked, body):
            self.discard()  # of an attempt before another client linked the same sources
            saved = linked
        else:
            saved = self._save_with_accepted_urls(body, linked if is_own else None)
        self.client.call("PUT", path, params={"generatedBy": saved["id"]}, json=entity)
        self._is_unlinked = False
        return str(saved["id"])

    def _has_only_own_rows(self, stored: Wrote) -> bool:
        """Return whether the task replaced all rows of a table and no row was changed since."""
        if stored.replaced_etag is None:
            return False
        fingerprint = table_state.fetch_fingerprint(
            stored.entity_id, None, polling_settings(self.client), TABLE
        )
        return self.client.run(fingerprint).etag == stored.replaced_etag

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
        linked = self._get(f"/entity/{current.id}/generatedBy")
        is_own = linked is not None and self.description.matches(linked)
        if linked is not None:
            self._inherited |= parse_activity(linked, Origin.WROTE)
        body = self._create_body(sources | Record.from_stored(current))
        return str(self._save_with_accepted_urls(body, linked if is_own else None)["id"])

    def attach(self, activity_id: str) -> None:
        """Use an existing Activity that an earlier process of the task created."""
        self._saved = self._get(f"/activity/{activity_id}")

    def adopt(self, activity: Mapping[str, Any]) -> bool:
        """Use an existing Activity if a try of this task instance wrote it; return True if so."""
        is_other = self._saved is not None and self._saved["id"] != activity["id"]
        if is_other or not self.description.matches(activity):
            return False
        self._saved = dict(activity)
        return True

    def finish(self) -> None:
        """Mark the stored Activity id as done, so that a cleared task creates a new Activity.

        A retry still finds the versions of earlier tries, because a worker may stop before it
        reports success.
        """
        if self._saved is not None:
            done = {"id": self._saved["id"], "done": self.max_tries}
            self.state_store.set(self.key, done)

    def _create_body(self, sources: Record) -> dict[str, Any]:
        pinned = self._pin_versions(sources | self._inherited)
        log_gaps(self.logged_gaps, pinned.list_gaps())
        body = build_activity(
            pinned,
            self.declared_name or self.description.name,
            self.description.to_text(self.declared_description, pinned.list_gaps()),
            site=self.client.repoEndpoint,
        )
        return move_uncommon_urls(body) if self._common_urls_only else body

    def _save_with_accepted_urls(
        self, body: Mapping[str, Any], linked: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Save the Activity; if Synapse rejects it, retry without URLs of uncommon schemes."""
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
            self._is_unlinked = True
        self._saved = saved
        return saved

    def _get_from_earlier_try(self) -> dict[str, Any] | None:
        activity_id = self.state_store.get(self.key)
        if not isinstance(activity_id, str):
            return None
        activity = self._get(f"/activity/{activity_id}")
        return activity if activity is not None and self.description.matches(activity) else None

    def _update(self, existing: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Update an Activity if its content differs from `body`.

        Sources that another client has added meanwhile are kept. Return None if the Activity was
        deleted or is not writable.
        """
        if _is_up_to_date(existing, body):
            return existing
        path = f"/activity/{existing['id']}"
        try:
            return _to_dict(self.client.call("PUT", path, json={**existing, **body}))
        except SynapseStaleError:
            fresh = self._get(path)
            return (
                None if fresh is None else self._update(fresh, keep_added(body, existing, fresh))
            )
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def _get(self, path: str) -> dict[str, Any] | None:
        """Return the JSON of a GET request, or None if the object is not found or not readable."""
        try:
            return _to_dict(self.client.call("GET", path))
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def _pin_versions(self, sources: Record) -> Record:
        """Set the current version in each reference that has no version.

        An unknown entity that was not declared is added to `Record.gaps`.

        Raises:
            SynapseNotFoundError: An unknown entity or version was declared.
        """
        record = sources
        declared = {entry.ref for entry in sources.with_origins(Origin.DECLARED).entries()}
        for ref in declared:
            if isinstance(ref, EntityRef) and ref.version is not None:
                require_source(self.client, ref)
        for ref in list(iter_unpinned(sources, self.client.repoEndpoint)):
            current = self._get_current(ref, is_declared=ref in declared)
            if current is None:
                record = record.replace_ref(ref, None).with_gap(
                    f"{ref.id} was not found, or is not readable by this account"
                )
            elif current.version is not None:
                record = record.replace_ref(ref, current)
        return record

    def _get_current(self, ref: EntityRef, *, is_declared: bool) -> EntityRef | None:
        """Return the current version of an entity, or None if the entity is not readable."""
        if ref.id not in self._versions:
            try:
                entity = _to_dict(self.client.call("GET", f"/entity/{ref.id}"))
            except SynapseNotFoundError as error:
                if is_declared:
                    raise _unknown_source_error(ref, error) from error
                self._versions[ref.id] = None
            except SynapseForbiddenError:
                self._versions[ref.id] = None
            else:
                is_container = entity.get("concreteType") in CONTAINERS
                version = None if is_container else entity.get("versionNumber")
                self._versions[ref.id] = EntityRef(
                    ref.id, version, self.client.repoEndpoint, has_open_version(entity)
                )
        return self._versions[ref.id]


def require_source(client: Session, ref: EntityRef) -> None:
    """Check that a declared source exists, in the declared version.

    A source that the caller may not read, or of another Synapse, is not checked. A version is
    checked once.

    Raises:
        SynapseNotFoundError: The source does not exist.

    Source:
        GET /entity/{id}, GET /entity/{id}/version/{versionNumber}
        https://rest-docs.synapse.org/rest/GET/entity/id/version/versionNumber.html
    """
    if ref.site not in (None, client.repoEndpoint):
        return
    known = _get_known_versions(client)
    if (ref.id, ref.version) in known:
        return
    version = "" if ref.version is None else f"/version/{ref.version}"
    try:
        client.call("GET", f"/entity/{ref.id}{version}")
    except SynapseForbiddenError:
        client.logger.debug("%s is declared as a source and is not readable", ref)
    except SynapseNotFoundError as error:
        raise _unknown_source_error(ref, error) from error
    if ref.version is not None:
        known.add((ref.id, ref.version))


def add_known_version(client: Session, entity_id: str, version: int) -> None:
    """Declare that a version existed, also if it was deleted since.

    Synapse keeps a copy of a submitted version, so it is a source of a score after its deletion.
    """
    _get_known_versions(client).add((entity_id, version))


def _get_known_versions(client: Session) -> set[tuple[str, int | None]]:
    known: set[tuple[str, int | None]] = client.get_or_create("lineage.known_versions", set)
    return known


def _unknown_source_error(ref: EntityRef, error: SynapseNotFoundError) -> SynapseNotFoundError:
    """Return the error for a declared source that does not exist."""
    return SynapseNotFoundError(
        error.status,
        error.reason,
        error.call,
        advice=f"{ref} is declared as a source (used, executed or activity) of what the task "
        "stores. Correct its ID or version, or remove it.",
    )


def _is_up_to_date(existing: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    same_text = all(existing.get(key) == body[key] for key in ("name", "description"))
    return same_text and have_same_sources(existing, body)


def _to_dict(reply: Any) -> dict[str, Any]:
    return dict(reply.json)
