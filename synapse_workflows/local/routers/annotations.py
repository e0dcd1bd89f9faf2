"""Routes of annotations (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import annotations
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import (
    PathVersion,
    parse_entity_path,
)
from synapse_workflows.local.routers.responses import ApiResponse

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.get("/entity/{entity_id}/annotations2")
@router.get("/entity/{entity_id}/version/{number}/annotations2")
def get_annotations(request: JsonRequest, entity_id: str, number: PathVersion) -> Response:
    """Return the annotations of an entity or of one of its versions.

    Source: GET /entity/{id}/annotations2, GET /entity/{id}/version/{n}/annotations2
    """
    with request.read_transaction("view") as tx:
        entity, version = parse_entity_path(entity_id, number)
        return ApiResponse(annotations.get(tx.session, tx.caller, entity, version))


@router.put("/entity/{entity_id}/annotations2")
def update_annotations(request: JsonRequest, entity_id: str) -> Response:
    """Replace the annotations of an entity.

    Source: PUT /entity/{id}/annotations2
    """
    with request.write_transaction("view", "modify") as tx:
        body, entity = request.json_object(), parse_entity_id(entity_id)
        return ApiResponse(annotations.replace(tx.session, tx.caller, entity, body))
