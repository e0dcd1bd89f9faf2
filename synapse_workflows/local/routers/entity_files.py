"""Routes of the files of entities (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import entity_files
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.routers.dependencies import (
    JsonRequest,
    RedirectRequest,
)
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import (
    PathVersion,
    parse_entity_path,
)
from synapse_workflows.local.routers.responses import ApiResponse, redirect_to

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.get("/entity/{entity_id}/filehandles")
@router.get("/entity/{entity_id}/version/{number}/filehandles")
def list_handles(request: JsonRequest, entity_id: str, number: PathVersion) -> Response:
    """List the file handle and the preview of an entity or of one of its versions.

    Source: GET /entity/{id}/filehandles, GET /entity/{id}/version/{n}/filehandles
    """
    with request.read_transaction("view") as tx:
        entity, version = parse_entity_path(entity_id, number)
        return ApiResponse(entity_files.list_handles(tx.session, tx.caller, entity, version))


@router.get("/entity/{entity_id}/file")
@router.get("/entity/{entity_id}/version/{number}/file")
def get_file(
    request: RedirectRequest, entity_id: str, number: PathVersion, redirect: bool = True
) -> Response:
    """Redirect to the content of a file or of one of its versions.

    Source: GET /entity/{id}/file, GET /entity/{id}/version/{n}/file
    """
    with request.read_transaction("download") as tx:
        entity, version = parse_entity_path(entity_id, number)
        handle = entity_files.get_handle(tx.session, tx.caller, entity, version)
        url = download_urls.get_url(tx.service, tx.session, handle)
    return redirect_to(url, redirect=redirect)
