"""File handles, uploads and downloads: /file/v1."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from synapse_workflows.local.domain import (
    destinations,
    file_associations,
    file_handles,
    ids,
    multipart,
    upload_parts,
)
from synapse_workflows.local.routers.dependencies import Call, RedirectCall
from synapse_workflows.local.routers.responses import Answer, created, empty

router = APIRouter(prefix="/file/v1")


@router.get("/entity/{entity_id}/uploadDestination")
def upload_destination(call: Call, entity_id: str) -> Answer:
    """Tell where files below a container go by default.

    Source: GET /file/v1/entity/{id}/uploadDestination
    """
    with call.reading("view") as work:
        return Answer(destinations.get_destination(work.session, ids.parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/uploadDestination/{location_id}")
def upload_destination_of(call: Call, entity_id: str, location_id: str) -> Answer:
    """Tell how to upload to one storage location.

    Source: GET /file/v1/entity/{id}/uploadDestination/{storageLocationId}
    """
    with call.reading("view") as work:
        container = ids.parse_entity_id(entity_id)
        return Answer(destinations.get_destination(work.session, container, location_id))


@router.get("/entity/{entity_id}/uploadDestinationLocations")
def upload_destination_locations(call: Call, entity_id: str) -> Answer:
    """List the storage locations that a container offers.

    Source: GET /file/v1/entity/{id}/uploadDestinationLocations
    """
    with call.reading("view") as work:
        return Answer(
            {"list": destinations.list_locations(work.session, ids.parse_entity_id(entity_id))}
        )


@router.get("/entity/{entity_id}/uploadDestinations")
def upload_destinations(call: Call, entity_id: str) -> Answer:
    """List how to upload to each storage location that a container offers.

    Source: GET /file/v1/entity/{id}/uploadDestinations
    """
    with call.reading("view") as work:
        return Answer(
            {"list": [destinations.get_destination(work.session, ids.parse_entity_id(entity_id))]}
        )


@router.post("/file/multipart")
def start_upload(
    call: Call, force_restart: Annotated[bool, Query(alias="forceRestart")] = False
) -> Answer:
    """Start a multipart upload, or find it again.

    Source: POST /file/v1/file/multipart
    """
    with call.writing("view", "modify") as work:
        status, superfluous = multipart.start(
            work.session, work.caller, call.json_object(), force_restart=force_restart
        )
    call.service.blobs.remove(superfluous)
    return created(status)


@router.post("/file/multipart/{upload_id}/presigned/url/batch")
def sign_parts(call: Call, upload_id: int) -> Answer:
    """Give URLs that take the bytes of parts.

    Source: POST /file/v1/file/multipart/{uploadId}/presigned/url/batch
    """
    with call.reading("view", "modify") as work:
        body = call.json_object()
        return created(
            multipart.create_urls(work.service, work.session, work.caller, upload_id, body)
        )


@router.put("/file/multipart/{upload_id}/add/{number}")
def add_part(
    call: Call, upload_id: int, number: int, md5: Annotated[str, Query(alias="partMD5Hex")]
) -> Answer:
    """Confirm a part.

    Source: PUT /file/v1/file/multipart/{uploadId}/add/{partNumber}
    """
    with call.writing("view", "modify") as work:
        return created(upload_parts.add_part(work.session, work.caller, upload_id, number, md5))


@router.put("/file/multipart/{upload_id}/complete")
def complete_upload(call: Call, upload_id: int) -> Answer:
    """Make the file. Its MD5 is proven before anything is written; nobody waits meanwhile.

    Source: PUT /file/v1/file/multipart/{uploadId}/complete
    """
    with call.reading("view", "modify") as work:
        assembly = upload_parts.assemble(work.session, work.caller, upload_id)
    if assembly is not None:
        upload_parts.verify_md5(call.service.blobs, assembly)
    with call.writing("view", "modify") as work:
        return created(upload_parts.complete(work.session, work.caller, upload_id, assembly))


@router.post("/externalFileHandle")
def create_external(call: Call) -> Answer:
    """Make a file handle for bytes that lie elsewhere.

    Source: POST /file/v1/externalFileHandle
    """
    with call.writing("view", "modify") as work:
        made = file_handles.create_external(work.session, work.caller, call.json_object())
        return Answer(file_handles.serialize(made))


@router.post("/fileHandle/batch")
def batch(call: Call) -> Answer:
    """Give file handles and signed URLs, through the objects that hold them.

    Source: POST /file/v1/fileHandle/batch
    """
    with call.reading("view", "download") as work:
        body = call.json_object()
        return created(file_associations.get_batch(work.service, work.session, work.caller, body))


@router.post("/filehandles/copy")
def copy(call: Call) -> Answer:
    """Make file handles of the caller's own for bytes that exist.

    Source: POST /file/v1/filehandles/copy
    """
    with call.writing("view", "modify") as work:
        return Answer(file_associations.copy_batch(work.session, work.caller, call.json_object()))


@router.get("/fileHandle/{handle_id}")
def get_handle(call: Call, handle_id: int) -> Answer:
    """Give a file handle to its maker.

    Source: GET /file/v1/fileHandle/{handleId}
    """
    with call.reading("view") as work:
        found = file_handles.get_own_handle(work.session, work.caller, handle_id)
        return Answer(file_handles.serialize(found))


@router.delete("/fileHandle/{handle_id}")
def delete_handle(call: Call, handle_id: int) -> Response:
    """Delete a file handle; an unknown one is fine.

    Source: DELETE /file/v1/fileHandle/{handleId}
    """
    with call.writing("modify") as work:
        superfluous = file_handles.delete(work.session, work.caller, handle_id)
    call.service.blobs.remove(superfluous)
    return empty()


@router.get("/fileHandle/{handle_id}/url")
def handle_url(call: RedirectCall, handle_id: int, *, redirect: bool = True) -> Response:
    """Lead to the bytes of a file handle of the caller's own.

    Source: GET /file/v1/fileHandle/{handleId}/url
    """
    with call.reading("download") as work:
        found = file_handles.get_own_handle(work.session, work.caller, handle_id)
        return lead_to(file_handles.get_url(work.service, found), redirect=redirect)


@router.get("/file/{handle_id}")
def file_url(
    call: RedirectCall,
    handle_id: int,
    object_type: Annotated[str, Query(alias="fileAssociateType")],
    object_id: Annotated[str, Query(alias="fileAssociateId")],
    *,
    redirect: bool = True,
) -> Response:
    """Lead to the bytes of a file handle, through the object that holds it.

    Source: GET /file/v1/file/{handleId}
    """
    asked = file_associations.parse(
        {
            "fileHandleId": handle_id,
            "associateObjectType": object_type,
            "associateObjectId": object_id,
        }
    )
    with call.reading("download") as work:
        found = file_associations.require_handle(work.session, work.caller, asked)
        return lead_to(file_handles.get_url(work.service, found), redirect=redirect)


def lead_to(url: str, *, redirect: bool) -> Response:
    """Answer 307 with the place, or 200 with the place as text."""
    if redirect:
        return RedirectResponse(url, status_code=307)
    return PlainTextResponse(url)
