"""Transactions on views: other columns, new values for annotations, or a frozen version."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AccessType
from synapse_workflows.local.domain import access, async_jobs, entities, request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import parse_entity_version
from synapse_workflows.local.domain.tables import schema_changes, schemas
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.tables.snapshots import Snapshot
from synapse_workflows.local.domain.views import annotation_updates, row_updates, snapshots
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.domain.views.row_updates import RowUpdate
from synapse_workflows.local.errors import BadRequest, Conflict

_M: Final = f"{MODEL}.table"

Change = Callable[[Session], dict[str, Any]]


def is_view_update(run: JobRun) -> bool:
    """Tell whether a job is about a view that its caller may UPDATE.

    Raises:
        Forbidden: the caller may not UPDATE the entity.
        NotFound: there is no such entity.
    """
    with run.service.database.reading() as session:
        number = parse_entity_version(run.entity)[0]
        entity = access.require(session, run.caller, number, AccessType.UPDATE)
        return entity.concrete_type in VIEW_TYPES


def update_view(run: JobRun, changes: Sequence[Any], snapshot: Snapshot | None) -> dict[str, Any]:
    """Carry out a TableUpdateTransactionRequest on a view.

    Raises:
        BadRequest: a version was named, a snapshot is asked for with changes, or a change
            breaks a rule.
        Conflict: the columns were changed meanwhile, or the snapshot's label is taken.
    """
    view_id, number = parse_entity_version(run.entity)
    if number is not None:
        raise BadRequest(f"{run.entity}: versions of a view cannot be changed.")
    if changes and snapshot is not None:
        raise BadRequest("A snapshot of a view cannot be made together with other changes.")
    if snapshot is not None:
        return snapshots.create_view_snapshot(run, view_id, snapshot)
    prepared = _ChangeParser(run, view_id)
    applies = [prepared.change(each) for each in changes]
    with run.service.database.transaction() as session:
        access.require(session, run.caller, view_id, AccessType.UPDATE)
        response = {
            "concreteType": f"{_M}.TableUpdateTransactionResponse",
            "results": [apply(session) for apply in applies],
        }
        async_jobs.mark_complete(session, run.job_id, response, run.service.now())
    return response


class _ChangeParser:
    """What the changes of a transaction mean, read before anything is written."""

    def __init__(self, run: JobRun, view_id: int) -> None:
        self._run = run
        self._view_id = view_id
        with run.service.database.reading() as session:
            view = access.get_entity(session, view_id)
            self._schema = schemas.get_version_schema(session, entities.get_version(session, view))

    def change(self, request: Any) -> Change:
        """Read one change, and give what carries it out.

        Raises:
            BadRequest: it breaks a rule.
        """
        if not isinstance(request, dict):
            raise BadRequest("changes must be an array of objects.")
        kinds: dict[str, Callable[[Mapping[str, Any]], Change]] = {
            f"{_M}.AppendableRowSetRequest": self._rows,
            f"{_M}.UploadToTableRequest": self._csv,
            f"{_M}.TableSchemaChangeRequest": self._columns,
        }
        kind = request_fields.parse_choice(
            kinds, request_fields.get_required_text(request, "concreteType"), "concreteType"
        )
        return kinds[kind](request)

    def _rows(self, request: Mapping[str, Any]) -> Change:
        found = row_updates.parse_row_set(request, self._schema)
        return self._updating(lambda: found)

    def _csv(self, request: Mapping[str, Any]) -> Change:
        schema = self._schema
        return self._updating(lambda: row_updates.iter_csv(self._run, request, schema))

    def _updating(self, read: Callable[[], Iterable[RowUpdate]]) -> Change:
        def apply(session: Session) -> dict[str, Any]:
            view = access.get_entity(session, self._view_id)
            return annotation_updates.update_annotations(session, self._run.caller, view, read())

        return apply

    def _columns(self, request: Mapping[str, Any]) -> Change:
        old = [each.id for each in self._schema]
        new, _, _ = schema_changes.parse_changes(request, old)
        with self._run.service.database.reading() as session:
            self._schema = schemas.validate(session, new)
        change = _ColumnChange(self._run, self._view_id, old, self._schema)
        return change.apply


@dataclass(frozen=True)
class _ColumnChange:
    """That a view gets other columns than it had."""

    run: JobRun
    view_id: int
    old: list[int]
    schema: Schema

    def apply(self, session: Session) -> dict[str, Any]:
        view = access.get_entity(session, self.view_id)
        version = entities.get_version(session, view)
        if [int(each) for each in version.properties["columnIds"]] != self.old:
            raise Conflict(f"The columns of {self.run.entity} were changed meanwhile.")
        wanted = [str(each.id) for each in self.schema]
        version.properties = {**version.properties, "columnIds": wanted}
        schemas.update_columns(session, self.run.caller, view, version.properties)
        entities.mark_changed(view, version, self.run.caller)
        session.flush()
        models = [dict(each.body) for each in self.schema]
        return {"concreteType": schema_changes.RESULT, "schema": models}
