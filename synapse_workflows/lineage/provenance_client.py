"""Synapse client whose explicit changes of Activities are part of the lineage of the task."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from synapse_workflows.client.api import provenance
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.constants import FILE
from synapse_workflows.lineage.collector import LineageCollector, current_collector
from synapse_workflows.lineage.table_client import TableClient
from synapse_workflows.lineage.task_state_store import AIRFLOW_LOCK
from synapse_workflows.provenance.activity import redact_activity


class ProvenanceClient(TableClient):
    """Synapse client that stores Activities without secrets, and forgets deleted ones.

    A retry does not recognize the versions of a file by an Activity that the code changed.
    Therefore these versions are noted first.
    """

    def setProvenance(  # noqa: N802 - defined by Synapse
        self, entity: Any, activity: Mapping[str, Any]
    ) -> Activity:
        """Set the Activity of an entity, as `Synapse.setProvenance` does.

        Credentials and queries of URLs are not stored. A retry that stores the same file again
        finds the version.
        """
        collector, entity_id = current_collector(), parse_entity_id(entity).id
        is_own = collector is not None and entity_id in collector.activity_ids
        if collector is not None and is_own:
            self._note_versions(collector, collector.activity_ids[entity_id])
        stored = provenance.setProvenance(self, entity, self._redact(activity))
        if collector is not None and is_own:
            collector.activity_ids[entity_id] = str(stored["id"])
        return stored

    def updateActivity(  # noqa: N802
        self, activity: Mapping[str, Any]
    ) -> Activity:
        """Update a stored Activity, as `Synapse.updateActivity` does.

        Credentials and queries of URLs are not stored. A retry that stores the same files again
        finds the versions.
        """
        redacted, collector = self._redact(activity), current_collector()
        if collector is not None and isinstance(redacted, Mapping):
            self._note_versions(collector, str(redacted.get("id")))
        return provenance.updateActivity(self, redacted)

    def deleteProvenance(self, entity: Any) -> None:  # noqa: N802
        """Delete the Activity of an entity, as `Synapse.deleteProvenance` does.

        What the task stores after that gets another Activity. A retry that stores the same files
        again finds the versions, and gives them another Activity.
        """
        collector = current_collector()
        if collector is None:
            provenance.deleteProvenance(self, entity)
            return
        self._note_versions(collector, collector.activity_ids.get(parse_entity_id(entity).id))
        provenance.deleteProvenance(self, entity)
        with AIRFLOW_LOCK:
            deleted = collector.activities.forget_deleted(self)
            for entity_id, activity_id in [*collector.activity_ids.items()]:
                if activity_id in deleted:
                    del collector.activity_ids[entity_id]

    def _note_versions(self, collector: LineageCollector, activity_id: str | None) -> None:
        """Note the first version of each file with an Activity of this try, before it changes."""
        stored = collector.observed.stored_entities
        for entity_id, known_id in [*collector.activity_ids.items()]:
            versions = [ref.version for ref in stored if ref.id == entity_id and ref.version]
            if known_id != activity_id or not versions:
                continue
            with suppress(SynapseForbiddenError, SynapseNotFoundError):  # deleted meanwhile
                entity = self.call("GET", f"/entity/{entity_id}").object
                if entity["concreteType"] == FILE:
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
