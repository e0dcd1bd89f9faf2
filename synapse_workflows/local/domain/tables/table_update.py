"""One table being changed: its columns made as the entity says, then one commit of all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import TABLE, AccessType
from synapse_workflows.local.domain import access, file_handles
from synapse_workflows.local.domain.async_jobs import Run
from synapse_workflows.local.domain.ids import entity_and_version, entity_text
from synapse_workflows.local.domain.tables import columns, outbox, schemas
from synapse_workflows.local.domain.tables.column_layout import StoredColumn, apply_layout
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.outbox import OutboxEntry, Snapshot
from synapse_workflows.local.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    Unavailable,
)
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import EntityVersion
from synapse_workflows.local.storage.table_db import SlotLimitError, TableWriter
from synapse_workflows.local.storage.table_models import SchemaChange, TableFileHandle
from synapse_workflows.local.storage.table_store import TableLockedError

_HANDLES_AT_A_TIME: Final = 500


@dataclass
class TableUpdate:
    """A table within the one transaction that changes it.

    Args:
        run: the job.
        entity_id: the table.
        writer: its file.
        bound: its columns, in order.
        schema_number: the schema change that made them.
        schema_is_new: whether this transaction made it.
        handles: file handles that were put into cells.
    """

    run: Run
    entity_id: int
    writer: TableWriter
    bound: tuple[StoredColumn, ...]
    schema_number: int
    schema_is_new: bool = False
    handles: set[int] = field(default_factory=set)

    def bound_by_id(self) -> dict[int, StoredColumn]:
        """Give the columns by their ids."""
        return {each.column.id: each for each in self.bound}

    def require_columns(self) -> None:
        """Check that the table has columns.

        Raises:
            BadRequest: it has none.
        """
        if not self.bound:
            raise BadRequest(f"Schema for {entity_text(self.entity_id)} is empty.")

    def use_handles(self, found: set[int]) -> None:
        """Check that file handles may stand in cells.

        Raises:
            Forbidden: one is somebody else's and not in the table.
            NotFound: there is no such file handle.
        """
        new = sorted(found - self.handles)
        with self.run.service.database.reading() as session:
            for start in range(0, len(new), _HANDLES_AT_A_TIME):
                self._use_some(session, new[start : start + _HANDLES_AT_A_TIME])

    def _use_some(self, session: Session, some: Sequence[int]) -> None:
        caller = self.run.caller
        held = select(TableFileHandle.handle_id).where(
            TableFileHandle.entity_id == self.entity_id, TableFileHandle.handle_id.in_(some)
        )
        there = set(session.scalars(held))
        known = {
            each.id: each
            for each in session.scalars(select(FileHandle).where(FileHandle.id.in_(some)))
        }
        for handle_id in some:
            if handle_id in there:
                continue
            if handle_id not in known:
                raise NotFound(f"FileHandle with ID: {handle_id} does not exist")
            if not file_handles.owns(caller, known[handle_id]):
                raise Forbidden(
                    f"User {caller.id} is not the creator of FileHandle {handle_id} "
                    "and cannot put it into a table."
                )
            self.handles.add(handle_id)

    def commit(self, response: dict[str, Any], snapshot: Snapshot | None = None) -> dict[str, Any]:
        """Keep all of it, in the file and in the service's database.

        Args:
            response: the response body of the job, without the number of a snapshot.
            snapshot: what to freeze; its number is found here.

        Returns:
            The response body.

        Raises:
            Conflict: the columns were changed meanwhile, or the snapshot's label is taken.
            Forbidden: the caller may not UPDATE the table any more.
            NotFound: the table was deleted meanwhile.
        """
        self.writer.flush()
        with self.run.service.database.transaction() as session:
            effects = self._effects(session, response, snapshot)
            outbox.apply(session, effects)
            self.writer.set_outbox(self.run.job_id, outbox.serialize(effects))
            self.writer.commit()
        return effects.response

    def _effects(
        self, session: Session, response: dict[str, Any], snapshot: Snapshot | None
    ) -> OutboxEntry:
        caller = self.run.caller
        entity = access.require(session, caller, self.entity_id, AccessType.UPDATE)
        latest = schemas.get_latest_change(session, self.entity_id)
        if self.schema_is_new and latest is not None and latest.number >= self.schema_number:
            raise Conflict(f"The columns of {entity_text(entity.id)} were changed meanwhile.")
        if snapshot is not None:
            shown = tuple(each.column.id for each in self.bound)
            snapshot = replace(snapshot, number=entity.current_version, column_ids=shown)
            response = {**response, "snapshotVersionNumber": snapshot.number}
            last = self.writer.get_last_change()
            self.writer.set_snapshot(snapshot.number, 0 if last is None else last.version)
        return OutboxEntry(
            job_id=self.run.job_id,
            entity_id=self.entity_id,
            made_by=caller.id,
            made_on=self.run.service.now(),
            response=response,
            schema_number=self.schema_number if self.schema_is_new else None,
            column_ids=tuple(each.column.id for each in self.bound) if self.schema_is_new else (),
            handles=tuple(sorted(self.handles)),
            snapshot=snapshot,
        )


@contextmanager
def open_update(run: Run, *, wait: float = -1) -> Iterator[TableUpdate]:
    """Open the table of a job for changes; what is not committed within is undone.

    Args:
        run: the job.
        wait: seconds to wait for whoever else changes the table; -1 waits for its end.

    Raises:
        BadRequest: a version was named, or the entity is no table.
        Forbidden: the caller may not UPDATE the table.
        NotFound: there is no such table.
        Unavailable: somebody else did not end in time.
    """
    entity_id, number = entity_and_version(run.entity)
    if number is not None:
        raise BadRequest(f"{run.entity}: versions of a table cannot be changed.")
    with run.service.database.reading() as session:
        require_updatable_table(session, run, entity_id)
    try:
        with run.service.tables.open_writer(entity_id, wait=wait) as writer:
            yield _opened(run, entity_id, writer)
    except SlotLimitError:
        raise BadRequest(
            f"The versions of {entity_text(entity_id)} have too many different columns. "
            "Delete versions that are no longer needed."
        ) from None
    except TableLockedError:
        raise Unavailable(
            f"{entity_text(entity_id)} is being changed by somebody else. Please try again."
        ) from None


def require_updatable_table(session: Session, run: Run, entity_id: int) -> None:
    """Check that the caller of a job may change the table.

    Raises:
        BadRequest: it is no table.
        Forbidden: the caller may not UPDATE it.
        NotFound: there is no such entity.
    """
    entity = access.require(session, run.caller, entity_id, AccessType.UPDATE)
    if entity.concrete_type != TABLE:
        raise BadRequest(f"{entity_text(entity_id)} is not a table.")


def _opened(run: Run, entity_id: int, writer: TableWriter) -> TableUpdate:
    with run.service.database.reading() as session:
        numbers = select(EntityVersion.number).where(EntityVersion.entity_id == entity_id)
        writer.retain_snapshots(set(session.scalars(numbers)))
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
        _follow(writer, change, by_id)
    layout = writer.get_layout()
    bound = tuple(StoredColumn(by_id[number], slot) for number, slot in layout)
    return TableUpdate(run, entity_id, writer, bound, writer.schema_number)


def _follow(writer: TableWriter, change: SchemaChange, by_id: dict[int, Column]) -> None:
    """Make the columns as the entity's body once said."""
    version = writer.create_change_set(change.etag, change.made_on, change.made_by)
    apply_layout(writer, version, [by_id[number] for number in change.column_ids])
    writer.set_schema_number(change.number)
