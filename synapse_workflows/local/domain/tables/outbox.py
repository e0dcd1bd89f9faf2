"""Transactional outbox: commit a change of a table's file and of the service's database together.

The file and the database cannot be committed atomically. The file is committed first, with an
outbox entry that holds the pending updates of the database. After a crash, the next start of the
service applies the entry:

    file committed, database committed      the change is stored, the job is COMPLETE
    file committed, database not committed  the same, after the next start
    file not committed                      nothing is stored, the job is FAILED
"""

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from synapse_workflows.constants import TABLE
from synapse_workflows.local.domain import access, async_jobs, entities
from synapse_workflows.local.domain.ids import (
    format_entity_id,
    generate_etag,
    get_last_id,
    parse_entity_version,
)
from synapse_workflows.local.domain.job_pool import JobInterrupted
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables.snapshots import Snapshot, create_snapshot
from synapse_workflows.local.errors import DataLost
from synapse_workflows.local.storage.data_dir import DataDirError
from synapse_workflows.local.storage.database import execute, fetch_rows, insert_row
from synapse_workflows.local.storage.job_models import Job
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.table_models import SchemaChange, TableFile, TableFileHandle
from synapse_workflows.local.storage.view_models import UnusedViewFile, ViewSnapshot

_TABLE_FILE = select(TableFile.entity_id).where(TableFile.entity_id == bindparam("table"))
_INSERT_TABLE_FILE = insert(TableFile).on_conflict_do_nothing()

log = logging.getLogger("synapse_workflows.local")


@dataclass(frozen=True)
class OutboxEntry:
    """Updates of the service's database that belong to a commit of a table's file.

    Args:
        job_id: The job that made the change.
        entity_id: The table.
        made_by: Principal ID of the user.
        made_on: Date of the change, in milliseconds since the epoch.
        response: Response body of the job.
        schema_number: Number of the new schema change; None if the columns did not change.
        column_ids: The new columns.
        handles: IDs of file handles that were added to cells.
        snapshot: The new snapshot; None if none was created.
    """

    job_id: int
    entity_id: int
    made_by: int
    made_on: int
    response: dict[str, Any]
    schema_number: int | None = None
    column_ids: tuple[int, ...] = ()
    handles: tuple[int, ...] = ()
    snapshot: Snapshot | None = None


def serialize(entry: OutboxEntry) -> str:
    """Return an entry as JSON text."""
    return json.dumps(asdict(entry), ensure_ascii=False)


def parse(text: str) -> OutboxEntry:
    """Parse an entry from JSON text."""
    fields = json.loads(text)
    snapshot = fields.pop("snapshot")
    return OutboxEntry(
        **{
            **fields,
            "column_ids": tuple(fields["column_ids"]),
            "handles": tuple(fields["handles"]),
            "snapshot": None if snapshot is None else _parse_snapshot(snapshot),
        }
    )


def _parse_snapshot(fields: dict[str, Any]) -> Snapshot:
    column_ids = fields.get("column_ids")
    return Snapshot(**{**fields, "column_ids": None if column_ids is None else tuple(column_ids)})


def apply(session: Session, entry: OutboxEntry) -> None:
    """Update the service's database and complete the job.

    Raises:
        Conflict: The label of the snapshot is not unique.
    """
    entity = access.get_entity(session, entry.entity_id)
    version = entities.get_version(session, entity)
    if entry.schema_number is not None:
        _change_schema(session, entry, version)
    record_table_file(session, entity.id)
    if entry.handles:
        rows = [{"entity_id": entity.id, "handle_id": handle_id} for handle_id in entry.handles]
        session.execute(insert(TableFileHandle).on_conflict_do_nothing(), rows)
    if entry.snapshot is not None:
        next_version = create_snapshot(session, entity, version, entry.snapshot)
        version.modified_on, version.modified_by = entry.made_on, entry.made_by
        version = next_version
    if entry.snapshot is not None or entry.schema_number is not None:
        entity.etag = generate_etag()
        version.modified_on, version.modified_by = entry.made_on, entry.made_by
    async_jobs.mark_complete(session, entry.job_id, entry.response, entry.made_on)
    session.flush()


def _change_schema(session: Session, entry: OutboxEntry, version: EntityVersion) -> None:
    insert_row(
        session,
        SchemaChange(
            entity_id=entry.entity_id,
            number=entry.schema_number,
            etag=generate_etag(),
            column_ids=list(entry.column_ids),
            made_on=entry.made_on,
            made_by=entry.made_by,
        ),
    )
    column_ids = [str(each) for each in entry.column_ids]
    version.properties = {**version.properties, "columnIds": column_ids}


def recover(service: Service) -> None:
    """Finish or fail the jobs that a crash interrupted, and delete unused files.

    Raises:
        DataDirError: The database is older than the files of tables.
    """
    with service.database.read_transaction() as session:
        interrupted = async_jobs.list_unfinished(session)
        tables = set(session.scalars(select(Entity.id).where(Entity.concrete_type == TABLE)))
        view_files = set(session.scalars(select(ViewSnapshot.file_name)))
        unused = set(session.scalars(select(UnusedViewFile.file_name)))
    _check_table_files(service, tables)
    for job in interrupted:
        recover_job(service, job)
    service.views.sweep(view_files, unused)


def _check_table_files(service: Service, tables: set[int]) -> None:
    """Delete the files of deleted tables, and record which tables have a file.

    Raises:
        DataDirError: A file belongs to a table that the database has not created yet.
    """
    present = service.tables.list_tables()
    with service.database.write_transaction() as session:
        last = get_last_id(session, "entity")
        if newer := sorted(each for each in present if each > last):
            raise DataDirError(
                f"synapse.db is older than tables/{newer[0]}.db: restore the synapse.db of the "
                "same backup, or use another data directory. Nothing was deleted."
            )
        for table in present & tables:
            with service.tables.open_reader(table) as reader:
                if reader is not None:
                    record_table_file(session, table)
        recorded = set(session.scalars(select(TableFile.entity_id)))
    for table in sorted(recorded - present):
        log.error("tables/%d.db is missing: the rows of syn%d are lost.", table, table)
    for table in present - tables:
        service.tables.delete(table)


def record_table_file(session: Session, table: int) -> None:
    """Record that a table has a file."""
    execute(session, _INSERT_TABLE_FILE, {"entity_id": table})


def has_table_file(session: Session, table: int) -> bool:
    """Return whether a table has a file.

    Call this function before opening the file, because the file is committed before the database.
    """
    return bool(fetch_rows(session, _TABLE_FILE, table=table))


def build_lost_file_error(table: int) -> DataLost:
    """Return the error for a table whose file is missing."""
    return DataLost(
        f"The rows of {format_entity_id(table)} are lost: tables/{table}.db of the data "
        "directory is missing or damaged. Restore it from a backup, or delete the table."
    )


def recover_job(service: Service, job: Job) -> None:
    """Finish a job whose change was committed in the file; fail it otherwise."""
    if apply_committed(service, job) is None:
        with service.database.write_transaction() as session:
            async_jobs.mark_failed(session, job.id, JobInterrupted(), service.now())


def apply_committed(service: Service, job: Job) -> dict[str, Any] | None:
    """Apply the outbox entry of a job to the service's database.

    Returns:
        The response body of the job; None if the job committed nothing in a table's file.
    """
    if job.entity is None:
        return None
    with service.tables.open_reader(parse_entity_version(job.entity)[0]) as reader:
        text = None if reader is None else reader.get_outbox(job.id)
    if text is None:
        return None
    entry = parse(text)
    with service.database.write_transaction() as session:
        apply(session, entry)
    return entry.response
