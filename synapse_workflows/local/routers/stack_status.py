"""Routes of the service's own state (repo/v1)."""

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import auth, stack_status
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.responses import ApiResponse, empty_response

router = APIRouter(prefix="/repo/v1")


def _get_package_version() -> str:
    try:
        return version("synapse-workflows")
    except PackageNotFoundError:  # run from a source tree
        return "0"


@router.get("/version")
def get_version() -> Response:
    """Tell which service this is; also when it is down.

    Source: GET /version
    """
    return ApiResponse({"version": f"local-{_get_package_version()}", "stackInstance": "local"})


@router.get("/status")
@router.get("/admin/synapse/status")
def get_status(request: JsonRequest) -> Response:
    """Tell whether the service takes requests; also when it does not.

    Source: GET /status
    """
    with request.service.database.reading() as session:
        return ApiResponse(stack_status.get(session))


@router.put("/admin/synapse/status")
def put_status(request: JsonRequest) -> Response:
    """Switch the service on or off.

    Source: PUT /admin/synapse/status
    """
    with request.service.database.transaction() as session:
        caller = auth.authenticate(session, request.token, request.service.now())
        return ApiResponse(stack_status.update(session, caller, request.json_object()))


@router.head("/healthcheck")
def check_health() -> Response:
    """Tell that the service is there.

    Source: HEAD /healthcheck
    """
    return empty_response()
