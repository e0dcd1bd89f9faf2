"""Flow that lists the submissions to an evaluation with a status."""

from collections.abc import Sequence
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow, PageGuard

#: Maximum number of items in a page of submissions.
_PAGE_SIZE: Final = 100
#: Maximum number of IDs in a description of submissions.
MAX_IDS: Final = 500


def fetch_submission_ids(evaluation_id: str, status: str) -> Flow[list[str]]:
    """Fetch the IDs of all submissions with a status, oldest first.

    The list of statuses is used, because it is the smallest one: the lists of submissions contain
    the submitted entities. Submissions that change their status meanwhile may be missing.

    Args:
        evaluation_id: ID of the evaluation queue.
        status: Status, for example ``RECEIVED``.

    Raises:
        SynapseNotFoundError: The evaluation does not exist.
        SynapseForbiddenError: The user lacks READ_PRIVATE_SUBMISSION on the evaluation.

    Source: GET /evaluation/{id}/submission/status/all
    """
    path = f"/evaluation/{evaluation_id}/submission/status/all"
    call: Call | None = flows.with_offset(Call("GET", path, params={"status": status}), _PAGE_SIZE)
    ids: dict[str, None] = {}  # a later page repeats items if others are added before them
    guard = PageGuard()
    while call is not None:
        page = yield from flows.fetch_offset_page(call)
        guard.check(page)
        ids |= dict.fromkeys(str(status["id"]) for status in page.items)
        call = page.next_call if len(page.items) == _PAGE_SIZE else None
    return list(ids)


def describe_submissions(ids: Sequence[str]) -> dict[str, Any]:
    """Return the number of submissions, and the first IDs, as JSON."""
    return {"submissions": len(ids), "submission_ids": list(ids[:MAX_IDS])}
