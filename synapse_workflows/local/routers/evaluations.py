"""Routes of evaluations (repo/v1)."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import paging, request_fields
from synapse_workflows.local.domain.evaluations import access, evaluation_acl, evaluations
from synapse_workflows.local.domain.ids import parse_entity_id, parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.errors import Gone
from synapse_workflows.local.routers.dependencies import ApiRequest, JsonRequest
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1")


async def parse_evaluation_id(evaluation_id: str) -> int:
    """Read the id of an evaluation from a path.

    Raises:
        BadRequest: it is none.
    """
    return parse_id(evaluation_id, "evaluationId")


EvaluationId = Annotated[int, Depends(parse_evaluation_id)]


@dataclass(frozen=True)
class EvaluationFilter:
    """Which evaluations a list is to hold.

    Args:
        window: which part of the list.
        only: ids among which to look; None for all.
        active_only: leave out those that have no round now.
    """

    window: Page
    only: frozenset[int] | None
    active_only: bool

    def answer(
        self, request: ApiRequest, right: AccessType, content_source: int | None = None
    ) -> Response:
        """Answer with one page of the evaluations on which the caller holds the right."""
        with request.read_transaction("view") as tx:
            found = evaluations.list_evaluations(
                tx.session,
                tx.caller,
                right,
                self.window,
                content_source=content_source,
                only=self.only,
                active_only=self.active_only,
            )
        return ApiResponse(paging.build_results(found, self.window))


async def parse_filter(
    evaluation_ids: Annotated[list[str] | None, Query(alias="evaluationIds")] = None,
    active_only: Annotated[bool, Query(alias="activeOnly")] = False,
    limit: int = 10,
    offset: int = 0,
) -> EvaluationFilter:
    """Read which evaluations a list is to hold.

    Raises:
        BadRequest: an id is none, or the limit or the offset is out of bounds.
    """
    texts = ",".join(evaluation_ids or []).split(",")
    only = frozenset(parse_id(each, "evaluationIds") for each in texts if each.strip())
    return EvaluationFilter(paging.parse_page(limit, offset), only or None, active_only)


FilterParameters = Annotated[EvaluationFilter, Depends(parse_filter)]
AccessTypeParameter = Annotated[str, Query(alias="accessType")]


@router.post("/evaluation")
def create_evaluation(request: JsonRequest) -> Response:
    """Make an evaluation.

    Source: POST /evaluation
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(evaluations.create(tx.session, tx.caller, request.json_object()))


@router.get("/evaluation")
def list_evaluations(
    request: JsonRequest,
    filtered: FilterParameters,
    access_type: AccessTypeParameter = AccessType.READ.value,
) -> Response:
    """List the evaluations on which the caller holds a right.

    Source: GET /evaluation
    """
    return filtered.answer(
        request, request_fields.parse_enum(AccessType, access_type, "accessType")
    )


@router.get("/evaluation/available")
def list_available_evaluations(request: JsonRequest, filtered: FilterParameters) -> Response:
    """List the evaluations to which the caller may submit.

    Source: GET /evaluation/available
    """
    return filtered.answer(request, AccessType.SUBMIT)


@router.get("/entity/{entity_id}/evaluation")
def list_evaluations_of_project(
    request: JsonRequest,
    entity_id: str,
    filtered: FilterParameters,
    access_type: AccessTypeParameter = AccessType.READ.value,
) -> Response:
    """List the evaluations of a project.

    Source: GET /entity/{id}/evaluation
    """
    right = request_fields.parse_enum(AccessType, access_type, "accessType")
    return filtered.answer(request, right, parse_entity_id(entity_id))


@router.get("/evaluation/name/{name}")
def get_evaluation_by_name(request: JsonRequest, name: str) -> Response:
    """Find an evaluation by its name.

    Source: GET /evaluation/name/{name}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(evaluations.get_by_name(tx.session, tx.caller, name))


@router.put("/evaluation/acl")
def put_acl(request: JsonRequest) -> Response:
    """Replace the ACL of the evaluation that the body names.

    Source: PUT /evaluation/acl
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(evaluation_acl.update(tx.session, tx.caller, request.json_object()))


@router.post("/evaluation/acl")
def create_acl() -> Response:
    """Say that this was withdrawn.

    Source: POST /evaluation/acl
    """
    raise Gone("An evaluation always has exactly one ACL: change it with PUT /evaluation/acl.")


@router.delete("/evaluation/{evaluation_id}/acl")
def delete_acl(evaluation_id: str) -> Response:
    """Say that this was withdrawn.

    Source: DELETE /evaluation/{id}/acl
    """
    raise Gone(
        f"The evaluation {evaluation_id} always has exactly one ACL: "
        "change it with PUT /evaluation/acl."
    )


@router.get("/evaluation/{evaluation_id}")
def get_evaluation(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Give an evaluation.

    Source: GET /evaluation/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(evaluations.get(tx.session, tx.caller, evaluation_id))


@router.put("/evaluation/{evaluation_id}")
def update_evaluation(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Replace an evaluation.

    Source: PUT /evaluation/{id}
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        return ApiResponse(evaluations.update(tx.session, tx.caller, evaluation_id, body))


@router.delete("/evaluation/{evaluation_id}")
def delete_evaluation(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Delete an evaluation with all that was submitted to it.

    Source: DELETE /evaluation/{id}
    """
    with request.write_transaction("modify") as tx:
        evaluations.delete(tx.session, tx.caller, evaluation_id)
    return no_content_response()


@router.get("/evaluation/{evaluation_id}/acl")
def get_acl(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Give the ACL of an evaluation.

    Source: GET /evaluation/{id}/acl
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(evaluation_acl.get(tx.session, tx.caller, evaluation_id))


@router.get("/evaluation/{evaluation_id}/permissions")
def get_permissions(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Tell what the caller may do to an evaluation.

    Source: GET /evaluation/{id}/permissions
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(access.get_permissions(tx.session, tx.caller, evaluation_id))
