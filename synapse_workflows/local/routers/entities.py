"""Routes of entities and their versions (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.local.domain import entities, entity_writes, paging, trash, versions
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import (
    GeneratedBy,
    PathVersion,
    parse_activity_id,
    parse_entity_path,
    parse_version_number,
)
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/entity")
def create_entity(request: JsonRequest, generated_by: GeneratedBy = None) -> Response:
    """Create an entity.

    Source: POST /entity
    """
    with request.write_transaction("view", "modify") as tx:
        body, activity = request.json_object(), parse_activity_id(generated_by)
        return created_response(entity_writes.create(tx.session, tx.caller, body, activity))


@router.get("/entity/{entity_id}")
@router.get("/entity/{entity_id}/version/{number}")
def get_entity(request: JsonRequest, entity_id: str, number: PathVersion) -> Response:
    """Return an entity or one of its versions.

    Source: GET /entity/{id}, GET /entity/{id}/version/{n}
    """
    with request.read_transaction("view") as tx:
        entity, version = parse_entity_path(entity_id, number)
        return ApiResponse(entities.get(tx.session, tx.caller, entity, version))


@router.put("/entity/{entity_id}")
def update_entity(
    request: JsonRequest,
    entity_id: str,
    new_version: Annotated[bool, Query(alias="newVersion")] = False,
    generated_by: GeneratedBy = None,
) -> Response:
    """Update an entity.

    Source: PUT /entity/{id}
    """
    with request.write_transaction("view", "modify") as tx:
        changed = entity_writes.update(
            tx.session,
            tx.caller,
            parse_entity_id(entity_id),
            request.json_object(),
            new_version=new_version,
            activity_id=parse_activity_id(generated_by),
        )
        return ApiResponse(changed)


@router.delete("/entity/{entity_id}")
def delete_entity(
    request: JsonRequest,
    entity_id: str,
    skip_trash_can: Annotated[bool, Query(alias="skipTrashCan")] = False,
) -> Response:
    """Move an entity to the trash can, or delete it permanently with `skipTrashCan`.

    Source: DELETE /entity/{id}
    """
    with request.write_transaction("modify") as tx:
        trash.delete(tx.session, tx.caller, parse_entity_id(entity_id), skip_trash=skip_trash_can)
    return no_content_response()


@router.get("/entity/{entity_id}/version")
def list_versions(
    request: JsonRequest, entity_id: str, limit: int = 10, offset: int = 0
) -> Response:
    """List the versions of an entity, newest first.

    Source: GET /entity/{id}/version
    """
    page = paging.parse_page(limit, offset)
    with request.read_transaction("view") as tx:
        found = versions.list_versions(tx.session, tx.caller, parse_entity_id(entity_id), page)
    return ApiResponse(paging.build_results(found, page))


@router.delete("/entity/{entity_id}/version/{number}")
def delete_version(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Delete a version of an entity.

    Source: DELETE /entity/{id}/version/{n}
    """
    with request.write_transaction("modify") as tx:
        versions.delete(
            tx.session, tx.caller, parse_entity_id(entity_id), parse_version_number(number)
        )
    return no_content_response()


@router.put("/entity/{entity_id}/version/{number}/filehandle")
def replace_file_handle(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Replace the file handle of a version by another file handle with the same content.

    Source: PUT /entity/{id}/version/{n}/filehandle
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        entity, version = parse_entity_id(entity_id), parse_version_number(number)
        versions.replace_file_handle(tx.session, tx.caller, entity, version, body)
    return empty_response()
