"""Snapshots of views: immutable versions with a copy of the rows."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AccessType
from synapse_workflows.local.domain import access, async_jobs, entities
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.tables.query_errors import translate_cancellation
from synapse_workflows.local.domain.tables.queryable_registry import open_view_rows
from synapse_workflows.local.domain.tables.snapshots import Snapshot, create_snapshot
from synapse_workflows.local.errors import BadRequest, Conflict, ServiceError
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.query_sandbox import QueryLimits
from synapse_workflows.local.storage.view_models import UnusedViewFile, ViewSnapshot
from synapse_workflows.local.storage.view_store import ViewFile

_RESPONSE: Final = f"{MODEL}.table.TableUpdateTransactionResponse"
#: Maximum number of attempts if the definition of the view changes while its rows are copied.
_MAX_ATTEMPTS: Final = 5


def create_view_snapshot(run: JobRun, view_id: int, snapshot: Snapshot) -> dict[str, Any]:
    """Make the current version of a view immutable, and start the next version.

    The rows are copied before the database is locked.

    Returns:
        A TableUpdateTransactionResponse.

    Raises:
        BadRequest: The scope of the view is empty.
        Conflict: The label is not unique, or the definition of the view keeps changing.
    """
    limits = QueryLimits(is_cancelled=run.progress.is_interrupted)
    for _ in range(_MAX_ATTEMPTS):
        with run.service.database.read_transaction() as session:
            definition = _get_definition(session, view_id)
            concrete_type = access.get_entity(session, view_id).concrete_type
        with (
            translate_cancellation(run.progress),
            open_view_rows(run.service, view_id, limits, concrete_type) as (current, connection),
        ):
            copy = replace(current, name=run.service.views.copy(connection))
        try:
            response = _record_snapshot(run, view_id, definition, copy, snapshot)
        except ServiceError:
            run.service.views.delete(copy.name)
            raise
        if response is not None:
            run.service.views.confirm(copy.name)
            _delete_unused_files(run)
            return response
        run.service.views.delete(copy.name)
    raise Conflict(
        f"{run.entity} was changed {_MAX_ATTEMPTS} times while its snapshot was created. "
        "Try again later."
    )


def _get_definition(session: Session, view_id: int) -> tuple[int, dict[str, Any]]:
    """Return the current version number of a view and its scope and columns.

    Raises:
        BadRequest: The scope is empty.
    """
    version = _get_current_version(session, access.get_entity(session, view_id))
    if version.properties.get("scopeIds") == []:
        raise BadRequest("You cannot create a version of a view that has no scope.")
    return version.number, version.properties


def _get_current_version(session: Session, view: Entity) -> EntityVersion:
    return entities.get_version(session, view)


def _record_snapshot(
    run: JobRun,
    view_id: int,
    definition: tuple[int, dict[str, Any]],
    copy: ViewFile,
    snapshot: Snapshot,
) -> dict[str, Any] | None:
    """Record a snapshot and complete the job.

    Returns:
        The response; None if the definition of the view has changed.
    """
    now = run.service.now()
    with run.service.database.write_transaction() as session:
        view = access.require(session, run.caller, view_id, AccessType.UPDATE)
        if _get_definition(session, view_id) != definition:
            return None
        version = _get_current_version(session, view)
        number = version.number
        session.merge(
            ViewSnapshot(
                entity_id=view_id,
                number=number,
                created_on=now,
                file_name=copy.name,
                column_ids=list(copy.column_ids),
                benefactor_ids=list(copy.benefactor_ids),
                digest=copy.digest,
            )
        )
        session.flush()
        snapshot = replace(snapshot, number=number)
        next_version = create_snapshot(session, view, version, snapshot)
        version.modified_on, version.modified_by = now, run.caller.id
        entities.record_change(session, run.caller, view, next_version)
        response = {
            "concreteType": _RESPONSE,
            "results": [],
            "snapshotVersionNumber": number,
        }
        async_jobs.mark_complete(session, run.job_id, response, now)
        return response


def _delete_unused_files(run: JobRun) -> None:
    """Delete the files of deleted versions. The start of the service also deletes such files."""
    with run.service.database.write_transaction() as session:
        query = delete(UnusedViewFile).returning(UnusedViewFile.file_name)
        names = list(session.scalars(query))
    for name in names:
        run.service.views.delete(name)
