"""Synapse client that links Activities to tables in as few requests as possible."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import requests

from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.constants import TABLE, VIEWS
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.lineage.sts_client import StsClient
from synapse_workflows.lineage.task_activities import OutdatedEntityError

#: Paths of requests whose responses contain the current state of an entity.
_ENTITY_PATH: Final = re.compile(r"/entity(?:/syn\d+(?:/bundle2)?)?")


class TableClient(StsClient):
    """Synapse client that remembers the state of tables, to link their Activities."""

    def call(self, method: str, path: str, **options: Any) -> Reply:
        """Send a request, as `Synapse.call` does, and remember the tables of the response."""
        reply = super().call(method, path, **options)
        if _ENTITY_PATH.fullmatch(path) and method != "DELETE":
            entity = reply.object.get("entity", reply.object)
            if entity.get("concreteType") in {TABLE, *VIEWS}:
                self.known_tables[entity["id"]] = entity
        return reply

    @property
    def known_tables(self) -> dict[str, Mapping[str, Any]]:
        """JSON of tables and views by ID, as this client has read or stored them last."""
        return self.get_or_create("known tables", dict)

    def emit_table_change(
        self, table_id: str, known: Mapping[str, Any] | None = None, **details: Any
    ) -> Mapping[str, Any]:
        """Emit a `Wrote` event of a table whose rows have changed; return the JSON of the table.

        The Activity is linked under the etag of a known state of the table. The table is read
        only if that state is outdated, or if the Activity could not be linked.

        Args:
            table_id: `syn123`.
            known: JSON of the table from before its rows changed; None for the last known state,
                unless all rows were replaced.
            details: Further fields of the event.
        """
        if known is None and details.get("replaced_etag") is None:
            known = self.known_tables.get(table_id)
        is_linked = details["changed"] and not details["activity_given"]
        if known and is_linked and self.has_task_activity:
            event = Wrote.from_entity(known, properties=known, is_read_before=True, **details)
            with suppress(OutdatedEntityError):
                self.emit(event)
                return known
        entity = self._read_table(table_id)
        self.emit(Wrote.from_entity(entity, properties=entity, **details))
        return entity

    def _read_table(self, table_id: str) -> Mapping[str, Any]:
        """Return the JSON of a table; the last known one if Synapse is not available.

        The rows were stored, so that the task succeeds, and its Activity is pending.
        """
        try:
            return self.call("GET", f"/entity/{table_id}").object
        except (SynapseError, requests.RequestException) as error:
            known = self.known_tables.get(table_id)
            if known is None or self.lineage_required or not self.has_task_activity:
                raise
            self.logger.warning("The current version of %s is not known: %s", table_id, error)
            return known

    @property
    def has_task_activity(self) -> bool:
        """Whether what is stored gets the Activity of the task, unless one is declared."""
        return current_collector() is not None and self.lineage_mode is not LineageMode.OFF
