"""Routes of columns (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import paging, request_fields
from synapse_workflows.local.domain.ids import parse_entity_version, parse_id
from synapse_workflows.local.domain.tables import columns, schemas
from synapse_workflows.local.domain.views import column_suggestions, registry, type_masks
from synapse_workflows.local.routers.async_jobs import add_job_routes
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse, created_response, list_response

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)

_MAX_LIMIT = 100
#: Types of a list of columns: of the list, or of its elements.
_LIST_TYPES = (f"{MODEL}.ListWrapper", columns.CONCRETE_TYPE)


@router.post("/column")
def create_column(request: JsonRequest) -> Response:
    """Create a column, or return the existing column with the same content.

    Source: POST /column
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(columns.create(tx.session, tx.caller, [request.json_object()])[0])


@router.post("/column/batch")
def create_columns(request: JsonRequest) -> Response:
    """Create several columns.

    Source: POST /column/batch
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        request_fields.parse_choice(_LIST_TYPES, body.get("concreteType"), "concreteType")
        bodies = request_fields.get_list(body, "list") or []
        created = columns.create(tx.session, tx.caller, bodies)
        return list_response("table.ColumnModel", created, 201)


@router.get("/column")
def list_columns(
    request: JsonRequest, prefix: str | None = None, limit: int = 10, offset: int = 0
) -> Response:
    """List the columns of all users.

    Source: GET /column
    """
    page = paging.parse_page(limit, offset, minimum=1, maximum=_MAX_LIMIT)
    with request.read_transaction("view") as tx:
        return ApiResponse(columns.list_columns(tx.session, prefix, page))


@router.get("/column/tableview/defaults/{view_type}")
def list_default_columns_by_type(request: JsonRequest, view_type: str) -> Response:
    """List the default columns of an entity view; deprecated in favor of `viewTypeMask`.

    Source: GET /column/tableview/defaults/{viewtype}
    """
    with request.write_transaction("view") as tx:
        mask = type_masks.parse_view_type(view_type)
        found = registry.create_default_columns(tx.session, registry.get_view_type(None), mask)
    return list_response("table.ColumnModel", found)


@router.get("/column/tableview/defaults")
def list_default_columns(
    request: JsonRequest,
    view_type: Annotated[str | None, Query(alias="viewEntityType")] = None,
    mask: Annotated[int | None, Query(alias="viewTypeMask")] = None,
) -> Response:
    """List the default columns of a view type.

    Source: GET /column/tableview/defaults
    """
    with request.write_transaction("view") as tx:
        found = registry.create_default_columns(
            tx.session, registry.get_view_type(view_type), mask
        )
    return list_response("table.ColumnModel", found)


add_job_routes(router, "/column/view/scope", column_suggestions.SUGGEST_COLUMNS, "view")


@router.get("/column/{column_id}")
def get_column(request: JsonRequest, column_id: str) -> Response:
    """Return a column.

    Source: GET /column/{columnId}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(columns.get(tx.session, parse_id(column_id, "columnId")))


@router.get("/entity/{entity_id}/column")
def list_columns_of_table(request: JsonRequest, entity_id: str) -> Response:
    """List the columns of a table or view, or of one of its versions.

    Source: GET /entity/{id}/column
    """
    with request.read_transaction("view") as tx:
        tx.service.rate_limiter.count_columns_request(tx.caller)
        number, version = parse_entity_version(entity_id)
        found = schemas.list_columns(tx.session, tx.caller, number, version)
        return ApiResponse(paging.build_complete_results(found))
