"""Routes of entity bundles: several parts of an entity in one request (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import bundles
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import (
    GeneratedBy,
    PathVersion,
    parse_activity_id,
    parse_entity_path,
)
from synapse_workflows.local.routers.responses import ApiResponse, created_response

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/entity/bundle2/create")
def create_bundle(request: JsonRequest, generated_by: GeneratedBy = None) -> Response:
    """Create an entity with annotations and an ACL.

    Source: POST /entity/bundle2/create
    """
    with request.write_transaction("view", "modify") as tx:
        body, activity = request.json_object(), parse_activity_id(generated_by)
        return created_response(bundles.create(tx.session, tx.caller, body, activity))


@router.post("/entity/{entity_id}/bundle2")
@router.post("/entity/{entity_id}/version/{number}/bundle2")
def get_bundle(request: JsonRequest, entity_id: str, number: PathVersion) -> Response:
    """Return the requested parts of an entity or of one of its versions.

    Source: POST /entity/{id}/bundle2, POST /entity/{id}/version/{n}/bundle2
    """
    with request.read_transaction("view") as tx:
        body = request.json_object()
        entity, version = parse_entity_path(entity_id, number)
        return ApiResponse(bundles.get(tx.session, tx.caller, entity, body, version))


@router.put("/entity/{entity_id}/bundle2")
def update_bundle(
    request: JsonRequest, entity_id: str, generated_by: GeneratedBy = None
) -> Response:
    """Update an entity, its annotations and its ACL.

    Source: PUT /entity/{id}/bundle2
    """
    with request.write_transaction("view", "modify") as tx:
        body, activity = request.json_object(), parse_activity_id(generated_by)
        entity = parse_entity_id(entity_id)
        return ApiResponse(bundles.update(tx.session, tx.caller, entity, body, activity))
