"""Routes of activities and of the entities that they generated (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import activities, paging
from synapse_workflows.local.domain.ids import parse_entity_id, parse_unprefixed_id
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import (
    GeneratedBy,
    PathVersion,
    parse_activity_id,
    parse_entity_path,
)
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/activity")
def create_activity(request: JsonRequest) -> Response:
    """Create an activity.

    Source: POST /activity
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(activities.create(tx.session, tx.caller, request.json_object()))


@router.get("/activity/{activity_id}")
def get_activity(request: JsonRequest, activity_id: str) -> Response:
    """Return an activity.

    Source: GET /activity/{id}
    """
    with request.read_transaction("view") as tx:
        number = parse_unprefixed_id(activity_id, "id")
        found = activities.require_access(tx.session, tx.caller, number)
        return ApiResponse(activities.serialize(found))


@router.put("/activity/{activity_id}")
def update_activity(request: JsonRequest, activity_id: str) -> Response:  # noqa: ARG001
    """Update the activity with the ID in the body. The ID in the path is ignored.

    Source: PUT /activity/{id}
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(activities.update(tx.session, tx.caller, request.json_object()))


@router.delete("/activity/{activity_id}")
def delete_activity(request: JsonRequest, activity_id: str) -> Response:
    """Delete an activity.

    Source: DELETE /activity/{id}
    """
    with request.write_transaction("modify") as tx:
        activities.delete(tx.session, tx.caller, parse_unprefixed_id(activity_id, "id"))
    return no_content_response()


@router.get("/activity/{activity_id}/generated")
def list_generated(
    request: JsonRequest, activity_id: str, limit: int = 10, offset: int = 0
) -> Response:
    """List the entity versions that an activity generated.

    Source: GET /activity/{id}/generated
    """
    page = paging.parse_page(limit, offset)
    with request.read_transaction("view") as tx:
        number = parse_unprefixed_id(activity_id, "id")
        found = activities.list_generated(tx.session, tx.caller, number, page)
    return ApiResponse(paging.build_results(found, page))


@router.get("/entity/{entity_id}/generatedBy")
@router.get("/entity/{entity_id}/version/{number}/generatedBy")
def get_generated_by(request: JsonRequest, entity_id: str, number: PathVersion) -> Response:
    """Return the activity that generated an entity or one of its versions.

    Source: GET /entity/{id}/generatedBy, GET /entity/{id}/version/{n}/generatedBy
    """
    with request.read_transaction("view") as tx:
        entity, version = parse_entity_path(entity_id, number)
        return ApiResponse(activities.get_for_entity(tx.session, tx.caller, entity, version))


@router.put("/entity/{entity_id}/generatedBy")
def update_generated_by(
    request: JsonRequest, entity_id: str, generated_by: GeneratedBy = None
) -> Response:
    """Set the activity of the current version.

    Source: PUT /entity/{id}/generatedBy
    """
    activity = parse_activity_id(generated_by)
    if activity is None:
        raise BadRequest("Required request parameter 'generatedBy' is not present")
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(
            activities.link(tx.session, tx.caller, parse_entity_id(entity_id), activity)
        )


@router.delete("/entity/{entity_id}/generatedBy")
def delete_generated_by(request: JsonRequest, entity_id: str) -> Response:
    """Remove the activity of the current version.

    Source: DELETE /entity/{id}/generatedBy
    """
    with request.write_transaction("modify") as tx:
        activities.unlink(tx.session, tx.caller, parse_entity_id(entity_id))
    return no_content_response()
