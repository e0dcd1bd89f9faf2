"""Routes that find entities (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, aliases, children, paging
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_id
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer

router = APIRouter(prefix="/repo/v1")


@router.post("/entity/children")
def list_children(call: Call) -> Response:
    """List one page of what a container holds, or of the projects.

    Source: POST /entity/children
    """
    with call.reading("view") as work:
        return Answer(children.list_children(work.session, work.caller, call.json_object()))


@router.post("/entity/child")
def find_child(call: Call) -> Response:
    """Find what a container holds under a name.

    Source: POST /entity/child
    """
    with call.reading("view") as work:
        return Answer(children.find_child(work.session, work.caller, call.json_object()))


@router.post("/entity/header")
def get_headers(call: Call) -> Response:
    """Give the headers of several entities.

    Source: POST /entity/header
    """
    with call.reading("view") as work:
        found = children.list_headers(work.session, work.caller, call.json_object())
    return Answer(paging.build_complete_results(found))


@router.get("/entity/md5/{md5}")
def find_by_md5(call: Call, md5: str) -> Response:
    """List the versions whose file has an MD5.

    Source: GET /entity/md5/{md5}
    """
    with call.reading("view") as work:
        return Answer(
            paging.build_complete_results(children.list_by_md5(work.session, work.caller, md5))
        )


@router.get("/entity/alias/{alias}")
def find_by_alias(call: Call, alias: str) -> Response:
    """Find a project by its alias.

    Source: GET /entity/alias/{alias}
    """
    with call.reading("view") as work:
        return Answer({"id": format_entity_id(aliases.get_project(work.session, alias))})


@router.get("/entity/{entity_id}/type")
def get_type(call: Call, entity_id: str) -> Response:
    """Give the header of an entity.

    Source: GET /entity/{id}/type
    """
    with call.reading("view") as work:
        return Answer(children.get_header(work.session, work.caller, parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/path")
def get_path(call: Call, entity_id: str) -> Response:
    """Give the path from the root to an entity.

    Source: GET /entity/{id}/path
    """
    with call.reading("view") as work:
        entity = access.require(
            work.session, work.caller, parse_entity_id(entity_id), AccessType.READ
        )
        return Answer(children.get_path(work.session, work.caller, entity))
