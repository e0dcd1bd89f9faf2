"""Routes of entities and their versions (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.local.domain import entities, entity_writes, paging, trash, versions
from synapse_workflows.local.domain.ids import parse_entity_id, parse_id
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer, created, done, empty

router = APIRouter(prefix="/repo/v1")

GeneratedBy = Annotated[str | None, Query(alias="generatedBy")]


def activity_of(text: str | None) -> int | None:
    """Read the optional id of an activity from a query.

    Raises:
        BadRequest: it is no id.
    """
    return None if not text else parse_id(text, "generatedBy")


def number_of(text: str) -> int:
    """Read a version number from a path.

    Raises:
        BadRequest: it is none.
    """
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004  (32 bits)
        raise BadRequest(f"'{text}' is not a valid version number.")
    return int(text)


@router.post("/entity")
def create_entity(call: Call, generated_by: GeneratedBy = None) -> Response:
    """Create an entity.

    Source: POST /entity
    """
    with call.writing("view", "modify") as work:
        body, activity = call.json_object(), activity_of(generated_by)
        return created(entity_writes.create(work.session, work.caller, body, activity))


@router.get("/entity/{entity_id}")
def get_entity(call: Call, entity_id: str) -> Response:
    """Give an entity.

    Source: GET /entity/{id}
    """
    with call.reading("view") as work:
        return Answer(entities.get(work.session, work.caller, parse_entity_id(entity_id)))


@router.put("/entity/{entity_id}")
def update_entity(
    call: Call,
    entity_id: str,
    new_version: Annotated[bool, Query(alias="newVersion")] = False,
    generated_by: GeneratedBy = None,
) -> Response:
    """Replace an entity.

    Source: PUT /entity/{id}
    """
    with call.writing("view", "modify") as work:
        changed = entity_writes.update(
            work.session,
            work.caller,
            parse_entity_id(entity_id),
            call.json_object(),
            new_version=new_version,
            activity_id=activity_of(generated_by),
        )
        return Answer(changed)


@router.delete("/entity/{entity_id}")
def delete_entity(
    call: Call,
    entity_id: str,
    skip_trash_can: Annotated[bool, Query(alias="skipTrashCan")] = False,
) -> Response:
    """Put an entity into the trash can, or past it.

    Source: DELETE /entity/{id}
    """
    with call.writing("modify") as work:
        trash.delete(
            work.session, work.caller, parse_entity_id(entity_id), skip_trash=skip_trash_can
        )
    return done()


@router.get("/entity/{entity_id}/version")
def list_versions(call: Call, entity_id: str, limit: int = 10, offset: int = 0) -> Response:
    """List the versions of an entity, newest first.

    Source: GET /entity/{id}/version
    """
    asked = paging.parse_page(limit, offset)
    with call.reading("view") as work:
        found = versions.list_versions(
            work.session, work.caller, parse_entity_id(entity_id), asked
        )
    return Answer(paging.build_results(found, asked))


@router.get("/entity/{entity_id}/version/{number}")
def get_version(call: Call, entity_id: str, number: str) -> Response:
    """Give one version of an entity.

    Source: GET /entity/{id}/version/{n}
    """
    with call.reading("view") as work:
        version = number_of(number)
        return Answer(entities.get(work.session, work.caller, parse_entity_id(entity_id), version))


@router.delete("/entity/{entity_id}/version/{number}")
def delete_version(call: Call, entity_id: str, number: str) -> Response:
    """Delete one version of an entity.

    Source: DELETE /entity/{id}/version/{n}
    """
    with call.writing("modify") as work:
        versions.delete(work.session, work.caller, parse_entity_id(entity_id), number_of(number))
    return done()


@router.put("/entity/{entity_id}/version/{number}/filehandle")
def swap_file_handle(call: Call, entity_id: str, number: str) -> Response:
    """Let a version hold another file handle of the same content.

    Source: PUT /entity/{id}/version/{n}/filehandle
    """
    with call.writing("view", "modify") as work:
        body = call.json_object()
        entity, version = parse_entity_id(entity_id), number_of(number)
        versions.replace_file_handle(work.session, work.caller, entity, version, body)
    return empty()
