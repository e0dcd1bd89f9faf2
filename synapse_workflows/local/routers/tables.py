"""Routes of the rows of tables (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import async_jobs, file_associations, file_handles
from synapse_workflows.local.domain.file_associations import AssociateType, Association
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_version
from synapse_workflows.local.domain.tables import (
    cell_files,
    csv_export,
    query_bundle,
    transactions,
)
from synapse_workflows.local.domain.tables.queryable import QueryTarget
from synapse_workflows.local.routers.async_jobs import result, start
from synapse_workflows.local.routers.dependencies import Call, RedirectCall
from synapse_workflows.local.routers.files import lead_to
from synapse_workflows.local.routers.responses import created

router = APIRouter(prefix="/repo/v1/entity")

_WRITES = ("view", "modify")
_READS = ("view", "download")


def named(text: str) -> str:
    """Read the id of an entity or of one of its versions from a path, in canonical form."""
    number, version = parse_entity_version(text)
    return format_entity_id(number) + ("" if version is None else f".{version}")


@router.post("/{entity_id}/table/transaction/async/start")
def start_transaction(call: Call, entity_id: str) -> Response:
    """Start changing a table.

    Source: POST /entity/{id}/table/transaction/async/start
    """
    return start(call, transactions.TRANSACTION, _WRITES, named(entity_id))


@router.get("/{entity_id}/table/transaction/async/get/{token}")
def get_transaction(call: Call, entity_id: str, token: str) -> Response:
    """Tell what came of changing a table.

    Source: GET /entity/{id}/table/transaction/async/get/{token}
    """
    return result(call, transactions.TRANSACTION, token, _WRITES, named(entity_id))


@router.post("/{entity_id}/table/upload/csv/async/start")
def start_upload(call: Call, entity_id: str) -> Response:
    """Start putting a CSV file into a table.

    Source: POST /entity/{id}/table/upload/csv/async/start
    """
    return start(call, transactions.UPLOAD, _WRITES, named(entity_id))


@router.get("/{entity_id}/table/upload/csv/async/get/{token}")
def get_upload(call: Call, entity_id: str, token: str) -> Response:
    """Tell what came of putting a CSV file into a table.

    Source: GET /entity/{id}/table/upload/csv/async/get/{token}
    """
    return result(call, transactions.UPLOAD, token, _WRITES, named(entity_id))


@router.post("/{entity_id}/table/snapshot")
def create_snapshot(call: Call, entity_id: str) -> Response:
    """Freeze a table under its version number, and open the next version.

    Source: POST /entity/{id}/table/snapshot
    """
    kind = transactions.SNAPSHOT
    with call.writing(*_WRITES) as work:
        body = call.json_object() if call.body else {}
        number = async_jobs.begin(work.session, work.caller, kind, body, named(entity_id))
    return created(async_jobs.perform(call.service, work.caller, number, kind))


@router.post("/{entity_id}/table/query/async/start")
def start_query(call: Call, entity_id: str) -> Response:
    """Start a query.

    Source: POST /entity/{id}/table/query/async/start
    """
    return start(call, query_bundle.QUERY, _READS, named(entity_id))


@router.get("/{entity_id}/table/query/async/get/{token}")
def get_query(call: Call, entity_id: str, token: str) -> Response:
    """Give the first page of what a query found.

    Source: GET /entity/{id}/table/query/async/get/{token}
    """
    return result(call, query_bundle.QUERY, token, _READS, named(entity_id))


@router.post("/{entity_id}/table/query/nextPage/async/start")
def start_next_page(call: Call, entity_id: str) -> Response:
    """Start to read the next page of a query.

    Source: POST /entity/{id}/table/query/nextPage/async/start
    """
    return start(call, query_bundle.NEXT_PAGE, _READS, named(entity_id))


@router.get("/{entity_id}/table/query/nextPage/async/get/{token}")
def get_next_page(call: Call, entity_id: str, token: str) -> Response:
    """Give the next page of what a query found.

    Source: GET /entity/{id}/table/query/nextPage/async/get/{token}
    """
    return result(call, query_bundle.NEXT_PAGE, token, _READS, named(entity_id))


@router.post("/{entity_id}/table/download/csv/async/start")
def start_download(call: Call, entity_id: str) -> Response:
    """Start to write what a query finds into a CSV file.

    Source: POST /entity/{id}/table/download/csv/async/start
    """
    return start(call, csv_export.DOWNLOAD, _READS, named(entity_id))


@router.get("/{entity_id}/table/download/csv/async/get/{token}")
def get_download(call: Call, entity_id: str, token: str) -> Response:
    """Give the file handle of the CSV file.

    Source: GET /entity/{id}/table/download/csv/async/get/{token}
    """
    return result(call, csv_export.DOWNLOAD, token, _READS, named(entity_id))


@router.get("/{entity_id}/table/column/{column_id}/row/{row_id}/version/{version}/file")
def get_cell_file(
    call: RedirectCall,
    entity_id: str,
    column_id: int,
    row_id: int,
    version: int,
    redirect: bool = True,
) -> Response:
    """Lead to the bytes of the file in a cell.

    Source: GET /entity/{id}/table/column/{columnId}/row/{rowId}/version/{n}/file
    """
    with call.reading("download") as work:
        asked = QueryTarget(work.service, work.caller, *parse_entity_version(entity_id))
        handle_id = cell_files.get_handle_id(asked, column_id, row_id, version)
        found = file_associations.require_handle(
            work.session, work.caller, _in_cell(entity_id, handle_id)
        )
        return lead_to(file_handles.get_url(work.service, found), redirect=redirect)


def _in_cell(entity_id: str, handle_id: int) -> Association:
    return Association(handle_id, AssociateType.TABLE_ENTITY, entity_id)
