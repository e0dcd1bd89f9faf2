"""Routes to the files of entities (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import entity_files, file_handles
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import Call, RedirectCall, RequestCall
from synapse_workflows.local.routers.entities import number_of
from synapse_workflows.local.routers.files import lead_to
from synapse_workflows.local.routers.responses import Answer

router = APIRouter(prefix="/repo/v1")


@router.get("/entity/{entity_id}/filehandles")
def get_handles(call: Call, entity_id: str) -> Response:
    """Give the file handle of an entity, and its preview.

    Source: GET /entity/{id}/filehandles
    """
    with call.reading("view") as work:
        return Answer(
            entity_files.list_handles(work.session, work.caller, parse_entity_id(entity_id), None)
        )


@router.get("/entity/{entity_id}/version/{number}/filehandles")
def get_version_handles(call: Call, entity_id: str, number: str) -> Response:
    """Give the file handle of one version, and its preview.

    Source: GET /entity/{id}/version/{n}/filehandles
    """
    with call.reading("view") as work:
        entity, version = parse_entity_id(entity_id), number_of(number)
        return Answer(entity_files.list_handles(work.session, work.caller, entity, version))


def _to_bytes(
    call: RequestCall, entity_id: str, number: int | None, *, redirect: bool
) -> Response:
    """Lead to the bytes of a version by a pre-signed URL."""
    with call.reading("download") as work:
        entity = parse_entity_id(entity_id)
        handle = entity_files.get_handle(work.session, work.caller, entity, number)
        url = file_handles.get_url(work.service, handle)
    return lead_to(url, redirect=redirect)


@router.get("/entity/{entity_id}/file")
def get_file(call: RedirectCall, entity_id: str, redirect: bool = True) -> Response:
    """Lead to the bytes of a file.

    Source: GET /entity/{id}/file
    """
    return _to_bytes(call, entity_id, None, redirect=redirect)


@router.get("/entity/{entity_id}/version/{number}/file")
def get_version_file(
    call: RedirectCall, entity_id: str, number: str, redirect: bool = True
) -> Response:
    """Lead to the bytes of one version of a file.

    Source: GET /entity/{id}/version/{n}/file
    """
    return _to_bytes(call, entity_id, number_of(number), redirect=redirect)
