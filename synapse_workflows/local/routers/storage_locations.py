"""Routes of storage locations (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain.storage import buckets, storage_locations
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PathNumber
from synapse_workflows.local.routers.responses import ApiResponse, created_response, list_response

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/storageLocation")
def create_storage_location(request: JsonRequest) -> Response:
    """Create a storage location, or return the equal one of the caller.

    The bucket is prepared outside of a transaction.

    Source: POST /storageLocation
    """
    with request.read_transaction("view", "modify") as tx:
        caller, body = tx.caller, request.json_object()
    buckets.prepare(request.service, caller, body)
    with request.write_transaction("view", "modify") as tx:
        return created_response(storage_locations.create(tx.session, tx.caller, body))


@router.get("/storageLocation")
def list_storage_locations(request: JsonRequest) -> Response:
    """List the storage locations that the caller created.

    Source: GET /storageLocation
    """
    with request.read_transaction("view") as tx:
        found = storage_locations.list_own(tx.session, tx.caller)
        return list_response("project.StorageLocationSetting", found)


@router.get("/storageLocation/{location_id}")
def get_storage_location(request: JsonRequest, location_id: PathNumber) -> Response:
    """Return a storage location that the caller created.

    Source: GET /storageLocation/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(storage_locations.get_own(tx.session, tx.caller, location_id))
