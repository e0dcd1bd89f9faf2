"""Routes of the trash can (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import paging, trash
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse, empty_response

router = APIRouter(prefix="/repo/v1/trashcan", route_class=LazyRoute)


@router.get("/view")
def list_trashed(request: JsonRequest, limit: int = 10, offset: int = 0) -> Response:
    """List the entities that the caller moved to the trash can.

    Source: GET /trashcan/view
    """
    page = paging.parse_page(limit, offset)
    with request.read_transaction("view") as tx:
        found = trash.list_trashed(tx.session, tx.caller, page)
    return ApiResponse(paging.build_results(found, page))


@router.put("/trash/{entity_id}")
def move_to_trash(request: JsonRequest, entity_id: str) -> Response:
    """Move an entity to the trash can.

    Source: PUT /trashcan/trash/{id}
    """
    with request.write_transaction("modify") as tx:
        trash.delete(tx.session, tx.caller, parse_entity_id(entity_id))
    return empty_response()


@router.put("/restore/{entity_id}")
@router.put("/restore/{entity_id}/{parent_id}")
def restore(request: JsonRequest, entity_id: str, parent_id: str | None = None) -> Response:
    """Restore an entity from the trash can.

    Source: PUT /trashcan/restore/{id}[/{parentId}]
    """
    with request.write_transaction("modify") as tx:
        parent = None if parent_id is None else parse_entity_id(parent_id)
        trash.restore(tx.session, tx.caller, parse_entity_id(entity_id), parent)
    return empty_response()


@router.put("/purge/{entity_id}")
def purge(request: JsonRequest, entity_id: str) -> Response:
    """Delete an entity of the trash can permanently.

    Source: PUT /trashcan/purge/{id}
    """
    with request.write_transaction("modify") as tx:
        trash.purge(tx.session, tx.caller, parse_entity_id(entity_id))
    return empty_response()
