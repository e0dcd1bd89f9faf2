"""Routes of file handles, uploads and downloads (file/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from synapse_workflows.constants import MULTIPART_UPLOAD_COPY_REQUEST, MULTIPART_UPLOAD_REQUEST
from synapse_workflows.local.domain import (
    bucket_uploads,
    file_associations,
    file_handles,
    ids,
    multipart,
    upload_parts,
)
from synapse_workflows.local.domain.storage import (
    buckets,
    destinations,
    download_urls,
    external_handles,
)
from synapse_workflows.local.routers.dependencies import JsonRequest, RedirectRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PathNumber
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
    list_response,
    redirect_to,
)

router = APIRouter(prefix="/file/v1", route_class=LazyRoute)


@router.get("/entity/{entity_id}/uploadDestination")
def get_upload_destination(request: JsonRequest, entity_id: str) -> ApiResponse:
    """Return the default upload destination of a container.

    Source: GET /file/v1/entity/{id}/uploadDestination
    """
    with request.read_transaction("view") as tx:
        container = ids.parse_entity_id(entity_id)
        return ApiResponse(
            destinations.get_destination(tx.service, tx.session, tx.caller, container)
        )


@router.get("/entity/{entity_id}/uploadDestination/{location_id}")
def get_upload_destination_of_location(
    request: JsonRequest, entity_id: str, location_id: str
) -> ApiResponse:
    """Return the upload destination of a storage location.

    Source: GET /file/v1/entity/{id}/uploadDestination/{storageLocationId}
    """
    with request.read_transaction("view") as tx:
        container = ids.parse_entity_id(entity_id)
        return ApiResponse(
            destinations.get_destination(tx.service, tx.session, tx.caller, container, location_id)
        )


@router.get("/entity/{entity_id}/uploadDestinations")
def list_upload_destinations(request: JsonRequest, entity_id: str) -> ApiResponse:
    """List the upload destinations of a container.

    Source: GET /file/v1/entity/{id}/uploadDestinations
    """
    with request.read_transaction("view") as tx:
        container = ids.parse_entity_id(entity_id)
        found = destinations.list_destinations(tx.service, tx.session, tx.caller, container)
        return list_response("file.UploadDestination", found)


@router.get("/entity/{entity_id}/uploadDestinationLocations")
def list_upload_destination_locations(request: JsonRequest, entity_id: str) -> ApiResponse:
    """List the storage locations of a container.

    Source: GET /file/v1/entity/{id}/uploadDestinationLocations
    """
    with request.read_transaction("view") as tx:
        found = destinations.list_locations(tx.session, ids.parse_entity_id(entity_id))
        return list_response("file.UploadDestinationLocation", found)


@router.post("/file/multipart")
def start_upload(
    request: JsonRequest, force_restart: Annotated[bool, Query(alias="forceRestart")] = False
) -> ApiResponse:
    """Start a multipart upload, or resume it.

    Source: POST /file/v1/file/multipart
    """
    return _start(request, MULTIPART_UPLOAD_REQUEST, force_restart=force_restart)


@router.post("/file/multipart/copy")
def start_copy(
    request: JsonRequest, force_restart: Annotated[bool, Query(alias="forceRestart")] = False
) -> ApiResponse:
    """Start a multipart copy of a file to a storage location of the caller, or resume it.

    Source: POST /file/v1/file/multipart/copy
    """
    return _start(request, MULTIPART_UPLOAD_COPY_REQUEST, force_restart=force_restart)


def _start(request: JsonRequest, default_type: str, *, force_restart: bool) -> ApiResponse:
    body = request.json_object()
    service = request.service
    target = None
    if service.object_store is not None:
        with request.read_transaction("view", "modify") as tx:
            target = bucket_uploads.find_target(
                service,
                tx.session,
                tx.caller,
                body,
                default_type=default_type,
                force_restart=force_restart,
            )
    bucket_upload = bucket_uploads.create(service, target)
    with request.write_transaction("view", "modify") as tx:
        status, unused = multipart.start(
            service,
            tx.session,
            tx.caller,
            body,
            default_type=default_type,
            force_restart=force_restart,
            bucket_upload=bucket_upload,
        )
    service.blobs.delete(unused.files)
    bucket_uploads.abort(service, unused.bucket_uploads)
    return created_response(status)


@router.post("/file/multipart/{upload_id}/presigned/url/batch")
def create_part_urls(request: JsonRequest, upload_id: PathNumber) -> ApiResponse:
    """Create pre-signed URLs for the upload of parts.

    Source: POST /file/v1/file/multipart/{uploadId}/presigned/url/batch
    """
    with request.read_transaction("view", "modify") as tx:
        body = request.json_object()
        return created_response(
            multipart.create_urls(tx.service, tx.session, tx.caller, upload_id, body)
        )


@router.put("/file/multipart/{upload_id}/add/{number}")
def add_part(
    request: JsonRequest,
    upload_id: PathNumber,
    number: PathNumber,
    md5: Annotated[str, Query(alias="partMD5Hex")],
) -> ApiResponse:
    """Add an uploaded part to a multipart upload.

    Source: PUT /file/v1/file/multipart/{uploadId}/add/{partNumber}
    """
    part = None
    if request.service.object_store is not None:
        with request.read_transaction("view", "modify") as tx:
            upload = upload_parts.find_bucket_upload(tx.session, tx.caller, upload_id)
        if upload is not None:
            part = bucket_uploads.find_part(request.service, upload, number, md5)
    with request.write_transaction("view", "modify") as tx:
        return created_response(
            upload_parts.add_part(tx.session, tx.caller, upload_id, number, md5, part)
        )


@router.put("/file/multipart/{upload_id}/complete")
def complete_upload(request: JsonRequest, upload_id: PathNumber) -> ApiResponse:
    """Complete a multipart upload. The content is checked outside the write transaction.

    Source: PUT /file/v1/file/multipart/{uploadId}/complete
    """
    with request.read_transaction("view", "modify") as tx:
        assembly = upload_parts.assemble(tx.session, tx.caller, upload_id)
    if assembly is not None:
        upload_parts.check(request.service, upload_id, assembly)
    with request.write_transaction("view", "modify") as tx:
        return created_response(upload_parts.complete(tx.session, tx.caller, upload_id, assembly))


@router.post("/externalFileHandle")
def create_external_file_handle(request: JsonRequest) -> ApiResponse:
    """Create a file handle for a file that the service does not store.

    Source: POST /file/v1/externalFileHandle
    """
    with request.write_transaction("view", "modify") as tx:
        handle = external_handles.create(tx.session, tx.caller, request.json_object())
        return ApiResponse(file_handles.serialize(handle))


@router.post("/externalFileHandle/s3")
def create_external_s3_file_handle(request: JsonRequest) -> ApiResponse:
    """Create a file handle for an object of an external bucket of the caller.

    The object is checked outside of a transaction.

    Source: POST /file/v1/externalFileHandle/s3
    """
    with request.read_transaction("view", "modify") as tx:
        columns = external_handles.parse_s3(tx.session, tx.caller, request.json_object())
    size = columns.file["content_size"]
    buckets.check_object(request.service, columns.location, columns.key, size)
    with request.write_transaction("view", "modify") as tx:
        handle = external_handles.create_s3(tx.session, tx.caller, columns)
        return ApiResponse(file_handles.serialize(handle))


@router.post("/fileHandle/batch")
def get_file_handles(request: JsonRequest) -> ApiResponse:
    """Return file handles and pre-signed URLs of files that are associated with objects.

    Source: POST /file/v1/fileHandle/batch
    """
    with request.read_transaction("view", "download") as tx:
        body = request.json_object()
        return created_response(
            file_associations.get_batch(tx.service, tx.session, tx.caller, body)
        )


@router.post("/filehandles/copy")
def copy_file_handles(request: JsonRequest) -> ApiResponse:
    """Copy file handles: the copies belong to the caller and refer to the same content.

    Source: POST /file/v1/filehandles/copy
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(
            file_associations.copy_batch(tx.session, tx.caller, request.json_object())
        )


