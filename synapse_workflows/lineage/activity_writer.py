"""The one Activity of a running task: found again by a retry, updated, linked to versions."""

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
    """The Activity of one task instance under one connection.

    Args:
        client: writes it.
        identity: the task instance in words.
        memory: where its id is kept from try to try.
        key: under which it is kept there.
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
        self.name: str | None = None
        self.text: str | None = None
        self._saved: dict[str, Any] | None = None
        self._inherited = Record()
        self._common_urls_only = False
        self._versions: dict[str, EntityRef | None] = {}

    def link(self, stored: Wrote, sources: Record) -> str:
        """Make the Activity say what it should, and link the stored version to it.

        Where the version has an Activity already that names the same sources, that one stays:
        another run made the same of the same, and no new version came of it. Rows of a table are
        of all who stored some: their sources are taken over. Who stored none leaves it as it is.

        Returns:
            The id of the Activity that the version is linked to.
        """
        linked = self._get(f"/entity/{stored.entity_id}/generatedBy")
        if linked is not None and stored.concrete_type == TABLE:
            if not stored.changed:
                return str(linked["id"])
            if not stored.replaced:
                self._inherited |= parse_activity(linked, Origin.WROTE)
        wanted = self._wanted(sources)
        if linked is not None and not self.description.matches(linked):
            if have_same_sources(linked, wanted):
                return str(linked["id"])
            linked = None
        saved = self._save_somehow(wanted, linked)
        if linked is None or linked["id"] != saved["id"]:
            self.client.call(
                "PUT",
                f"/entity/{stored.entity_id}/generatedBy",
                params={"generatedBy": saved["id"]},
            )
        return str(saved["id"])

    def create_for_snapshot(self, present: EntityRef, sources: Record) -> str:
        """Make the Activity for a version that is about to be frozen, and link nothing yet.

        What made the version so far is in the Activity it has: its sources are taken over. The
        version itself is no source of its own.

        Args:
            present: the version, which still changes.
            sources: what the task used and ran.
        """
        linked = self._get(f"/entity/{present.id}/generatedBy")
        own = linked is not None and self.description.matches(linked)
        if linked is not None:
            self._inherited |= parse_activity(linked, Origin.WROTE)
        wanted = self._wanted(sources | Record.from_stored(present))
        return str(self._save_somehow(wanted, linked if own else None)["id"])

    def attach(self, activity_id: str) -> None:
        """Take an Activity for the task's own that an earlier process of the task made."""
        self._saved = self._get(f"/activity/{activity_id}")

    def finish(self) -> None:
        """Forget the id when the task has done its work: if it is cleared, it starts anew."""
        if self._saved is not None:
            self.state_store.delete(self.key)

    def _wanted(self, sources: Record) -> dict[str, Any]:
        """Write the Activity as it should be."""
        pinned = self._pinned(sources | self._inherited)
        wanted = build_activity(
            pinned,
            self.name or self.description.name,
            self.description.to_text(self.text, pinned.gaps),
            site=self.client.repoEndpoint,
        )
        return move_uncommon_urls(wanted) if self._common_urls_only else wanted

    def _save_somehow(
        self, wanted: Mapping[str, Any], linked: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Save the Activity, if need be without addresses that Synapse does not understand."""
        try:
            return self._save(wanted, linked)
        except SynapseBadRequestError:
            plain = move_uncommon_urls(wanted)
            if plain["used"] == wanted["used"]:
                raise
            self._common_urls_only = True
            return self._save(plain, linked)

    def _save(self, wanted: Mapping[str, Any], linked: dict[str, Any] | None) -> dict[str, Any]:
        known = self._saved or self._remembered() or linked
        saved = None if known is None else self._update(known, wanted)
        if saved is None:
            saved = self.client.call("POST", "/activity", json=dict(wanted)).json
            self.state_store.set(self.key, saved["id"])
        self._saved = saved
        return saved

    def _remembered(self) -> dict[str, Any] | None:
        """Fetch the Activity that an earlier try made."""
        activity_id = self.state_store.get(self.key)
        if activity_id is None:
            return None
        found = self._get(f"/activity/{activity_id}")
        return found if found is not None and self.description.matches(found) else None

    def _update(self, known: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """Bring a known Activity up to date; None when it is not ours to change."""
        if _says(known, wanted):
            return known
        path = f"/activity/{known['id']}"
        try:
            return _json(self.client.call("PUT", path, json={**known, **wanted}))
        except SynapseStaleError:
            fresh = self._get(path)
            if fresh is None:
                return None
            return _json(self.client.call("PUT", path, json={**fresh, **wanted}))
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def _get(self, path: str) -> dict[str, Any] | None:
        try:
            return _json(self.client.call("GET", path))
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def _pinned(self, sources: Record) -> Record:
        """Give a version to every entity that has one; say which cannot be found."""
        record = sources
        for ref in list(iter_unpinned(sources, self.client.repoEndpoint)):
            exact = self._exact(ref)
            if exact is None:
                record = record.replace_ref(ref, None).with_gap(
                    f"{ref.id} is not there, or not for us"
                )
            elif exact.version is not None:
                record = record.replace_ref(ref, exact)
        return record

    def _exact(self, ref: EntityRef) -> EntityRef | None:
        """Ask for the current version of an entity; None when it cannot be read."""
        if ref.id not in self._versions:
            found = self._get(f"/entity/{ref.id}")
            if found is None:
                self._versions[ref.id] = None
            else:
                container = found.get("concreteType") in CONTAINERS
                version = None if container else found.get("versionNumber")
                self._versions[ref.id] = EntityRef(ref.id, version, self.client.repoEndpoint)
        return self._versions[ref.id]


def _says(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    same_words = all(known.get(word) == wanted[word] for word in ("name", "description"))
    return same_words and have_same_sources(known, wanted)


def _json(reply: Any) -> dict[str, Any]:
    return dict(reply.json)
