"""Synapse client whose explicit changes of Activities are part of the lineage of the task."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.api import provenance
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.constants import FILE
from synapse_workflows.lineage.collector import LineageCollector, current_collector
from synapse_workflows.lineage.table_client import TableClient
from synapse_workflows.lineage.task_state_store import AIRFLOW_LOCK
from synapse_workflows.provenance.activity import redact_activity


class ProvenanceClient(TableClient):
    """Synapse client that stores Activities without secrets, and forgets deleted ones."""

    def setProvenance(  # noqa: N802 - defined by Synapse
        self, entity: Any, activity: Mapping[str, Any]
    ) -> Activity:
        """Set the Activity of an entity, as `Synapse.setProvenance` does.

        Credentials and queries of URLs are not stored.
        """
        stored = provenance.setProvenance(self, entity, self._redact(activity))
        collector, entity_id = current_collector(), parse_entity_id(entity).id
        if collector is not None and entity_id in collector.activity_ids:
            collector.activity_ids[entity_id] = str(stored["id"])
        return stored

    def updateActivity(  # noqa: N802
        self, activity: Mapping[str, Any]
    ) -> Activity:
        """Update a stored Activity, as `Synapse.updateActivity` does.

        Credentials and queries of URLs are not stored.
        """
        return provenance.updateActivity(self, self._redact(activity))

    def deleteProvenance(self, entity: Any) -> None:  # noqa: N802
        """Delete the Activity of an entity, as `Synapse.deleteProvenance` does.

        What the task stores after that gets another Activity. A retry that stores the same files
        again finds the versions, and gives them another Activity.
        """
        provenance.deleteProvenance(self, entity)
        collector = current_collector()
        if collector is None:
            return
        with AIRFLOW_LOCK:
            deleted = collector.activities.forget_deleted(self)
            entity_ids = [one for one, id_ in collector.activity_ids.items() if id_ in deleted]
            for entity_id in entity_ids:
                del collector.activity_ids[entity_id]
        for entity_id in entity_ids:
            self._note_version(collector, entity_id)

    def _note_version(self, collector: LineageCollector, entity_id: str) -> None:
        """Note the first version of a file that this try stored, for retries of the task."""
        stored = collector.observed.stored_entities
        versions = [ref.version for ref in stored if ref.id == entity_id and ref.version]
        entity = self.call("GET", f"/entity/{entity_id}").object
        if versions and entity["concreteType"] == FILE:
            notes = collector.get_notes(self)
            notes.begin(entity["parentId"], entity["name"], min(versions) - 1)

    def _redact(self, activity: Any) -> Any:
        """Return an Activity without secrets; log if URLs have changed."""
        if not isinstance(activity, Mapping):
            return activity
        redacted = redact_activity(activity)
        urls = [
            [item.get("url") for item in one.get("used") or ()] for one in (activity, redacted)
        ]
        if urls[0] != urls[1]:
            self.logger.warning("Queries and credentials of URLs are not stored in an Activity")
        return Activity(data=redacted) if isinstance(activity, Activity) else redacted
