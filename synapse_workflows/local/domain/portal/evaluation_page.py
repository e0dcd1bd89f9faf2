"""Content of the page of an evaluation."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain.evaluations import access, evaluations, submission_lists
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.portal.entity_page import PAGE_SIZE, ListPage, get_user_name
from synapse_workflows.local.domain.principal import Caller


@dataclass(frozen=True)
class EvaluationPage:
    """Content of the page of an evaluation.

    Args:
        evaluation: The evaluation in the format of the REST API.
        owner: Name of the user who created the evaluation.
        submissions: Submissions with their statuses and submitters: all of them for users who may
            read private submissions, otherwise those of the caller.
    """

    evaluation: dict[str, Any]
    owner: str
    submissions: ListPage


def read_evaluation_page(
    session: Session, caller: Caller, evaluation_id: int, offset: int
) -> EvaluationPage:
    """Read the content of the page of an evaluation.

    Args:
        session: Database session.
        caller: User of the request; needs READ.
        evaluation_id: ID of the evaluation.
        offset: Number of submissions to skip.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such evaluation.
    """
    evaluation = evaluations.get(session, caller, evaluation_id)
    owner = get_user_name(session, parse_id(evaluation["ownerId"], "ownerId"))
    right = AccessType.READ_PRIVATE_SUBMISSION
    page = Page(PAGE_SIZE + 1, offset)
    if access.get_denial(session, caller, evaluation_id, right) is None:
        bundles = submission_lists.list_bundles(session, caller, evaluation_id, page, None)
    else:
        bundles = submission_lists.list_own_bundles(session, caller, evaluation_id, page)
    items = [
        {
            **bundle["submission"],
            **bundle["submissionStatus"],
            "submitter": get_user_name(session, int(bundle["submission"]["userId"])),
        }
        for bundle in bundles[:PAGE_SIZE]
    ]
    return EvaluationPage(evaluation, owner, ListPage(items, offset, len(bundles) > PAGE_SIZE))


def list_evaluations(
    session: Session, caller: Caller, offset: int, project: int | None = None
) -> ListPage:
    """List one page of the evaluations that the caller can READ.

    Args:
        session: Database session.
        caller: User of the request.
        offset: Number of evaluations to skip.
        project: ID of the project of the evaluations; None for any project.
    """
    page = Page(PAGE_SIZE + 1, offset)
    found = evaluations.list_evaluations(
        session, caller, AccessType.READ, page, content_source=project
    )
    return ListPage(found[:PAGE_SIZE], offset, len(found) > PAGE_SIZE)
