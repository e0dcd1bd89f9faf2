"""Routes of annotations (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import annotations
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.entities import number_of
from synapse_workflows.local.routers.responses import Answer

router = APIRouter(prefix="/repo/v1")


@router.get("/entity/{entity_id}/annotations2")
def get_annotations(call: Call, entity_id: str) -> Response:
    """Give the annotations of an entity.

    Source: GET /entity/{id}/annotations2
    """
    with call.reading("view") as work:
        return Answer(annotations.get(work.session, work.caller, parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/version/{number}/annotations2")
def get_version_annotations(call: Call, entity_id: str, number: str) -> Response:
    """Give the annotations of one version.

    Source: GET /entity/{id}/version/{n}/annotations2
    """
    with call.reading("view") as work:
        entity, version = parse_entity_id(entity_id), number_of(number)
        return Answer(annotations.get(work.session, work.caller, entity, version))


@router.put("/entity/{entity_id}/annotations2")
def put_annotations(call: Call, entity_id: str) -> Response:
    """Replace the annotations of an entity.

    Source: PUT /entity/{id}/annotations2
    """
    with call.writing("view", "modify") as work:
        body, entity = call.json_object(), parse_entity_id(entity_id)
        return Answer(annotations.replace(work.session, work.caller, entity, body))
