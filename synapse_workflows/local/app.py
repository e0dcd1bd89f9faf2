"""The factory of the local service."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from synapse_workflows.local.domain import founding
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.errors import BadRequest, ServiceError
from synapse_workflows.local.routers.request_log import RequestLog
from synapse_workflows.local.routers.answers import refused
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.storage.database import Database
from synapse_workflows.local.storage.secret import load_secret


def open_service(settings: Settings) -> Service:
    """Open the data directory, and lay its ground on the first start."""
    from synapse_workflows.local.storage.blobs import Blobs

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.data_dir / "synapse.db")
    signer = Signer(load_secret(settings.data_dir))
    now = int(settings.clock().timestamp() * 1000)
    with database.transaction() as session:
        founding.found(session, now)
        users = founding.settle(session, signer, settings.users, now)
    return Service(
        settings=settings,
        database=database,
        blobs=Blobs(settings.data_dir / "blobs"),
        signer=signer,
        users=users,
    )


def _refuse_by_rule(_request: Request, error: ServiceError) -> Response:
    return refused(error)


def _refuse_parameter(_request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return refused(BadRequest(f"{where}: {first['msg']}"))


def _refuse_route(request: Request, error: HTTPException) -> Response:
    sentences = {
        404: f"{request.method} {request.url.path} was not found. "
        "Please reference API documentation at https://rest-docs.synapse.org/rest/",
        405: f"Request method '{request.method}' is not supported for {request.url.path}",
    }
    reason = sentences.get(error.status_code, str(error.detail))
    return refused(ServiceError(reason, status=error.status_code, headers=error.headers))


def create_app(settings: Settings) -> FastAPI:
    """Make the service; `app.state.service` holds its parts.

    Args:
        settings: how it runs; `data_dir` is created when it is missing.
    """
    app = FastAPI(
        title="Synapse, local",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            ServiceError: _refuse_by_rule,
            RequestValidationError: _refuse_parameter,
            HTTPException: _refuse_route,
        },
    )
    app.state.service = open_service(settings)
    app.add_middleware(RequestLog)
    return app
