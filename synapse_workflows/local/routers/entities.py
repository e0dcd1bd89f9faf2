"""Routes of entities and their versions (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.local.domain import entities, entity_writes, paging, trash, versions
from synapse_workflows.local.domain.ids import parse_entity_id, parse_id
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1")

GeneratedBy = Annotated[str | None, Query(alias="generatedBy")]


def parse_activity_id(text: str | None) -> int | None:
    """Read the optional id of an activity from a query.

    Raises:
        BadRequest: it is no id.
    """
    return None if not text else parse_id(text, "generatedBy")


def parse_version_number(text: str) -> int:
    """Read a version number from a path.

    Raises:
        BadRequest: it is none.
    """
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004  (32 bits)
        raise BadRequest(f"'{text}' is not a valid version number.")
    return int(text)


@router.post("/entity")
def create_entity(request: JsonRequest, generated_by: GeneratedBy = None) -> Response:
    """Create an entity.

    Source: POST /entity
    """
    with request.write_transaction("view", "modify") as tx:
        body, activity = request.json_object(), parse_activity_id(generated_by)
        return created_response(entity_writes.create(tx.session, tx.caller, body, activity))


@router.get("/entity/{entity_id}")
def get_entity(request: JsonRequest, entity_id: str) -> Response:
    """Give an entity.

    Source: GET /entity/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(entities.get(tx.session, tx.caller, parse_entity_id(entity_id)))


@router.put("/entity/{entity_id}")
def update_entity(
    request: JsonRequest,
    entity_id: str,
    new_version: Annotated[bool, Query(alias="newVersion")] = False,
    generated_by: GeneratedBy = None,
) -> Response:
    """Replace an entity.

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
    """Put an entity into the trash can, or past it.

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
    asked = paging.parse_page(limit, offset)
    with request.read_transaction("view") as tx:
        found = versions.list_versions(tx.session, tx.caller, parse_entity_id(entity_id), asked)
    return ApiResponse(paging.build_results(found, asked))


@router.get("/entity/{entity_id}/version/{number}")
def get_version(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Give one version of an entity.

    Source: GET /entity/{id}/version/{n}
    """
    with request.read_transaction("view") as tx:
        version = parse_version_number(number)
        return ApiResponse(
            entities.get(tx.session, tx.caller, parse_entity_id(entity_id), version)
        )


@router.delete("/entity/{entity_id}/version/{number}")
def delete_version(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Delete one version of an entity.

    Source: DELETE /entity/{id}/version/{n}
    """
    with request.write_transaction("modify") as tx:
        versions.delete(
            tx.session, tx.caller, parse_entity_id(entity_id), parse_version_number(number)
        )
    return no_content_response()


@router.put("/entity/{entity_id}/version/{number}/filehandle")
def swap_file_handle(request: JsonRequest, entity_id: str, number: str) -> Response:
    """Let a version hold another file handle of the same content.

    Source: PUT /entity/{id}/version/{n}/filehandle
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        entity, version = parse_entity_id(entity_id), parse_version_number(number)
        versions.replace_file_handle(tx.session, tx.caller, entity, version, body)
    return empty_response()
