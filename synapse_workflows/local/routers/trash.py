"""Routes of the trash can (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import paging, trash
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer, empty

router = APIRouter(prefix="/repo/v1/trashcan")


@router.get("/view")
def view(call: Call, limit: int = 10, offset: int = 0) -> Response:
    """List what the caller deleted.

    Source: GET /trashcan/view
    """
    asked = paging.parse_page(limit, offset)
    with call.reading("view") as work:
        found = trash.list_trashed(work.session, work.caller, asked)
    return Answer(paging.build_results(found, asked))


@router.put("/trash/{entity_id}")
def put(call: Call, entity_id: str) -> Response:
    """Put an entity into the trash can.

    Source: PUT /trashcan/trash/{id}
    """
    with call.writing("modify") as work:
        trash.delete(work.session, work.caller, parse_entity_id(entity_id))
    return empty()


@router.put("/restore/{entity_id}")
@router.put("/restore/{entity_id}/{parent_id}")
def restore(call: Call, entity_id: str, parent_id: str | None = None) -> Response:
    """Bring an entity back.

    Source: PUT /trashcan/restore/{id}[/{parentId}]
    """
    with call.writing("modify") as work:
        parent = None if parent_id is None else parse_entity_id(parent_id)
        trash.restore(work.session, work.caller, parse_entity_id(entity_id), parent)
    return empty()


@router.put("/purge/{entity_id}")
def purge(call: Call, entity_id: str) -> Response:
    """Remove an entity for good.

    Source: PUT /trashcan/purge/{id}
    """
    with call.writing("modify") as work:
        trash.purge(work.session, work.caller, parse_entity_id(entity_id))
    return empty()