@router.get("/fileHandle/{handle_id}")
def get_file_handle(request: JsonRequest, handle_id: PathNumber) -> ApiResponse:
    """Return a file handle that the caller created.

    Source: GET /file/v1/fileHandle/{handleId}
    """
    with request.read_transaction("view") as tx:
        found = file_handles.get_own_handle(tx.session, tx.caller, handle_id)
        return ApiResponse(file_handles.serialize(found))


@router.delete("/fileHandle/{handle_id}")
def delete_file_handle(request: JsonRequest, handle_id: PathNumber) -> Response:
    """Delete a file handle; an unknown ID is ignored.

    Source: DELETE /file/v1/fileHandle/{handleId}
    """
    with request.write_transaction("modify") as tx:
        unused = file_handles.delete(tx.session, tx.caller, handle_id)
    request.service.blobs.delete(unused)
    return empty_response()


@router.get("/fileHandle/{handle_id}/url")
def get_file_handle_url(
    request: RedirectRequest, handle_id: PathNumber, *, redirect: bool = True
) -> Response:
    """Redirect to the content of a file handle that the caller created.

    Source: GET /file/v1/fileHandle/{handleId}/url
    """
    with request.read_transaction("download") as tx:
        found = file_handles.get_own_handle(tx.session, tx.caller, handle_id)
        return redirect_to(download_urls.get_url(tx.service, tx.session, found), redirect=redirect)


@router.get("/file/{handle_id}")
def get_file_url(
    request: RedirectRequest,
    handle_id: PathNumber,
    object_type: Annotated[str, Query(alias="fileAssociateType")],
    object_id: Annotated[str, Query(alias="fileAssociateId")],
    *,
    redirect: bool = True,
) -> Response:
    """Redirect to the content of a file that is associated with an object.

    Source: GET /file/v1/file/{handleId}
    """
    association = file_associations.parse(
        {
            "fileHandleId": handle_id,
            "associateObjectType": object_type,
            "associateObjectId": object_id,
        }
    )
    with request.read_transaction("download") as tx:
        found = file_associations.require_handle(tx.session, tx.caller, association)
        return redirect_to(download_urls.get_url(tx.service, tx.session, found), redirect=redirect)
