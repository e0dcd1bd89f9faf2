"""The stored Activities of one task instance, found again by its later tries."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from synapse_workflows.client.api.provenance import delete_unlinked
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.task_state_store import TaskStateStore
from synapse_workflows.provenance.activity import have_same_sources, keep_added

#: Returns an Activity with what a person changed in it, from the new and the stored Activity.
Merge = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]
#: Key of the task state with the etag of a changed Activity, after the key of its ID.
_ETAG_SUFFIX: Final = ":etag"


class StoredActivities:
    """The Activities that the tries of one task instance have stored under one connection.

    Args:
        client: Client of the connection.
        description: Name and description of the Activities.
        state_store: Stores the IDs for later tries: one ID, or a list of IDs in the order in which
            they were created; `{"id": ..., "done": max_tries}` after the end of the task.
        key: Key of the IDs in `state_store`.
        max_tries: `max_tries` of the task instance. Clearing the task increases `max_tries`.
        merge_changes: Merges what a person changed in an Activity since the task stored it.
    """

    def __init__(
        self,
        client: Session,
        description: ActivityDescription,
        state_store: TaskStateStore,
        key: str,
        max_tries: int,
        merge_changes: Merge,
    ) -> None:
        self.client = client
        self.description = description
        #: The Activity that this try has stored last.
        self.current: dict[str, Any] | None = None
        #: Whether this try has created `current`, and no version has it.
        self.is_unlinked = False
        self._state_store = state_store
        self._key = key
        self._max_tries = max_tries
        self._merge_changes = merge_changes
        self._versions: dict[str, set[tuple[str, int]]] = {}
        #: Activity that `link` has linked, by the etag of the entity directly after that.
        self._linked: dict[str, dict[str, Any]] = {}

    @cached_property
    def earlier_ids(self) -> list[str]:
        """IDs of the Activities that earlier tries of the task created, the newest last."""
        state: Mapping[str, Any] | list[str] | str | None = self._state_store.get(self._key)
        if isinstance(state, Mapping):
            state = state["id"] if state["done"] == self._max_tries else None
        if state is None:
            return []
        return [state] if isinstance(state, str) else list(state)

    @cached_property
    def earlier(self) -> list[dict[str, Any]]:
        """Those Activities, as stored now. Activities of other tasks are left out."""
        found = (self.get(f"/activity/{id_}") for id_ in self.earlier_ids)
        return [one for one in found if one is not None and self.description.matches(one)]

    @property
    def latest(self) -> dict[str, Any] | None:
        """The Activity that this try, or else an unfinished earlier try, has stored last."""
        if self.current is not None:
            return self.current
        is_done = isinstance(self._state_store.get(self._key), Mapping)
        return self.earlier[-1] if self.earlier and not is_done else None

    @cached_property
    def earlier_versions(self) -> Mapping[str, list[int]]:
        """Versions that earlier tries of the task created, by entity ID, in ascending order."""
        versions: defaultdict[str, set[int]] = defaultdict(set)
        for activity in self.earlier:
            for entity_id, number in self.get_versions(activity):
                versions[entity_id].add(number)
        return {entity_id: sorted(numbers) for entity_id, numbers in versions.items()}

    def get_versions(self, activity: Mapping[str, Any]) -> set[tuple[str, int]]:
        """Return the versions that had an Activity before this try stored the first one.

        Source:
            GET /activity/{id}/generated
            https://rest-docs.synapse.org/rest/GET/activity/id/generated.html
        """
        id_ = str(activity["id"])
        if id_ not in self._versions:
            self._versions[id_] = set(self.iter_generated(id_))
        return self._versions[id_]

    def iter_generated(self, activity_id: str) -> Iterator[tuple[str, int]]:
        """Yield the versions that have an Activity now."""
        for reference in self.client.iter_items(Call("GET", f"/activity/{activity_id}/generated")):
            yield reference["targetId"], int(reference.get("targetVersionNumber") or 0)

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the JSON of a GET request, or None if the object is not found or not readable."""
        try:
            return dict(self.client.call("GET", path).json)
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None

    def get_linked(self, entity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the Activity of the open version of an entity; None without an Activity.

        Args:
            entity: The entity. No request is sent if it has not changed since `link`.
        """
        known = self._linked.get(entity["etag"])
        return known or self.get(f"/entity/{entity['id']}/generatedBy")

    def link(self, entity: Mapping[str, Any], activity: dict[str, Any]) -> None:
        """Link an Activity to the open version of an entity, which gets a new etag.

        Args:
            entity: The entity with the etag under which it is updated.
            activity: The stored Activity.

        Raises:
            SynapseStaleError: The entity has another etag.

        Source:
            PUT /entity/{id}
            https://rest-docs.synapse.org/rest/PUT/entity/id.html
        """
        path, params = f"/entity/{entity['id']}", {"generatedBy": activity["id"]}
        reply = self.client.call("PUT", path, params=params, json=dict(entity))
        self._linked = {reply.object["etag"]: activity}

    def store(self, body: Mapping[str, Any], existing: dict[str, Any] | None) -> dict[str, Any]:
        """Update an Activity, or create one if there is none or it cannot be updated."""
        stored = None if existing is None else self._update(existing, body)
        if stored is None:
            stored = dict(self.client.call("POST", "/activity", json=dict(body)).json)
            self._versions[str(stored["id"])] = set()
            self._state_store.set(self._key, self._list_ids(str(stored["id"])))
            self.is_unlinked = True
        self.current = stored
        return stored

    def discard(self) -> None:
        """Delete the current Activity if this try created it and no version has it."""
        if self.is_unlinked and self.current is not None:
            delete_unlinked(self.client, self.current["id"])
            if self.earlier:
                self._state_store.set(self._key, self._list_ids())
            else:
                self._state_store.delete(self._key)
            self.is_unlinked, self.current = False, None

    def forget_deleted(self) -> str | None:
        """Forget the current Activity if it was deleted; return its ID."""
        if self.current is None or self.get(f"/activity/{self.current['id']}") is not None:
            return None
        deleted = str(self.current["id"])
        self.current, self.is_unlinked, self._linked = None, False, {}
        self.earlier = [one for one in self.earlier if str(one["id"]) != deleted]
        return deleted

    def finish(self) -> None:
        """Mark the IDs as done, so that a cleared task creates new Activities.

        A retry still finds the versions of earlier tries, because a worker may stop before it
        reports success.
        """
        if self.current is not None:
            ids = self._list_ids(str(self.current["id"]))
            self._state_store.set(self._key, {"id": ids, "done": self._max_tries})

    def _list_ids(self, *added: str) -> str | list[str]:
        earlier = [str(one["id"]) for one in self.earlier]
        ids = list(dict.fromkeys((*earlier, *added)))
        return ids[0] if len(ids) == 1 else ids

    def _update(self, existing: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Update an Activity if its content differs from `body`.

        Sources that another client has added meanwhile are kept, and what a person has changed
        since the task stored it is merged. Return None if the Activity was deleted or is not
        writable.
        """
        if self._is_changed_by_person(existing):
            body = self._merge_changes(body, existing)
        if _is_up_to_date(existing, body):
            return existing
        path = f"/activity/{existing['id']}"
        try:
            stored = dict(self.client.call("PUT", path, json={**existing, **body}).json)
        except SynapseStaleError:
            fresh = self.get(path)
            return (
                None if fresh is None else self._update(fresh, keep_added(body, existing, fresh))
            )
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None
        self._state_store.set(self._key + _ETAG_SUFFIX, [stored["id"], stored["etag"]])
        return stored

    def _is_changed_by_person(self, existing: Mapping[str, Any]) -> bool:
        """Return whether an Activity was changed since this task instance stored it."""
        if existing.get("modifiedOn") == existing.get("createdOn"):
            return False
        if self.current is not None and existing.get("etag") == self.current.get("etag"):
            return False
        known = self._state_store.get(self._key + _ETAG_SUFFIX)
        return bool(known != [existing["id"], existing.get("etag")])


def _is_up_to_date(existing: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    same_text = all(existing.get(key) == body[key] for key in ("name", "description"))
    return same_text and have_same_sources(existing, body)
