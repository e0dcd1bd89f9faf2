"""Synapse client that records the lineage of the running Airflow task."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Unpack, cast

from synapse_workflows.client.api import (
    entities,
    queries,
    snapshots,
    store as store_api,
    submissions,
    table_rows,
)
from synapse_workflows.client.api.store_properties import VersionOptions
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.api.store_request import parse_store_request
from synapse_workflows.client.api.table_rows import ROW_TYPES
from synapse_workflows.client.core.events import Event, Wrote
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import Entity, File
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.model.rest_object import RestObject
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.client.model.submissions import Submission
from synapse_workflows.client.model.wikis import Wiki
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.declared_provenance import (
    DeclaredProvenance,
    attach_declared,
    build_separate,
    create_declared,
)
from synapse_workflows.lineage.lineage_mode import LineageMode, is_suspended, without_lineage
from synapse_workflows.lineage.lineage_settings import LineageSettings
from synapse_workflows.lineage.provenance_client import ProvenanceClient
from synapse_workflows.lineage.row_provenance import store_declared_activity
from synapse_workflows.lineage.source_versions import require_sources
from synapse_workflows.lineage.store_provenance import (
    IfUnchanged,
    TaskProvenance,
)
from synapse_workflows.lineage.wiki_pages import discard_wiki_page, record_wiki_page
from synapse_workflows.lineage.write_access import require_create_access
from synapse_workflows.operator_arguments import check_choice
from synapse_workflows.provenance.activity import (
    parse_activity,
    parse_declared,
)
from synapse_workflows.provenance.record import EntityRef, Origin


class LineageClient(ProvenanceClient):
    """Synapse client of an Airflow connection that records the lineage of the running task.

    Args:
        synapse_conn_id: Id of the connection.
        lineage_mode: Sources of the Activities that the client writes.
        lineage_required: Whether a task fails if its Activity cannot be stored.
        lineage_settings: Settings of the content of Activities.
        options: Arguments of `Synapse`.
    """

    def __init__(
        self,
        *,
        synapse_conn_id: str,
        lineage_mode: LineageMode,
        lineage_required: bool = False,
        lineage_settings: LineageSettings | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.synapse_conn_id = synapse_conn_id
        self._lineage_mode = lineage_mode
        self.lineage_required = lineage_required
        self.lineage_settings = lineage_settings or LineageSettings()
        # the download directories and uploaded files of other tasks may change at any time
        self.cache.external_copies = False
        self.subscribe(self._record_event)

    def get(self, entity: Any, **options: Unpack[entities.GetKeywords]) -> Entity:
        """Get an entity, as `Synapse.get` does.

        A downloaded file stays in the cache until the task ends.
        """
        found = entities.get(self, entity, **options)
        self._pin_file(getattr(found, "path", None))
        found.add_to_reference(synapse_conn_id=self.synapse_conn_id)
        return found

    def getSubmission(  # noqa: N802 - defined by Synapse
        self,
        id: Any,  # noqa: A002
        **options: Unpack[submissions.SubmissionKeywords],
    ) -> Submission:
        """Get a submission, as `Synapse.getSubmission` does.

        A downloaded file stays in the cache until the task ends.
        """
        found = submissions.getSubmission(self, id, **options)
        self._pin_file(found.filePath)
        if found.entity is not None:
            found.entity.add_to_reference(synapse_conn_id=self.synapse_conn_id)
        return found

    if not TYPE_CHECKING:  # type checkers use the overloads of Synapse.tableQuery

        def tableQuery(  # noqa: N802 - defined by Synapse
            self,
            query: str,
            resultsAs: str = "csv",  # noqa: N803
            **kwargs: Any,
        ) -> CsvFileTable | TableQueryResult:
            """Query a table, as `Synapse.tableQuery` does.

            A downloaded CSV file stays in the cache until the task ends.
            """
            result = queries.tableQuery(self, query, resultsAs, **kwargs)
            self._pin_file(getattr(result, "filepath", None))
            return result

    def delete(self, obj: Any, version: int | str | None = None) -> None:
        """Delete an object, as `Synapse.delete` does. Inside a task, it is no output any more."""
        super().delete(obj, version)
        collector = current_collector()
        if isinstance(obj, Wiki):
            discard_wiki_page(self, obj)
        if collector is not None and isinstance(obj, str | Entity):
            found = parse_entity_id(obj)
            number = found.version if version is None and isinstance(obj, str) else version
            collector.discard_output(found.id, None if number is None else int(number), self)

    def store(
        self,
        obj: Any,
        *,
        activity: Mapping[str, Any] | None = None,
        used: Any = None,
        executed: Any = None,
        activityName: str | None = None,  # noqa: N803 - defined by Synapse
        activityDescription: str | None = None,  # noqa: N803
        if_unchanged: IfUnchanged = "keep",
        **options: Any,
    ) -> Any:
        """Create or update an entity, or store rows of a table, as `Synapse.store` does.

        Inside a task, `used`, `executed` and a new `activity` are added to the Activity of the
        task. There is no separate Activity for the call, because a retry would create it again.
        An existing `activity` is linked unchanged.

        Args:
            obj: As for `Synapse.store`.
            activity: As for `Synapse.store`.
            used: As for `Synapse.store`.
            executed: As for `Synapse.store`.
            activityName: As for `Synapse.store`.
            activityDescription: As for `Synapse.store`.
            if_unchanged: With `forceVersion=False`, what to do if another run or a person has
                already stored the same content. `keep` keeps the existing version and its
                Activity; `new_version` creates a version with the Activity of this task.
            options: Further arguments of `Synapse.store`.

        Raises:
            ValueError: Unknown `if_unchanged`.
        """
        check_choice(if_unchanged, "if_unchanged", IfUnchanged)
        if isinstance(obj, RestObject):
            stored = store_api.store(
                self, obj, activity=activity, used=used, executed=executed, **options
            )
            if isinstance(stored, Wiki):
                record_wiki_page(self, stored)
            return stored
        declared = (activity, used, executed, activityName, activityDescription)
        is_separate = self.needs_separate_activity(activity, used, executed)
        new = build_separate(*declared) if is_separate else None
        context = DeclaredProvenance() if is_separate else create_declared(*declared)
        if if_unchanged == "new_version":
            options["forceVersion"] = True
        with attach_declared(context):
            if isinstance(obj, ROW_TYPES) or (new is not None and not new.get("id")):
                self.require_sources(activity=activity, used=used, executed=executed)
            if isinstance(obj, ROW_TYPES) and new is not None:
                table = obj.get("tableId") if isinstance(obj, Mapping) else obj.tableId
                new = new if table is None else store_declared_activity(self, table, new)
            if isinstance(obj, ROW_TYPES):
                return self._store_rows(obj, new, is_separate=is_separate, **options)
            if isinstance(obj, Column):
                return store_api.store(self, obj, activity=new, **options)
            return self._store_entity(obj, new, is_separate=is_separate, **options)

    def _store_rows(
        self, rows: Any, activity: Mapping[str, Any] | None, *, is_separate: bool, **options: Any
    ) -> Any:
        known = {"createOrUpdate", "isRestricted"} & options.keys()

        def store_schema(schema: SchemaBase) -> SchemaBase:
            of_schema = {name: options[name] for name in known}
            stored = self._store_entity(schema, None, is_separate=is_separate, **of_schema)
            return cast("SchemaBase", stored)

        return table_rows.store_rows(self, rows, activity, store_schema)

    def _store_entity(
        self,
        obj: Any,
        activity: Mapping[str, Any] | None,
        *,
        is_separate: bool,
        createOrUpdate: bool = True,  # noqa: N803
        forceVersion: bool = True,  # noqa: N803
        versionLabel: str | int | None = None,  # noqa: N803
        isRestricted: bool = False,  # noqa: N803
    ) -> Entity:
        collector = current_collector()
        made_by = StoreProvenance(self, activity)
        if collector is not None:
            made_by = TaskProvenance(
                self,
                collector,
                activity,
                has_task_activity=not is_separate,
                force=forceVersion,
            )
        if isinstance(obj, File):
            parse_store_request(obj)
            require_create_access(self, obj, self.synapse_conn_id)
        version = VersionOptions(createOrUpdate, forceVersion, versionLabel)
        stored = store_api.store_entity_with(
            self, obj, version, made_by, is_restricted=isRestricted
        )
        activity_id = collector.activity_ids.get(stored.id) if collector else None
        activity = {} if activity_id is None else {"activity_id": activity_id}
        stored.add_to_reference(synapse_conn_id=self.synapse_conn_id, **activity)
        return stored

    def require_sources(
        self,
        *,
        activity: Mapping[str, Any] | None = None,
        used: Any = None,
        executed: Any = None,
        **_texts: str | None,
    ) -> None:
        """Check that declared sources exist, before anything is created for them.

        Args:
            activity: As for `store`.
            used: As for `store`.
            executed: As for `store`.

        Raises:
            SynapseNotFoundError: The Activity, or a source in its version, does not exist.

        Source:
            GET /activity/{id}
            https://rest-docs.synapse.org/rest/GET/activity/id.html
        """
        if activity is not None and activity.get("id"):
            self.call("GET", f"/activity/{activity['id']}")
            return
        record = parse_activity(activity or {}, Origin.DECLARED) | parse_declared(used, executed)
        require_sources(self, (*record.inputs(), *record.executed()))

    def needs_separate_activity(
        self, activity: Mapping[str, Any] | None, used: Any, executed: Any
    ) -> bool:
        """Return whether declared provenance is not merged into the Activity of the task."""
        if not self.has_task_activity:
            return True
        return activity is not None and bool(activity.get("id") or used or executed)

    def create_snapshot_version(
        self,
        table: Any,
        comment: str | None = None,
        label: str | None = None,
        activity: Mapping[str, Any] | str | None = None,
        wait: bool = True,
    ) -> int | None:
        """Create a snapshot of a table, as `Synapse.create_snapshot_version` does.

        Inside a task, a new `activity` is added to the Activity of the task. The Activity of the
        task becomes the Activity of the snapshot. An existing `activity` is used unchanged. If
        Synapse rejects the Activity, the snapshot is created without it, and the log gives the
        reason, unless lineage is required.
        """
        is_new = activity is None or (isinstance(activity, Mapping) and not activity.get("id"))
        if is_new:
            activity = self.create_snapshot_activity(table, activity)
        if isinstance(activity, Mapping) and not activity.get("id"):
            new = build_separate(activity, None, None, None, None)
            activity = store_declared_activity(self, table, new)
        return snapshots.create_snapshot_version(self, table, comment, label, activity, wait)

    def create_snapshot_activity(
        self,
        table: Any,
        declared: Mapping[str, Any] | str | None = None,
        known: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | str | None:
        """Write the Activity of a snapshot before the snapshot is created.

        Args:
            table: A table or its id.
            declared: Declared Activity, to be merged into the Activity of the task.
            known: JSON of the table; None to read it.

        Returns:
            The id of the Activity; outside a task, or if lineage is off, `declared`.
        """
        collector = current_collector()
        if collector is None or self.lineage_mode is LineageMode.OFF or isinstance(declared, str):
            return declared
        entity = known or self.call("GET", f"/entity/{parse_entity_id(table).id}").json
        current = EntityRef(entity["id"], entity["versionNumber"], self.repoEndpoint)
        with attach_declared(create_declared(declared, None, None, None, None)):
            activity_id = collector.create_snapshot_activity(current, self)
        if activity_id is not None:
            collector.attach_activity(current.id, activity_id, self)
        return activity_id

    @property
    def lineage_mode(self) -> LineageMode:
        """Sources of the Activities; `off` inside a `without_lineage` block."""
        return LineageMode.OFF if is_suspended() else self._lineage_mode

    @property
    def has_listeners(self) -> bool:
        """Whether emitted events have a listener.

        Inside a `without_lineage` block, this is False unless a declared Activity was rejected.
        """
        return (not is_suspended() or self._has_failures) and super().has_listeners

    def emit(self, event: Event) -> None:
        """Call all listeners with an event.

        Inside a `without_lineage` block, only a version without its declared Activity is noted.
        """
        collector = current_collector()
        if not is_suspended():
            super().emit(event)
        elif collector is not None and isinstance(event, Wrote):
            collector.activities.add_pending(self, event)

    @property
    def _has_failures(self) -> bool:
        collector = current_collector()
        return collector is not None and collector.activities.has_failures

    def without_lineage(self) -> AbstractContextManager[None]:
        """Suspend lineage inside this block, for all clients of the task.

        What is read, stored or run inside the block is not recorded. Stored entities have no
        asset event, and no Activity unless the call declares an Activity. The block applies to
        the current thread.
        """
        return without_lineage()

    def serialize(self) -> dict[str, Any]:
        """Raise an error: a client holds a token, which must not be stored in an XCom.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "A task cannot return a Synapse client. Create the client in each task that needs it: "
            f"SynapseHook({self.synapse_conn_id!r}).client"
        )

    def _pin_file(self, path: str | None) -> None:
        collector = current_collector()
        if collector is not None and path:
            collector.pin_file(self.cache, path)

    def _record_event(self, event: Event) -> None:
        collector = current_collector()
        if collector is not None:
            collector.record_event(event, self)
        else:
            super()._report_event(event)

    def _report_event(self, event: Event) -> None:
        """Do nothing: `_record_event` reports events of processes that the task started."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.subscribe(self._record_event)
