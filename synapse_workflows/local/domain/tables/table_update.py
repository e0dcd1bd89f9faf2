"""Update of a table: one transaction on the table's file and on the service's database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import TABLE, AccessType
from synapse_workflows.local.domain import access, file_handles
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_version
from synapse_workflows.local.domain.tables import columns, outbox, schemas
from synapse_workflows.local.domain.tables.column_layout import StoredColumn, apply_layout
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.outbox import OutboxEntry
from synapse_workflows.local.domain.tables.schemas import StoredChange
from synapse_workflows.local.domain.tables.snapshots import Snapshot
from synapse_workflows.local.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    ServiceUnavailable,
)
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import EntityVersion
from synapse_workflows.local.storage.table_db import SlotLimitError, TableWriter
from synapse_workflows.local.storage.table_models import TableFileHandle
from synapse_workflows.local.storage.table_store import TableLockedError, TableMissingError

_VERSION_NUMBERS = select(EntityVersion.number).where(
    EntityVersion.entity_id == bindparam("entity_id")
)

_BATCH_HANDLES: Final = 500


@dataclass
class TableUpdate:
    """An open update of a table.

    Args:
        run: The job.
        entity_id: The table.
        writer: The table's file.
        columns: The columns of the table, in order.
        schema_number: Number of the schema change that set the columns.
        is_schema_changed: Whether this transaction set the columns.
        handles: IDs of file handles that were added to cells.
    """

    run: JobRun
    entity_id: int
    writer: TableWriter
    columns: tuple[StoredColumn, ...]
    schema_number: int
    is_schema_changed: bool = False
    handles: set[int] = field(default_factory=set)

    def columns_by_id(self) -> dict[int, StoredColumn]:
        """Return the columns by column ID."""
        return {each.column.id: each for each in self.columns}

    def require_columns(self) -> None:
        """Check that the table has columns.

        Raises:
            BadRequest: The table has no columns.
        """
        if not self.columns:
            raise BadRequest(f"Schema for {format_entity_id(self.entity_id)} is empty.")

    def add_file_handles(self, handle_ids: set[int]) -> None:
        """Record file handles that are added to cells.

        Raises:
            Forbidden: A file handle belongs to another user and is not in the table.
            NotFound: A file handle does not exist.
        """
        new = sorted(handle_ids - self.handles)
        with self.run.service.database.read_transaction() as session:
            for start in range(0, len(new), _BATCH_HANDLES):
                self._add_batch(session, new[start : start + _BATCH_HANDLES])

    def _add_batch(self, session: Session, handle_ids: Sequence[int]) -> None:
        caller = self.run.caller
        query = select(TableFileHandle.handle_id).where(
            TableFileHandle.entity_id == self.entity_id, TableFileHandle.handle_id.in_(handle_ids)
        )
        in_table = set(session.scalars(query))
        handles = {
            each.id: each
            for each in session.scalars(select(FileHandle).where(FileHandle.id.in_(handle_ids)))
        }
        for handle_id in handle_ids:
            if handle_id in in_table:
                continue
            if handle_id not in handles:
                raise NotFound(f"FileHandle with ID: {handle_id} does not exist")
            if not file_handles.is_owner(caller, handles[handle_id]):
                raise Forbidden(
                    f"User {caller.id} is not the creator of FileHandle {handle_id} "
                    "and cannot put it into a table."
                )
            self.handles.add(handle_id)

    def commit(self, response: dict[str, Any], snapshot: Snapshot | None = None) -> dict[str, Any]:
        """Commit the changes in the table's file and in the service's database.

        Args:
            response: Response body of the job, without the number of the snapshot.
            snapshot: The snapshot to create, without number and columns.

        Returns:
            The response body.

        Raises:
            Conflict: Another request changed the columns, or the label of the snapshot is not
                unique.
            Forbidden: The caller may no longer UPDATE the table.
            NotFound: The table was deleted.
        """
        self.writer.flush()
        with self.run.service.database.write_transaction() as session:
            entry = self._create_outbox_entry(session, response, snapshot)
            outbox.apply(session, entry)
            self.writer.set_outbox(self.run.job_id, outbox.serialize(entry))
            self.writer.commit()
        return entry.response

    def _create_outbox_entry(
        self, session: Session, response: dict[str, Any], snapshot: Snapshot | None
    ) -> OutboxEntry:
        caller, is_new = self.run.caller, self.is_schema_changed
        entity = access.require(session, caller, self.entity_id, AccessType.UPDATE)
        latest = schemas.get_latest_change(session, self.entity_id)
        if is_new and latest is not None and latest.number >= self.schema_number:
            raise Conflict(
                f"The columns of {format_entity_id(entity.id)} were changed by another request. "
                "Please try again."
            )
        column_ids = tuple(each.column.id for each in self.columns)
        if snapshot is not None:
            snapshot = replace(snapshot, number=entity.current_version, column_ids=column_ids)
            response = {**response, "snapshotVersionNumber": snapshot.number}
            last = self.writer.get_last_change()
            self.writer.set_snapshot(snapshot.number, -1 if last is None else last.version)
        return OutboxEntry(
            job_id=self.run.job_id,
            entity_id=self.entity_id,
            made_by=caller.id,
            made_on=self.run.service.now(),
            response=response,
            schema_number=self.schema_number if is_new else None,
            column_ids=column_ids if is_new else (),
            handles=tuple(sorted(self.handles)),
            snapshot=snapshot,
        )


@contextmanager
def open_update(run: JobRun, *, wait: float = -1) -> Iterator[TableUpdate]:
    """Open the table of a job for an update. Roll back unless the update is committed.

    Args:
        run: The job.
        wait: Maximum time to wait for other updates of the table, in seconds; -1 for no maximum.

    Raises:
        BadRequest: The entity ID of the job has a version, or the entity is not a table.
        DataLost: The file with the rows is missing.
        Forbidden: The caller may not UPDATE the table.
        NotFound: The table does not exist.
        Unavailable: Another update did not end in time.
    """
    entity_id, number = parse_entity_version(run.entity)
    if number is not None:
        raise BadRequest(f"{run.entity}: versions of a table cannot be changed.")
    with run.service.database.read_transaction() as session:
        _require_updatable_table(session, run, entity_id)
        has_file = outbox.has_table_file(session, entity_id)
    tables = run.service.tables
    try:
        with tables.open_writer(entity_id, must_exist=has_file, wait=wait) as writer:
            yield _create_update(run, entity_id, writer)
    except TableMissingError:
        raise outbox.build_lost_file_error(entity_id) from None
    except SlotLimitError:
        raise BadRequest(
            f"The versions of {format_entity_id(entity_id)} have too many different columns. "
            "Delete versions that are no longer needed."
        ) from None
    except TableLockedError:
        raise ServiceUnavailable(
            f"{format_entity_id(entity_id)} is being changed by another request. Please try again."
        ) from None


def _require_updatable_table(session: Session, run: JobRun, entity_id: int) -> None:
    entity = access.require(session, run.caller, entity_id, AccessType.UPDATE)
    if entity.concrete_type != TABLE:
        raise BadRequest(f"{format_entity_id(entity_id)} is not a table.")


def _create_update(run: JobRun, entity_id: int, writer: TableWriter) -> TableUpdate:
    with run.service.database.read_transaction() as session:
        numbers = fetch_rows(session, _VERSION_NUMBERS, entity_id=entity_id)
        writer.retain_snapshots({number for (number,) in numbers})
        pending = schemas.list_changes_after(session, entity_id, writer.schema_number)
        by_id = {
            each.id: each
            for each in columns.load(
                session,
                {number for change in pending for number in change.column_ids}
                | {number for number, _ in writer.get_layout()},
            )
        }
    for change in pending:
        _apply_schema_change(writer, change, by_id)
    stored = tuple(StoredColumn(by_id[number], slot) for number, slot in writer.get_layout())
    return TableUpdate(run, entity_id, writer, stored, writer.schema_number)


def _apply_schema_change(
    writer: TableWriter, change: StoredChange, by_id: dict[int, Column]
) -> None:
    """Apply a schema change that an update of the entity requested.

    Change set 0 is the first schema change with columns. Earlier schema changes get no change set.
    """
    if not change.column_ids and writer.get_last_change() is None:
        writer.set_schema_number(change.number)
        return
    version = writer.create_change_set(change.etag, change.made_on, change.made_by)
    apply_layout(writer, version, [by_id[number] for number in change.column_ids])
    writer.set_schema_number(change.number)
