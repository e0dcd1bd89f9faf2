"""Transactions on views: changes of columns and annotations, and snapshots."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import MATERIALIZED_VIEW, MODEL, AccessType
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

#: Applies one change and returns its result.
Change = Callable[[Session], dict[str, Any]]


def is_view_update(run: JobRun) -> bool:
    """Return whether the entity of a transaction is a view.

    Raises:
        Forbidden: The caller may not update the entity.
        NotFound: The entity does not exist.
    """
    with run.service.database.read_transaction() as session:
        entity_id = parse_entity_version(run.entity)[0]
        entity = access.require(session, run.caller, entity_id, AccessType.UPDATE)
        return entity.concrete_type in {*VIEW_TYPES, MATERIALIZED_VIEW}


def update_view(run: JobRun, changes: Sequence[Any], snapshot: Snapshot | None) -> dict[str, Any]:
    """Apply a TableUpdateTransactionRequest to a view.

    Raises:
        BadRequest: The request names a version, combines a snapshot with changes, or has an
            invalid change.
        Conflict: The columns changed during the transaction, or the label of the snapshot is not
            unique.
    """
    view_id, number = parse_entity_version(run.entity)
    if number is not None:
        raise BadRequest(f"{run.entity} is a version: only the current version can be changed.")
    if changes and snapshot is not None:
        raise BadRequest("A snapshot of a view cannot be combined with other changes.")
    if snapshot is not None:
        return snapshots.create_view_snapshot(run, view_id, snapshot)
    parser = _ChangeParser(run, view_id)
    parsed = [parser.parse(each) for each in changes]
    with run.service.database.write_transaction() as session:
        access.require(session, run.caller, view_id, AccessType.UPDATE)
        response = {
            "concreteType": f"{_M}.TableUpdateTransactionResponse",
            "results": [apply(session) for apply in parsed],
        }
        async_jobs.mark_complete(session, run.job_id, response, run.service.now())
    return response


class _ChangeParser:
    """Parser of the changes of a transaction. The parser tracks the columns of the view."""

    def __init__(self, run: JobRun, view_id: int) -> None:
        self._run = run
        self._view_id = view_id
        with run.service.database.read_transaction() as session:
            view = access.get_entity(session, view_id)
            if view.concrete_type == MATERIALIZED_VIEW:
                raise BadRequest(
                    f"{run.entity} is a materialized view, which is read only: its rows and "
                    "columns follow from its definingSQL. Change its sources or its definingSQL."
                )
            self._schema = schemas.get_version_schema(session, entities.get_version(session, view))

    def parse(self, request: Any) -> Change:
        """Parse one change.

        Raises:
            BadRequest: The change is invalid.
        """
        if not isinstance(request, dict):
            raise BadRequest("changes must be an array of objects.")
        parsers: dict[str, Callable[[Mapping[str, Any]], Change]] = {
            f"{_M}.AppendableRowSetRequest": self._parse_rows,
            f"{_M}.UploadToTableRequest": self._parse_csv,
            f"{_M}.TableSchemaChangeRequest": self._parse_columns,
        }
        concrete_type = request_fields.parse_choice(
            parsers, request_fields.get_required_text(request, "concreteType"), "concreteType"
        )
        return parsers[concrete_type](request)

    def _parse_rows(self, request: Mapping[str, Any]) -> Change:
        updates = row_updates.parse_row_set(request, self._schema)
        return self._build_update(lambda: updates)

    def _parse_csv(self, request: Mapping[str, Any]) -> Change:
        schema = self._schema
        return self._build_update(lambda: row_updates.iter_csv(self._run, request, schema))

    def _build_update(self, get_updates: Callable[[], Iterable[RowUpdate]]) -> Change:
        def apply(session: Session) -> dict[str, Any]:
            view = access.get_entity(session, self._view_id)
            return annotation_updates.update_annotations(
                session, self._run.caller, view, get_updates()
            )

        return apply

    def _parse_columns(self, request: Mapping[str, Any]) -> Change:
        present = [each.id for each in self._schema]
        column_ids, _, _ = schema_changes.parse_changes(request, present)
        with self._run.service.database.read_transaction() as session:
            self._schema = schemas.validate(session, column_ids)
        return _ColumnChange(self._run, self._view_id, present, self._schema).apply


@dataclass(frozen=True)
class _ColumnChange:
    """Replacement of the columns of a view.

    Args:
        run: The running job.
        view_id: Entity ID of the view.
        present: IDs of the columns before the change.
        schema: Columns after the change.
    """

    run: JobRun
    view_id: int
    present: list[int]
    schema: Schema

    def apply(self, session: Session) -> dict[str, Any]:
        """Replace the columns and return a TableSchemaChangeResponse."""
        view = access.get_entity(session, self.view_id)
        version = entities.get_version(session, view)
        if [int(each) for each in version.properties["columnIds"]] != self.present:
            raise Conflict(
                f"The columns of {self.run.entity} changed during the transaction. Try again."
            )
        column_ids = [str(each.id) for each in self.schema]
        properties = {**version.properties, "columnIds": column_ids}
        schemas.update_columns(session, self.run.caller, view, properties)
        entities.record_change(session, self.run.caller, view, version, properties=properties)
        models = [dict(each.body) for each in self.schema]
        return {"concreteType": schema_changes.RESULT, "schema": models}
