"""Application factory of the local service."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from synapse_workflows.local.domain import bootstrap
from synapse_workflows.local.domain.job_pool import JobPool
from synapse_workflows.local.domain.rate_limit import RateLimiter
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.domain.tables import outbox
from synapse_workflows.local.errors import BadRequest, ServiceError
from synapse_workflows.local.routers import (
    annotations,
    async_jobs,
    auth,
    bundles,
    children,
    columns,
    docker_repositories,
    entities,
    entity_files,
    evaluations,
    files,
    messages,
    permissions,
    portal,
    portal_users,
    portal_wikis,
    presigned_urls,
    project_settings,
    provenance,
    stack_status,
    storage_locations,
    sts,
    submissions,
    tables,
    team_members,
    teams,
    trash,
    users,
    wikis,
)
from synapse_workflows.local.routers.portal_responses import STATIC_PATH
from synapse_workflows.local.routers.request_log import RequestLog
from synapse_workflows.local.routers.responses import error_response
from synapse_workflows.local.routers.route_index import RouteIndex
from synapse_workflows.local.s3.credentials import CredentialIssuer
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.storage.blobs import BlobStore
from synapse_workflows.local.storage.data_dir import BLOBS, DATABASE, check_database
from synapse_workflows.local.storage.database import Database
from synapse_workflows.local.storage.secret import load_secret
from synapse_workflows.local.storage.table_store import TableStore
from synapse_workflows.local.storage.view_store import ViewStore

ROUTERS = (
    auth,
    stack_status,
    users,
    teams,
    team_members,
    children,
    bundles,
    columns,
    docker_repositories,
    entities,
    entity_files,
    annotations,
    provenance,
    permissions,
    trash,
    files,
    storage_locations,
    project_settings,
    sts,
    async_jobs,
    tables,
    evaluations,
    submissions,
    messages,
    wikis,
    presigned_urls,
    portal_wikis,
    portal_users,
    portal,
)


def open_service(settings: Settings) -> Service:
    """Open the data directory. Create missing built-in content and missing users.

    Raises:
        DataDirError: The database of existing content is missing, or the secret is too weak.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    check_database(settings.data_dir)
    durable = settings.durable
    database = Database(settings.data_dir / DATABASE, durable=durable)
    signer = Signer(load_secret(settings.data_dir))
    now = int(settings.clock().timestamp() * 1000)
    with database.write_transaction() as session:
        bootstrap.create_builtins(session, now)
        users = bootstrap.create_users(session, signer, settings.users, now)
    service = Service(
        settings=settings,
        database=database,
        blobs=BlobStore(settings.data_dir / BLOBS, durable=durable),
        tables=TableStore(settings.data_dir / "tables", durable=durable),
        views=ViewStore(settings.data_dir / "views", durable=durable),
        jobs=JobPool(settings.job_workers),
        signer=signer,
        rate_limiter=RateLimiter(settings.throttle),
        users=users,
        object_store=settings.s3 and ObjectStore(settings.s3),
        credential_issuer=settings.s3 and CredentialIssuer(settings.s3, settings.sts_seconds),
    )
    try:
        outbox.recover(service)
    except BaseException:
        service.close()
        raise
    return service


def _to_bad_request(error: RequestValidationError) -> ServiceError:
    first = error.errors()[0]
    parameter = ".".join(str(part) for part in first["loc"][1:])
    return BadRequest(f"{parameter}: {first['msg']}")


def _to_route_error(request: Request, error: HTTPException) -> ServiceError:
    reasons = {
        404: f"{request.method} {request.url.path} was not found. "
        "Please reference API documentation at https://rest-docs.synapse.org/rest/",
        405: f"Request method '{request.method}' is not supported for {request.url.path}",
    }
    reason = reasons.get(error.status_code, str(error.detail))
    return ServiceError(reason, status=error.status_code, headers=error.headers)


def _handle_error(request: Request, error: Exception) -> Response:
    """Return the response for an error of the domain or of the framework."""
    match error:
        case ServiceError():
            return error_response(error)
        case RequestValidationError():
            return error_response(_to_bad_request(error))
        case HTTPException():
            return error_response(_to_route_error(request, error))
        case _:
            raise error


def create_app(settings: Settings) -> FastAPI:
    """Create the FastAPI application. `app.state.service` is the service.

    Args:
        settings: Settings of the service. `data_dir` is created if it does not exist.
    """
    app = FastAPI(
        title="Local Synapse",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = open_service(settings)
    for error_type in (ServiceError, RequestValidationError, HTTPException):
        app.add_exception_handler(error_type, _handle_error)
    app.router.routes.extend(route for module in ROUTERS for route in module.router.routes)
    app.mount(STATIC_PATH, portal.create_static_files())
    app.router.middleware_stack = RouteIndex(app.router)
    app.add_middleware(RequestLog)
    return app
