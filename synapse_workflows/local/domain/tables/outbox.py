"""How a change of a table's file and what it means for the service's database become one.

The two cannot be committed at once, so the file goes first and carries, in its outbox, what the
database is to learn. A service that ends between the two reads the outbox when it starts again:

    file committed, database committed      the change is there, the job is COMPLETE
    file committed, database not            the same, as soon as the service starts
    file not committed                      nothing happened, the job is FAILED
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from synapse_workflows.constants import TABLE
from synapse_workflows.local.domain import access, async_jobs, entities, versions
from synapse_workflows.local.domain.ids import entity_and_version
from synapse_workflows.local.errors import Conflict
from synapse_workflows.local.storage.job_models import Job
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.table_models import SchemaChange, TableFileHandle
from synapse_workflows.local.storage.view_models import FrozenView

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import Service

IN_PROGRESS: Final = "in progress"


@dataclass(frozen=True)
class Snapshot:
    """A version of a table that is frozen.

    Args:
        number: of the entity version.
        label: None for the number.
        comment: what its author says.
        activity_id: what generated it; None leaves what the version had.
        column_ids: the columns that it shows; None for those that the entity has by now.
    """

    number: int
    label: str | None = None
    comment: str | None = None
    activity_id: int | None = None
    column_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class OutboxEntry:
    """What a change of a table means outside of its file.

    Args:
        job_id: the job that made it.
        entity_id: the table.
        made_by: principal id.
        made_on: milliseconds since the epoch.
        response: the response body of the job.
        schema_number: number of the schema change that was made, if one was.
        column_ids: the columns from then on.
        handles: file handles that cells hold from now on.
        snapshot: the version that is frozen, if one is.
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


def serialize(effects: OutboxEntry) -> str:
    """Write effects for the outbox."""
    return json.dumps(asdict(effects), ensure_ascii=False)


def parse(text: str) -> OutboxEntry:
    """Read effects from the outbox."""
    found = json.loads(text)
    snapshot = found.pop("snapshot")
    return OutboxEntry(
        **{
            **found,
            "column_ids": tuple(found["column_ids"]),
            "handles": tuple(found["handles"]),
            "snapshot": None if snapshot is None else _snapshot_from(snapshot),
        }
    )


def _snapshot_from(found: dict[str, Any]) -> Snapshot:
    column_ids = found.get("column_ids")
    return Snapshot(**{**found, "column_ids": None if column_ids is None else tuple(column_ids)})


def apply(session: Session, effects: OutboxEntry) -> None:
    """Let the service's database learn of a change, and complete the job.

    Raises:
        Conflict: the label of the snapshot is taken.
    """
    entity = access.find(session, effects.entity_id)
    version = entities.version_of(session, entity, None)
    if effects.schema_number is not None:
        _change_schema(session, effects, version)
    if effects.handles:
        rows = [{"entity_id": entity.id, "handle_id": handle_id} for handle_id in effects.handles]
        session.execute(insert(TableFileHandle).on_conflict_do_nothing(), rows)
    if effects.snapshot is not None:
        create_snapshot(session, entity, version, effects.snapshot)
        version.modified_on, version.modified_by = effects.made_on, effects.made_by
        version = entities.version_of(session, entity, None)
    if effects.snapshot is not None or effects.schema_number is not None:
        entity.etag = entities.new_etag()
        version.modified_on, version.modified_by = effects.made_on, effects.made_by
    async_jobs.complete(session, effects.job_id, effects.response, effects.made_on)
    session.flush()


def _change_schema(session: Session, effects: OutboxEntry, version: EntityVersion) -> None:
    session.add(
        SchemaChange(
            entity_id=effects.entity_id,
            number=effects.schema_number,
            etag=entities.new_etag(),
            column_ids=list(effects.column_ids),
            made_on=effects.made_on,
            made_by=effects.made_by,
        )
    )
    column_ids = [str(each) for each in effects.column_ids]
    version.properties = {**version.properties, "columnIds": column_ids}


def create_snapshot(
    session: Session, entity: Entity, version: EntityVersion, asked: Snapshot
) -> None:
    """Freeze the current version, and open the next one.

    Raises:
        Conflict: the label of the snapshot is taken.
    """
    label = asked.label or str(asked.number)
    versions.require_free_label(session, entity, label, asked.number)
    if label == IN_PROGRESS:
        raise Conflict(f"The label of a snapshot cannot be '{label}'.")
    version.label, version.comment = label, asked.comment
    if asked.activity_id is not None:
        version.activity_id = asked.activity_id
    session.flush()
    versions.begin(session, entity, version, IN_PROGRESS, None)
    if asked.column_ids is not None:
        column_ids = [str(each) for each in asked.column_ids]
        version.properties = {**version.properties, "columnIds": column_ids}


def recover(service: "Service") -> None:
    """Finish or fail the jobs that the end of the service cut off; drop files that nothing has."""
    with service.database.reading() as session:
        cut_off = async_jobs.unfinished(session)
        wanted = set(session.scalars(select(Entity.id).where(Entity.concrete_type == TABLE)))
        frozen = set(session.scalars(select(FrozenView.file)))
    for job in cut_off:
        recover_job(service, job)
    service.tables.sweep(wanted)
    service.views.sweep(frozen)


def recover_job(service: "Service", job: Job) -> None:
    """Finish a job whose change was committed, or fail it."""
    if apply_committed(service, job) is None:
        with service.database.transaction() as session:
            async_jobs.fail(session, job.id, async_jobs.CutOff(), service.now())


def apply_committed(service: "Service", job: Job) -> dict[str, Any] | None:
    """Let the database learn of a change that was committed in its table's file.

    Returns:
        The response body of the job; None when nothing was committed.
    """
    if job.entity is None:
        return None
    with service.tables.open_reader(entity_and_version(job.entity)[0]) as reader:
        committed = None if reader is None else reader.get_outbox(job.id)
    if committed is None:
        return None
    effects = parse(committed)
    with service.database.transaction() as session:
        apply(session, effects)
    return effects.response
