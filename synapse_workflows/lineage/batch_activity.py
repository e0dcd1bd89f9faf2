"""One Activity for many versions that a call creates in several threads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from synapse_workflows.client.api import provenance
from synapse_workflows.lineage.collector import (
    LineageCollector,
    current_collector,
)
from synapse_workflows.lineage.declared_provenance import (
    DeclaredProvenance,
    attach_declared,
    build_separate,
    create_declared,
)
from synapse_workflows.lineage.lineage_client import (
    LineageClient,
)


class BatchActivity:
    """The Activity of the versions that one call creates. It is saved before the first version.

    Args:
        client: Client of the connection.
        declared: `activity`, `used`, `executed`, `activityName` and `activityDescription`, as for
            `LineageClient.store`.
        earlier_id: ID of the Activity that an earlier try of this call saved, for calls whose
            Activity is not the Activity of the task.
        save_id: Saves the ID of such an Activity for later tries.
        own_url: URL below which outputs of upstream tasks are the stored content, not its sources.
    """

    def __init__(
        self,
        client: LineageClient,
        declared: Mapping[str, Any],
        earlier_id: str | None,
        save_id: Callable[[str], object],
        own_url: str | None = None,
    ) -> None:
        self._client = client
        self._earlier_id = earlier_id
        self._save_id = save_id
        self._lock = threading.Lock()
        self._is_saved = False
        self._is_created = False
        self._activity_id: str | None = None
        names = ("activity", "used", "executed", "activityName", "activityDescription")
        values = [declared.get(name) for name in names]
        self._is_separate = client.needs_separate_activity(*values[:3])
        self._separate = build_separate(*values) if self._is_separate else None
        given = DeclaredProvenance() if self._is_separate else create_declared(*values)
        self._declared = replace(given, own_url=own_url)

    @property
    def activity_id(self) -> str | None:
        """ID of the Activity that this or an earlier try saved; None without an Activity."""
        if self._is_saved:
            return self._activity_id
        if self._is_separate:
            return self._earlier_id
        return self._collector.activities.get_writer(self._client).earlier_activity_id

    @property
    def shows_versions(self) -> bool:
        """Whether the Activity shows a retry which versions the earlier tries created."""
        return not self._is_separate and self.save() is not None

    @contextmanager
    def attach(self) -> Iterator[None]:
        """Attach the declared provenance to this block. Delete an unused Activity at its end."""
        with attach_declared(self._declared):
            try:
                yield
            finally:
                self._discard()

    def save(self) -> str | None:
        """Save the Activity on the first call; return its ID, or None without an Activity.

        Raises:
            SynapseNotFoundError: A declared source does not exist.
        """
        with self._lock:
            if not self._is_saved:
                self._activity_id = self._save()
                self._is_saved = True
            return self._activity_id

    def mark_linked(self) -> None:
        """Record that a version has the Activity, or may have it after an error."""
        with self._lock:
            self._is_created = False
        if not self._is_separate and self._activity_id is not None:
            self._collector.activities.get_writer(self._client).mark_linked(self)

    @property
    def earlier_versions(self) -> Mapping[str, list[int]]:
        """Versions with the Activity of the task that its earlier tries created, by ID."""
        if self._is_separate:
            return {}
        return self._collector.activities.get_writer(self._client).earlier_versions

    @property
    def _collector(self) -> LineageCollector:
        collector = current_collector()
        if collector is None:
            raise RuntimeError("The Activity of a task exists only inside the task")
        return collector

    def _save(self) -> str | None:
        if not self._is_separate:
            self._collector.activities.get_writer(self._client).begin(self)
            return self._collector.save_activity(self._client)
        if self._separate is None:
            return None
        if self._separate.get("id"):
            return str(self._separate["id"])
        if self._earlier_id is not None:
            return self._earlier_id
        activity_id = str(provenance.store_activity(self._client, self._separate)["id"])
        self._save_id(activity_id)
        self._is_created = True
        return activity_id

    def _discard(self) -> None:
        """Delete the Activity if this object created it and no version has it."""
        if self._activity_id is None:
            return
        if not self._is_separate:
            self._collector.activities.get_writer(self._client).discard(self)
        elif self._is_created:
            provenance.delete_unlinked(self._client, self._activity_id)
