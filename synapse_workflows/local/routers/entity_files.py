"""Routes to the files of entities (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import entity_files, file_handles
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import ApiRequest, JsonRequest, RedirectRequest
from synapse_workflows.local.routers.entities import parse_version_number
from synapse_workflows.local.routers.responses import ApiResponse, redirect_to

router = APIRouter(prefix="/repo/v1")


@router.get("/entity/{entity_id}/filehandles")
def get_handles(request: JsonRequest, entity_id: str) -> Response:
    """Give the file handle of an entity, and its preview.

    Source: GET /entity/{id}/filehandles
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            entity_files.list_handles(tx.session, tx.caller, parse_entity_id(entity_id), None)
        )


@router.get("/entity/{entity_id}/version/{number}/filehandles")
def get_version_handles(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Give the file handle of one version, and its preview.

    Source: GET /entity/{id}/version/{n}/filehandles
    """
    with request.read_transaction("view") as tx:
        entity, version = parse_entity_id(entity_id), parse_version_number(number)
        return ApiResponse(entity_files.list_handles(tx.session, tx.caller, entity, version))


def _to_bytes(
    request: ApiRequest, entity_id: str, number: int | None, *, redirect: bool
) -> Response:
    """Lead to the bytes of a version by a pre-signed URL."""
    with request.read_transaction("download") as tx:
        entity = parse_entity_id(entity_id)
        handle = entity_files.get_handle(tx.session, tx.caller, entity, number)
        url = file_handles.get_url(tx.service, handle)
    return redirect_to(url, redirect=redirect)


@router.get("/entity/{entity_id}/file")
def get_file(request: RedirectRequest, entity_id: str, redirect: bool = True) -> Response:
    """Lead to the bytes of a file.

    Source: GET /entity/{id}/file
    """
    return _to_bytes(request, entity_id, None, redirect=redirect)


@router.get("/entity/{entity_id}/version/{number}/file")
def get_version_file(
    request: RedirectRequest, entity_id: str, number: str, redirect: bool = True
) -> Response:
    """Lead to the bytes of one version of a file.

    Source: GET /entity/{id}/version/{n}/file
    """
    return _to_bytes(request, entity_id, parse_version_number(number), redirect=redirect)
