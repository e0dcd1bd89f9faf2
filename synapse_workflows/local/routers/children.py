"""Routes that list children and look up entities (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, aliases, children, paging
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/entity/children")
def list_children(request: JsonRequest) -> Response:
    """List one page of the children of a container, or of the projects.

    Source: POST /entity/children
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(children.list_children(tx.session, tx.caller, request.json_object()))


@router.post("/entity/child")
def find_child(request: JsonRequest) -> Response:
    """Return the ID of the child with a name.

    Source: POST /entity/child
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(children.find_child(tx.session, tx.caller, request.json_object()))


@router.post("/entity/header")
def list_headers(request: JsonRequest) -> Response:
    """List the headers of several entities.

    Source: POST /entity/header
    """
    with request.read_transaction("view") as tx:
        found = children.list_headers(tx.session, tx.caller, request.json_object())
    return ApiResponse(paging.build_complete_results(found))


@router.get("/entity/md5/{md5}")
def list_by_md5(request: JsonRequest, md5: str) -> Response:
    """List the entity versions whose file has an MD5.

    Source: GET /entity/md5/{md5}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            paging.build_complete_results(children.list_by_md5(tx.session, tx.caller, md5))
        )


@router.get("/entity/alias/{alias}")
def find_by_alias(request: JsonRequest, alias: str) -> Response:
    """Return the ID of the project with an alias.

    Source: GET /entity/alias/{alias}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse({"id": format_entity_id(aliases.get_project(tx.session, alias))})


@router.get("/entity/{entity_id}/type")
def get_type(request: JsonRequest, entity_id: str) -> Response:
    """Return the header of an entity.

    Source: GET /entity/{id}/type
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(children.get_header(tx.session, tx.caller, parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/path")
def get_path(request: JsonRequest, entity_id: str) -> Response:
    """Return the headers of the path from the root to an entity.

    Source: GET /entity/{id}/path
    """
    with request.read_transaction("view") as tx:
        entity = access.require(tx.session, tx.caller, parse_entity_id(entity_id), AccessType.READ)
        return ApiResponse(children.get_path(tx.session, tx.caller, entity))
