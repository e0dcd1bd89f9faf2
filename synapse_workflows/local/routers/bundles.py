"""Routes of bundles: several parts of an entity at once (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import bundles
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.entities import GeneratedBy, activity_of, number_of
from synapse_workflows.local.routers.responses import Answer, created

router = APIRouter(prefix="/repo/v1")


@router.post("/entity/bundle2/create")
def create_bundle(call: Call, generated_by: GeneratedBy = None) -> Response:
    """Create an entity with annotations and ACL.

    Source: POST /entity/bundle2/create
    """
    with call.writing("view", "modify") as work:
        body, activity = call.json_object(), activity_of(generated_by)
        return created(bundles.create(work.session, work.caller, body, activity))


@router.post("/entity/{entity_id}/bundle2")
def get_bundle(call: Call, entity_id: str) -> Response:
    """Give the parts that the body asks for.

    Source: POST /entity/{id}/bundle2
    """
    with call.reading("view") as work:
        body = call.json_object()
        return Answer(bundles.get(work.session, work.caller, parse_entity_id(entity_id), body))


@router.put("/entity/{entity_id}/bundle2")
def update_bundle(call: Call, entity_id: str, generated_by: GeneratedBy = None) -> Response:
    """Update an entity with annotations and ACL.

    Source: PUT /entity/{id}/bundle2
    """
    with call.writing("view", "modify") as work:
        body, activity = call.json_object(), activity_of(generated_by)
        entity = parse_entity_id(entity_id)
        return Answer(bundles.update(work.session, work.caller, entity, body, activity))


@router.post("/entity/{entity_id}/version/{number}/bundle2")
def get_version_bundle(call: Call, entity_id: str, number: str) -> Response:
    """Give the parts of one version that the body asks for.

    Source: POST /entity/{id}/version/{n}/bundle2
    """
    with call.reading("view") as work:
        body, entity = call.json_object(), parse_entity_id(entity_id)
        version = number_of(number)
        return Answer(bundles.get(work.session, work.caller, entity, body, version))
