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
from synapse_workflows.local.routers.dependencies import Call, RequestCall
from synapse_workflows.local.routers.responses import Answer, created, done

router = APIRouter(prefix="/repo/v1")


async def evaluation_id_of(evaluation_id: str) -> int:
    """Read the id of an evaluation from a path.

    Raises:
        BadRequest: it is none.
    """
    return parse_id(evaluation_id, "evaluationId")


EvaluationId = Annotated[int, Depends(evaluation_id_of)]


@dataclass(frozen=True)
class Filter:
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
        self, call: RequestCall, right: AccessType, content_source: int | None = None
    ) -> Response:
        """Answer with one page of the evaluations on which the caller holds the right."""
        with call.reading("view") as work:
            found = evaluations.list_evaluations(
                work.session,
                work.caller,
                right,
                self.window,
                content_source=content_source,
                only=self.only,
                active_only=self.active_only,
            )
        return Answer(paging.build_results(found, self.window))


async def filter_of(
    evaluation_ids: Annotated[list[str] | None, Query(alias="evaluationIds")] = None,
    active_only: Annotated[bool, Query(alias="activeOnly")] = False,
    limit: int = 10,
    offset: int = 0,
) -> Filter:
    """Read which evaluations a list is to hold.

    Raises:
        BadRequest: an id is none, or the limit or the offset is out of bounds.
    """
    texts = ",".join(evaluation_ids or []).split(",")
    only = frozenset(parse_id(each, "evaluationIds") for each in texts if each.strip())
    return Filter(paging.parse_page(limit, offset), only or None, active_only)


Filtered = Annotated[Filter, Depends(filter_of)]
Right = Annotated[str, Query(alias="accessType")]


@router.post("/evaluation")
def create_evaluation(call: Call) -> Response:
    """Make an evaluation.

    Source: POST /evaluation
    """
    with call.writing("view", "modify") as work:
        return created(evaluations.create(work.session, work.caller, call.json_object()))


@router.get("/evaluation")
def list_evaluations(
    call: Call, filtered: Filtered, access_type: Right = AccessType.READ.value
) -> Response:
    """List the evaluations on which the caller holds a right.

    Source: GET /evaluation
    """
    return filtered.answer(call, request_fields.parse_enum(AccessType, access_type, "accessType"))


@router.get("/evaluation/available")
def list_available(call: Call, filtered: Filtered) -> Response:
    """List the evaluations to which the caller may submit.

    Source: GET /evaluation/available
    """
    return filtered.answer(call, AccessType.SUBMIT)


@router.get("/entity/{entity_id}/evaluation")
def list_of_project(
    call: Call, entity_id: str, filtered: Filtered, access_type: Right = AccessType.READ.value
) -> Response:
    """List the evaluations of a project.

    Source: GET /entity/{id}/evaluation
    """
    right = request_fields.parse_enum(AccessType, access_type, "accessType")
    return filtered.answer(call, right, parse_entity_id(entity_id))


@router.get("/evaluation/name/{name}")
def find_evaluation(call: Call, name: str) -> Response:
    """Find an evaluation by its name.

    Source: GET /evaluation/name/{name}
    """
    with call.reading("view") as work:
        return Answer(evaluations.get_by_name(work.session, work.caller, name))


@router.put("/evaluation/acl")
def put_acl(call: Call) -> Response:
    """Replace the ACL of the evaluation that the body names.

    Source: PUT /evaluation/acl
    """
    with call.writing("view", "modify") as work:
        return Answer(evaluation_acl.update(work.session, work.caller, call.json_object()))


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
def get_evaluation(call: Call, evaluation_id: EvaluationId) -> Response:
    """Give an evaluation.

    Source: GET /evaluation/{id}
    """
    with call.reading("view") as work:
        return Answer(evaluations.get(work.session, work.caller, evaluation_id))


@router.put("/evaluation/{evaluation_id}")
def update_evaluation(call: Call, evaluation_id: EvaluationId) -> Response:
    """Replace an evaluation.

    Source: PUT /evaluation/{id}
    """
    with call.writing("view", "modify") as work:
        body = call.json_object()
        return Answer(evaluations.update(work.session, work.caller, evaluation_id, body))


@router.delete("/evaluation/{evaluation_id}")
def delete_evaluation(call: Call, evaluation_id: EvaluationId) -> Response:
    """Delete an evaluation with all that was submitted to it.

    Source: DELETE /evaluation/{id}
    """
    with call.writing("modify") as work:
        evaluations.delete(work.session, work.caller, evaluation_id)
    return done()


@router.get("/evaluation/{evaluation_id}/acl")
def get_acl(call: Call, evaluation_id: EvaluationId) -> Response:
    """Give the ACL of an evaluation.

    Source: GET /evaluation/{id}/acl
    """
    with call.reading("view") as work:
        return Answer(evaluation_acl.get(work.session, work.caller, evaluation_id))


@router.get("/evaluation/{evaluation_id}/permissions")
def get_permissions(call: Call, evaluation_id: EvaluationId) -> Response:
    """Tell what the caller may do to an evaluation.

    Source: GET /evaluation/{id}/permissions
    """
    with call.reading("view") as work:
        return Answer(access.get_permissions(work.session, work.caller, evaluation_id))
