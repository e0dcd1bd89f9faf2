"""Routes of evaluations (repo/v1)."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import paging, request_fields
from synapse_workflows.local.domain.evaluations import access, evaluation_acl, evaluations
from synapse_workflows.local.domain.ids import parse_entity_id, parse_unprefixed_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.errors import Gone
from synapse_workflows.local.routers.dependencies import ApiRequest, JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


async def parse_evaluation_id(evaluation_id: str) -> int:
    """Parse the evaluation ID of a path.

    Raises:
        BadRequest: The ID is invalid.
    """
    return parse_unprefixed_id(evaluation_id, "evaluationId")


EvaluationId = Annotated[int, Depends(parse_evaluation_id)]


@dataclass(frozen=True)
class EvaluationFilter:
    """Query parameters of a list of evaluations.

    Args:
        page: Page of the list.
        ids: IDs of the evaluations to list; None for all.
        active_only: Omit evaluations that have no current round.
    """

    page: Page
    ids: frozenset[int] | None
    active_only: bool

    def list_page(
        self, request: ApiRequest, required: AccessType, content_source: int | None = None
    ) -> Response:
        """Return one page of the evaluations on which the caller has an access type."""
        with request.read_transaction("view") as tx:
            found = evaluations.list_evaluations(
                tx.session,
                tx.caller,
                required,
                self.page,
                content_source=content_source,
                only=self.ids,
                active_only=self.active_only,
            )
        return ApiResponse(paging.build_results(found, self.page))


async def parse_filter(
    evaluation_ids: Annotated[list[str] | None, Query(alias="evaluationIds")] = None,
    active_only: Annotated[bool, Query(alias="activeOnly")] = False,
    limit: int = 10,
    offset: int = 0,
) -> EvaluationFilter:
    """Parse the query parameters of a list of evaluations.

    Raises:
        BadRequest: An ID is invalid, or the limit or the offset is out of range.
    """
    texts = ",".join(evaluation_ids or []).split(",")
    ids = frozenset(parse_unprefixed_id(each, "evaluationIds") for each in texts if each.strip())
    return EvaluationFilter(paging.parse_page(limit, offset), ids or None, active_only)


FilterParameters = Annotated[EvaluationFilter, Depends(parse_filter)]
AccessTypeParameter = Annotated[str, Query(alias="accessType")]


@router.post("/evaluation")
def create_evaluation(request: JsonRequest) -> Response:
    """Create an evaluation.

    Source: POST /evaluation
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(evaluations.create(tx.session, tx.caller, request.json_object()))


@router.get("/evaluation")
def list_evaluations(
    request: JsonRequest,
    filters: FilterParameters,
    access_type: AccessTypeParameter = AccessType.READ.value,
) -> Response:
    """List the evaluations on which the caller has an access type.

    Source: GET /evaluation
    """
    return filters.list_page(
        request, request_fields.parse_enum(AccessType, access_type, "accessType")
    )


@router.get("/evaluation/available")
def list_available_evaluations(request: JsonRequest, filters: FilterParameters) -> Response:
    """List the evaluations to which the caller may submit.

    Source: GET /evaluation/available
    """
    return filters.list_page(request, AccessType.SUBMIT)


@router.get("/entity/{entity_id}/evaluation")
def list_evaluations_of_project(
    request: JsonRequest,
    entity_id: str,
    filters: FilterParameters,
    access_type: AccessTypeParameter = AccessType.READ.value,
) -> Response:
    """List the evaluations of a project.

    Source: GET /entity/{id}/evaluation
    """
    required = request_fields.parse_enum(AccessType, access_type, "accessType")
    return filters.list_page(request, required, parse_entity_id(entity_id))


@router.get("/evaluation/name/{name}")
def get_evaluation_by_name(request: JsonRequest, name: str) -> Response:
    """Return the evaluation with a name.

    Source: GET /evaluation/name/{name}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(evaluations.get_by_name(tx.session, tx.caller, name))


@router.put("/evaluation/acl")
def update_acl(request: JsonRequest) -> Response:
    """Replace the ACL of an evaluation. The body contains the ID of the evaluation.

    Source: PUT /evaluation/acl
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(evaluation_acl.update(tx.session, tx.caller, request.json_object()))


@router.post("/evaluation/acl")
@router.delete("/evaluation/{evaluation_id}/acl")
def reject_acl_change(request: JsonRequest) -> None:
    """Reject withdrawn requests: an evaluation always has exactly one ACL.

    Source: POST /evaluation/acl, DELETE /evaluation/{id}/acl
    """
    with request.read_transaction("view", "modify"):
        raise Gone("An evaluation always has an ACL. Change it with PUT /evaluation/acl.")


@router.get("/evaluation/{evaluation_id}")
def get_evaluation(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Return an evaluation.

    Source: GET /evaluation/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(evaluations.get(tx.session, tx.caller, evaluation_id))


@router.put("/evaluation/{evaluation_id}")
def update_evaluation(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Update an evaluation.

    Source: PUT /evaluation/{id}
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        return ApiResponse(evaluations.update(tx.session, tx.caller, evaluation_id, body))


@router.delete("/evaluation/{evaluation_id}")
def delete_evaluation(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Delete an evaluation and its submissions.

    Source: DELETE /evaluation/{id}
    """
    with request.write_transaction("modify") as tx:
        evaluations.delete(tx.session, tx.caller, evaluation_id)
    return no_content_response()


@router.get("/evaluation/{evaluation_id}/acl")
def get_acl(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Return the ACL of an evaluation.

    Source: GET /evaluation/{id}/acl
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(evaluation_acl.get(tx.session, tx.caller, evaluation_id))


@router.get("/evaluation/{evaluation_id}/permissions")
def get_permissions(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Return the permissions of the caller on an evaluation.

    Source: GET /evaluation/{id}/permissions
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(access.get_permissions(tx.session, tx.caller, evaluation_id))
