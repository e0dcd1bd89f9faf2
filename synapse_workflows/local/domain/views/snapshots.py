"""Versions of views: a copy of what a view shows is kept for good."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AccessType
from synapse_workflows.local.domain import access, async_jobs, entities
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.tables.snapshots import Snapshot, create_snapshot
from synapse_workflows.local.domain.views import cache
from synapse_workflows.local.errors import Conflict, ServiceError
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.view_models import UnusedViewFile, ViewSnapshot
from synapse_workflows.local.storage.view_store import ViewFile

_RESPONSE: Final = f"{MODEL}.table.TableUpdateTransactionResponse"
#: How often a view may be changed while it is copied, until one gives up.
_MAX_ATTEMPTS: Final = 5


def create_view_snapshot(run: JobRun, view_id: int, asked: Snapshot) -> dict[str, Any]:
    """Freeze what a view shows under its version number, and open its next version.

    The rows are copied before anybody is kept from writing.

    Returns:
        A TableUpdateTransactionResponse.

    Raises:
        Conflict: the label is taken, or the view itself is changed again and again.
    """
    for _ in range(_MAX_ATTEMPTS):
        with run.service.database.reading() as session:
            seen = _get_definition(session, view_id)
        with cache.open_rows(run.service, view_id) as (copy, connection):
            kept = replace(copy, file=run.service.views.freeze(connection))
        try:
            response = _record_snapshot(run, view_id, seen, kept, asked)
        except ServiceError:
            run.service.views.remove(kept.file)
            raise
        if response is not None:
            _delete_unused_files(run)
            return response
        run.service.views.remove(kept.file)
    raise Conflict(f"{run.entity} was changed again and again while it was frozen; try again.")


def _get_definition(session: Session, view_id: int) -> tuple[int, dict[str, Any]]:
    """Tell what decides on the rows of a view, apart from what it shows."""
    version = _get_current_version(session, access.get_entity(session, view_id))
    return version.number, version.properties


def _get_current_version(session: Session, view: Entity) -> EntityVersion:
    return entities.get_version(session, view)


def _record_snapshot(
    run: JobRun, view_id: int, seen: tuple[int, dict[str, Any]], copy: ViewFile, asked: Snapshot
) -> dict[str, Any] | None:
    """Note that a version was frozen; give None where the view is another by now."""
    now = run.service.now()
    with run.service.database.transaction() as session:
        view = access.require(session, run.caller, view_id, AccessType.UPDATE)
        if _get_definition(session, view_id) != seen:
            return None
        version = _get_current_version(session, view)
        number = version.number
        session.merge(
            ViewSnapshot(
                entity_id=view_id,
                number=number,
                made_on=now,
                file=copy.file,
                column_ids=list(copy.column_ids),
                guards=list(copy.guards),
                digest=copy.digest,
            )
        )
        session.flush()
        create_snapshot(session, view, version, replace(asked, number=number))
        version.modified_on, version.modified_by = now, run.caller.id
        entities.mark_changed(view, _get_current_version(session, view), run.caller)
        response = {
            "concreteType": _RESPONSE,
            "results": [],
            "snapshotVersionNumber": number,
        }
        async_jobs.mark_complete(session, run.job_id, response, now)
        return response


def _delete_unused_files(run: JobRun) -> None:
    """Remove the copies of versions that were deleted; the start of a service does it, too."""
    with run.service.database.transaction() as session:
        files = list(session.scalars(delete(UnusedViewFile).returning(UnusedViewFile.file)))
    for file in files:
        run.service.views.remove(file)
