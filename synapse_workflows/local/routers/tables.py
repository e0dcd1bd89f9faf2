"""Routes of the rows of tables (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import async_jobs, file_associations
from synapse_workflows.local.domain.file_associations import AssociateType, Association
from synapse_workflows.local.domain.ids import canonical_id, parse_entity_version
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.domain.tables import (
    cell_files,
    csv_export,
    query_bundle,
    transactions,
)
from synapse_workflows.local.domain.tables.queryable import QueryTarget
from synapse_workflows.local.routers.async_jobs import add_job_routes
from synapse_workflows.local.routers.dependencies import JsonRequest, RedirectRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PathNumber
from synapse_workflows.local.routers.responses import created_response, redirect_to

router = APIRouter(prefix="/repo/v1/entity", route_class=LazyRoute)

_WRITES = ("view", "modify")
_READS = ("view", "download")


for _path, _job_type, _scopes in (
    ("transaction", transactions.TRANSACTION, _WRITES),
    ("upload/csv", transactions.UPLOAD, _WRITES),
    ("query", query_bundle.QUERY, _READS),
    ("query/nextPage", query_bundle.NEXT_PAGE, _READS),
    ("download/csv", csv_export.DOWNLOAD, _READS),
):
    add_job_routes(router, f"/{{entity_id}}/table/{_path}", _job_type, *_scopes)


@router.post("/{entity_id}/table/snapshot")
def create_snapshot(request: JsonRequest, entity_id: str) -> Response:
    """Create a snapshot of a table.

    Source: POST /entity/{id}/table/snapshot
    """
    job_type = transactions.SNAPSHOT
    with request.write_transaction(*_WRITES) as tx:
        body = request.json_object() if request.body else {}
        job_id = async_jobs.create_job(
            tx.session, tx.caller, job_type, body, canonical_id(entity_id)
        )
    return created_response(
        async_jobs.run_immediately(request.service, tx.caller, job_id, job_type)
    )


@router.get("/{entity_id}/table/column/{column_id}/row/{row_id}/version/{version}/file")
def get_cell_file(
    request: RedirectRequest,
    entity_id: str,
    column_id: PathNumber,
    row_id: PathNumber,
    version: PathNumber,
    redirect: bool = True,
) -> Response:
    """Redirect to the content of the file in a cell.

    Source: GET /entity/{id}/table/column/{columnId}/row/{rowId}/version/{n}/file
    """
    with request.read_transaction("download") as tx:
        target = QueryTarget(tx.service, tx.caller, *parse_entity_version(entity_id))
        handle_id = cell_files.get_handle_id(target, column_id, row_id, version)
        association = Association(handle_id, AssociateType.TABLE_ENTITY, entity_id)
        handle = file_associations.require_handle(tx.session, tx.caller, association)
        return redirect_to(
            download_urls.get_url(tx.service, tx.session, handle), redirect=redirect
        )
