"""Routes of activities and of what they generated (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import activities, paging
from synapse_workflows.local.domain.ids import parse_entity_id, parse_id
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.entities import GeneratedBy, activity_of, number_of
from synapse_workflows.local.routers.responses import Answer, created, done

router = APIRouter(prefix="/repo/v1")


@router.post("/activity")
def create_activity(call: Call) -> Response:
    """Create an activity.

    Source: POST /activity
    """
    with call.writing("view", "modify") as work:
        return created(activities.create(work.session, work.caller, call.json_object()))


@router.get("/activity/{activity_id}")
def get_activity(call: Call, activity_id: str) -> Response:
    """Give an activity.

    Source: GET /activity/{id}
    """
    with call.reading("view") as work:
        number = parse_id(activity_id, "id")
        found = activities.require_access(work.session, work.caller, number)
        return Answer(activities.serialize(found))


@router.put("/activity/{activity_id}")
def put_activity(call: Call, activity_id: str) -> Response:  # noqa: ARG001
    """Replace the activity that the body names; the path is not read.

    Source: PUT /activity/{id}
    """
    with call.writing("view", "modify") as work:
        return Answer(activities.update(work.session, work.caller, call.json_object()))


@router.delete("/activity/{activity_id}")
def delete_activity(call: Call, activity_id: str) -> Response:
    """Delete an activity.

    Source: DELETE /activity/{id}
    """
    with call.writing("modify") as work:
        activities.delete(work.session, work.caller, parse_id(activity_id, "id"))
    return done()


@router.get("/activity/{activity_id}/generated")
def list_generated(call: Call, activity_id: str, limit: int = 10, offset: int = 0) -> Response:
    """List what an activity generated.

    Source: GET /activity/{id}/generated
    """
    asked = paging.parse_page(limit, offset)
    with call.reading("view") as work:
        number = parse_id(activity_id, "id")
        found = activities.list_generated(work.session, work.caller, number, asked)
    return Answer(paging.build_results(found, asked))


@router.get("/entity/{entity_id}/generatedBy")
def get_generated_by(call: Call, entity_id: str) -> Response:
    """Give the activity that generated an entity.

    Source: GET /entity/{id}/generatedBy
    """
    with call.reading("view") as work:
        return Answer(
            activities.get_for_entity(work.session, work.caller, parse_entity_id(entity_id), None)
        )


@router.get("/entity/{entity_id}/version/{number}/generatedBy")
def get_version_generated_by(call: Call, entity_id: str, number: str) -> Response:
    """Give the activity that generated one version.

    Source: GET /entity/{id}/version/{n}/generatedBy
    """
    with call.reading("view") as work:
        entity, version = parse_entity_id(entity_id), number_of(number)
        return Answer(activities.get_for_entity(work.session, work.caller, entity, version))


@router.put("/entity/{entity_id}/generatedBy")
def put_generated_by(call: Call, entity_id: str, generated_by: GeneratedBy = None) -> Response:
    """Say which activity generated the current version.

    Source: PUT /entity/{id}/generatedBy
    """
    activity = activity_of(generated_by)
    if activity is None:
        raise BadRequest("Required request parameter 'generatedBy' is not present")
    with call.writing("view", "modify") as work:
        return Answer(
            activities.link(work.session, work.caller, parse_entity_id(entity_id), activity)
        )


@router.delete("/entity/{entity_id}/generatedBy")
def delete_generated_by(call: Call, entity_id: str) -> Response:
    """Say that no activity generated the current version.

    Source: DELETE /entity/{id}/generatedBy
    """
    with call.writing("modify") as work:
        activities.unlink(work.session, work.caller, parse_entity_id(entity_id))
    return done()
