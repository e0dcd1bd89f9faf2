"""Snapshots of tables. A snapshot is an immutable version of the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import activities, request_fields, versions
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.errors import Conflict
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Label and comment of the current version of a table that has snapshots.
IN_PROGRESS: Final = "in progress"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot to create.

    Args:
        number: Number of the entity version.
        label: Label of the version; None to use its number.
        comment: Comment of the version.
        activity_id: ID of the activity of the version; None to keep the current activity.
        column_ids: Columns of the next version; None for the columns of the snapshot.
    """

    number: int
    label: str | None = None
    comment: str | None = None
    activity_id: int | None = None
    column_ids: tuple[int, ...] | None = None


def parse_snapshot(run: JobRun, request: Mapping[str, Any]) -> Snapshot:
    """Parse a SnapshotRequest. The number of the version is set later.

    Raises:
        BadRequest: A property has the wrong type.
        Forbidden: The caller may not use the activity.
        NotFound: The activity does not exist.
    """
    value = request.get("snapshotActivityId")
    activity_id = None if value is None else parse_id(value, "snapshotActivityId")
    if activity_id is not None:
        with run.service.database.read_transaction() as session:
            activities.require_access(session, run.caller, activity_id)
    return Snapshot(
        number=0,
        label=request_fields.get_text(request, "snapshotLabel"),
        comment=request_fields.get_text(request, "snapshotComment"),
        activity_id=activity_id,
    )


def create_snapshot(
    session: Session, entity: Entity, version: EntityVersion, snapshot: Snapshot
) -> EntityVersion:
    """Make the current version of an entity immutable, and return the next version.

    Raises:
        Conflict: The label is in use or reserved.
    """
    label = snapshot.label or str(snapshot.number)
    versions.check_label_available(session, entity, label, snapshot.number)
    if label == IN_PROGRESS:
        raise Conflict(f"The label of a snapshot cannot be '{label}'.")
    version.label, version.comment = label, snapshot.comment
    if snapshot.activity_id is not None:
        version.activity_id = snapshot.activity_id
    next_version = versions.create_version(session, entity, version, IN_PROGRESS, IN_PROGRESS)
    if snapshot.column_ids is not None:
        column_ids = [str(each) for each in snapshot.column_ids]
        version.properties = {**version.properties, "columnIds": column_ids}
    return next_version
