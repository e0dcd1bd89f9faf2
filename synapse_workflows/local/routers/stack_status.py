"""Routes of the version and the status of the service (repo/v1)."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import auth, stack_status
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse, empty_response

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@cache
def _get_package_version() -> str:
    try:
        return version("synapse-workflows")
    except PackageNotFoundError:  # not installed: run from a source tree
        return "0"


@router.get("/version")
def get_version() -> Response:
    """Return the version of the service, even when it is down.

    Source: GET /version
    """
    return ApiResponse({"version": f"local-{_get_package_version()}", "stackInstance": "local"})


@router.get("/status")
@router.get("/admin/synapse/status")
def get_status(request: JsonRequest) -> Response:
    """Return the status of the service, even when it is down.

    Source: GET /status
    """
    with request.service.database.read_transaction() as session:
        return ApiResponse(stack_status.get(session))


@router.put("/admin/synapse/status")
def update_status(request: JsonRequest) -> Response:
    """Set the status of the service: READ_WRITE, READ_ONLY or DOWN.

    Source: PUT /admin/synapse/status
    """
    with request.service.database.write_transaction() as session:
        caller = auth.authenticate(session, request.credentials, request.service.now())
        return ApiResponse(stack_status.update(session, caller, request.json_object()))


@router.head("/healthcheck")
def check_health() -> Response:
    """Return an empty response.

    Source: HEAD /healthcheck
    """
    return empty_response()
