"""Routes of columns (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.local.domain import paging, request_fields
from synapse_workflows.local.domain.ids import parse_entity_version, parse_id
from synapse_workflows.local.domain.tables import columns, schemas
from synapse_workflows.local.domain.views import column_suggestions, registry, type_masks
from synapse_workflows.local.routers.async_jobs import add_job_routes
from synapse_workflows.local.routers.dependencies import Call, RequestCall
from synapse_workflows.local.routers.responses import Answer, created

router = APIRouter(prefix="/repo/v1")

_MOST = 100


@router.post("/column")
def create_column(call: Call) -> Response:
    """Create a column, or give the one that has the same content.

    Source: POST /column
    """
    with call.writing("view", "modify") as work:
        return created(columns.create(work.session, work.caller, [call.json_object()])[0])


@router.post("/column/batch")
def create_columns(call: Call) -> Response:
    """Create several columns.

    Source: POST /column/batch
    """
    with call.writing("view", "modify") as work:
        bodies = request_fields.get_list(call.json_object(), "list") or []
        made = columns.create(work.session, work.caller, bodies)
        return created({"concreteType": columns.CONCRETE_TYPE, "list": made})


@router.get("/column")
def list_columns(
    call: Call, prefix: str | None = None, limit: int = 10, offset: int = 0
) -> Response:
    """List the columns that anybody made.

    Source: GET /column
    """
    asked = paging.parse_page(limit, offset, minimum=1, maximum=_MOST)
    with call.reading("view") as work:
        return Answer(columns.list_columns(work.session, prefix, asked))


@router.get("/column/tableview/defaults")
def list_default_columns(
    call: Call,
    word: Annotated[str | None, Query(alias="viewEntityType")] = None,
    mask: Annotated[int | None, Query(alias="viewTypeMask")] = None,
) -> Response:
    """List the columns that are there for all that a view may show.

    Source: GET /column/tableview/defaults
    """
    return _defaults(call, word, mask)


@router.get("/column/tableview/defaults/{view_type}")
def list_default_columns_of_type(call: Call, view_type: str) -> Response:
    """List the columns that are there for an old type of views: file, project, file_and_table.

    Source: GET /column/tableview/defaults/{viewtype}
    """
    mask = type_masks.DEPRECATED_TYPES[
        request_fields.parse_choice(type_masks.DEPRECATED_TYPES, view_type, "viewtype")
    ]
    return _defaults(call, None, mask)


def _defaults(call: RequestCall, word: str | None, mask: int | None) -> Response:
    with call.writing("view") as work:
        found = registry.create_default_columns(work.session, registry.get_view_type(word), mask)
    return Answer({"concreteType": columns.CONCRETE_TYPE, "list": found})


add_job_routes(router, "/column/view/scope", column_suggestions.SUGGEST_COLUMNS, "view")


@router.get("/column/{column_id}")
def get_column(call: Call, column_id: str) -> Response:
    """Give a column.

    Source: GET /column/{columnId}
    """
    with call.reading("view") as work:
        return Answer(columns.get(work.session, parse_id(column_id, "columnId")))


@router.get("/entity/{entity_id}/column")
def list_columns_of_table(call: Call, entity_id: str) -> Response:
    """List the columns of a table or of one of its versions.

    Source: GET /entity/{id}/column
    """
    with call.reading("view") as work:
        work.service.rate_limiter.count_columns_request(work.caller)
        number, version = parse_entity_version(entity_id)
        found = schemas.list_columns(work.session, work.caller, number, version)
        return Answer(paging.build_complete_results(found))
