"""Routes of annotations (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import annotations
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.entities import parse_version_number
from synapse_workflows.local.routers.responses import ApiResponse

router = APIRouter(prefix="/repo/v1")


@router.get("/entity/{entity_id}/annotations2")
def get_annotations(request: JsonRequest, entity_id: str) -> Response:
    """Give the annotations of an entity.

    Source: GET /entity/{id}/annotations2
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(annotations.get(tx.session, tx.caller, parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/version/{number}/annotations2")
def get_version_annotations(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Give the annotations of one version.

    Source: GET /entity/{id}/version/{n}/annotations2
    """
    with request.read_transaction("view") as tx:
        entity, version = parse_entity_id(entity_id), parse_version_number(number)
        return ApiResponse(annotations.get(tx.session, tx.caller, entity, version))


@router.put("/entity/{entity_id}/annotations2")
def put_annotations(request: JsonRequest, entity_id: str) -> Response:
    """Replace the annotations of an entity.

    Source: PUT /entity/{id}/annotations2
    """
    with request.write_transaction("view", "modify") as tx:
        body, entity = request.json_object(), parse_entity_id(entity_id)
        return ApiResponse(annotations.replace(tx.session, tx.caller, entity, body))
