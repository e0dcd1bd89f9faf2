"""Routes of the service's own state (repo/v1)."""

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import auth, stack_status
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer, empty

router = APIRouter(prefix="/repo/v1")


def _version() -> str:
    try:
        return version("synapse-workflows")
    except PackageNotFoundError:  # run from a source tree
        return "0"


@router.get("/version")
def get_version() -> Response:
    """Tell which service this is; also when it is down.

    Source: GET /version
    """
    return Answer({"version": f"local-{_version()}", "stackInstance": "local"})


@router.get("/status")
@router.get("/admin/synapse/status")
def get_status(call: Call) -> Response:
    """Tell whether the service takes requests; also when it does not.

    Source: GET /status
    """
    with call.service.database.reading() as session:
        return Answer(stack_status.get(session))


@router.put("/admin/synapse/status")
def put_status(call: Call) -> Response:
    """Switch the service on or off.

    Source: PUT /admin/synapse/status
    """
    with call.service.database.transaction() as session:
        caller = auth.authenticate(session, call.token, call.service.now())
        return Answer(stack_status.update(session, caller, call.json_object()))


@router.head("/healthcheck")
def healthcheck() -> Response:
    """Tell that the service is there.

    Source: HEAD /healthcheck
    """
    return empty()
