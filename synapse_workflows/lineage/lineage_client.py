"""The client that a hook gives out: what it stores in a task goes with the task's lineage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from synapse_workflows.client.api import (
    entities,
    provenance,
    queries,
    snapshots,
    store as storing,
)
from synapse_workflows.client.core.events import Event, Wrote
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.lineage.collector import (
    DeclaredProvenance,
    attach_declared,
    current_collector,
)
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.provenance.activity import parse_activity, parse_declared
from synapse_workflows.provenance.record import EntityRef, Origin


class LineageClient(Synapse):
    """A Synapse client bound to an Airflow connection.

    Args:
        synapse_conn_id: the connection it speaks for.
        lineage_mode: how much becomes provenance.
        options: what `Synapse` takes.
    """

    def __init__(self, *, synapse_conn_id: str, lineage_mode: LineageMode, **options: Any) -> None:
        super().__init__(**options)
        self.synapse_conn_id = synapse_conn_id
        self.lineage_mode = lineage_mode
        self.subscribe(self._hear)

    def get(self, entity: Any, **options: Any) -> Entity:
        """Get an entity, as `Synapse.get` does.

        A file that this leaves in the cache stays there until the task ends.
        """
        found = entities.get(self, entity, **options)
        self._hold(getattr(found, "path", None))
        return found

    def tableQuery(  # noqa: N802 - a name of the client
        self,
        query: str,
        resultsAs: str = "csv",  # noqa: N803
        **kwargs: Any,
    ) -> CsvFileTable | TableQueryResult:
        """Query a table, as `Synapse.tableQuery` does.

        A CSV file that this leaves in the cache stays there until the task ends.
        """
        found = queries.tableQuery(self, query, resultsAs, **kwargs)
        self._hold(getattr(found, "filepath", None))
        return found

    def store(
        self,
        obj: Any,
        *,
        activity: Mapping[str, Any] | None = None,
        used: Any = None,
        executed: Any = None,
        activityName: str | None = None,  # noqa: N803 - names of the client
        activityDescription: str | None = None,  # noqa: N803
        **options: Any,
    ) -> Any:
        """Create or update an entity, or store rows of a table, as `Synapse.store` does.

        Inside a task, `used`, `executed` and a new `activity` are added to the one Activity of
        the task, instead of an Activity for this call: a retry would leave a second one behind.
        An `activity` that is stored already is linked as it is.
        """
        said = {
            "activity": activity,
            "used": used,
            "executed": executed,
            "activityName": activityName,
            "activityDescription": activityDescription,
        }
        if self._is_alone(activity, used, executed):
            return storing.store(self, obj, **(said | options))
        with attach_declared(
            _create_declaration(activity, used, executed, activityName, activityDescription)
        ):
            return storing.store(self, obj, **options)

    def record_row_provenance(
        self,
        table_id: str,
        *,
        changed: bool,
        replaced: bool,
        activity: Mapping[str, Any] | None = None,
        used: Any = None,
        executed: Any = None,
        activityName: str | None = None,  # noqa: N803 - names of the client
        activityDescription: str | None = None,  # noqa: N803
    ) -> tuple[Mapping[str, Any], str | None]:
        """Say what made the rows of a table, as `store` does of what it stores.

        Args:
            table_id: as `syn123`.
            changed: whether rows were changed.
            replaced: whether none is left of those that were there before.
            activity: as for `store`, and so are the others.
            used: what was used besides.
            executed: what was run besides.
            activityName: of the Activity.
            activityDescription: of the Activity.

        Returns:
            The table as it is now, for somebody may have frozen it meanwhile; and the id of the
            Activity of its rows, None where there is none.
        """
        words = (activity, used, executed, activityName, activityDescription)
        alone = self._is_alone(activity, used, executed)
        made_by = storing.build_activity(*words) if alone else None
        given = None if made_by is None else provenance.setProvenance(self, table_id, made_by)
        entity = self.call("GET", f"/entity/{table_id}").json
        wrote = Wrote(
            entity_id=entity["id"],
            version=entity["versionNumber"],
            name=entity["name"],
            concrete_type=entity["concreteType"],
            parent_id=entity.get("parentId"),
            changed=changed,
            activity_given=given is not None,
            replaced=replaced,
        )
        with attach_declared(DeclaredProvenance() if alone else _create_declaration(*words)):
            self.announce(wrote)
        collector = current_collector()
        if given is not None or collector is None:
            return entity, given["id"] if given else None
        return entity, collector.activity_ids.get(entity["id"])

    def _is_alone(self, activity: Mapping[str, Any] | None, used: Any, executed: Any) -> bool:
        """Tell whether what is declared makes an Activity apart from that of the task."""
        alone = self.lineage_mode is LineageMode.OFF or current_collector() is None
        return alone or (activity is not None and bool(activity.get("id") or used or executed))

    def create_snapshot_version(
        self,
        table: Any,
        comment: str | None = None,
        label: str | None = None,
        activity: Mapping[str, Any] | str | None = None,
        wait: bool = True,
    ) -> int | None:
        """Freeze a table, as `Synapse.create_snapshot_version` does.

        Inside a task, a new `activity` is added to the one Activity of the task, which the
        snapshot carries. One that is stored already is bound as it is.
        """
        new = activity is None or (isinstance(activity, Mapping) and not activity.get("id"))
        bound = self.create_snapshot_activity(table, activity) if new else activity
        return snapshots.create_snapshot_version(self, table, comment, label, bound, wait)

    def create_snapshot_activity(
        self, table: Any, declared: Mapping[str, Any] | str | None = None
    ) -> Mapping[str, Any] | str | None:
        """Make the Activity that a snapshot is to carry, before there is a snapshot.

        Args:
            table: a table or its id.
            declared: what is to be in it besides what the task did.

        Returns:
            Its id; outside of a task, and where lineage is off, what was declared.
        """
        collector = current_collector()
        if collector is None or self.lineage_mode is LineageMode.OFF or isinstance(declared, str):
            return declared
        entity = self.call("GET", f"/entity/{parse_entity_id(table).id}").json
        present = EntityRef(entity["id"], entity["versionNumber"], self.repoEndpoint)
        with attach_declared(_create_declaration(declared, None, None, None, None)):
            activity_id = collector.create_snapshot_activity(present, self)
        if activity_id is not None:
            collector.attach_activity(present.id, activity_id, self)
        return activity_id

    @contextmanager
    def without_lineage(self) -> Iterator[None]:
        """Announce nothing meanwhile: what is read is no input, only a look at what is there."""
        listeners, self._listeners = self._listeners, ()
        try:
            yield
        finally:
            self._listeners = listeners

    def _hold(self, path: str | None) -> None:
        collector = current_collector()
        if collector is not None and path:
            collector.pin_file(self.cache, path)

    def _hear(self, event: Event) -> None:
        collector = current_collector()
        if collector is not None:
            collector.record_event(event, self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.subscribe(self._hear)


def _create_declaration(
    activity: Mapping[str, Any] | None, used: Any, executed: Any, name: Any, description: Any
) -> DeclaredProvenance:
    if activity is None:
        return DeclaredProvenance(parse_declared(used, executed), name, description)
    record = parse_activity(activity, Origin.DECLARED)
    return DeclaredProvenance(record, activity.get("name"), activity.get("description"))
