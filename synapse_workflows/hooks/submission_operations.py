"""Operations on submissions under the names of py-orca: `hook.ops`. All are deprecated."""

import warnings
from typing import Any

from synapse_workflows.client.api.evaluations import parse_evaluation_id
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.client.model.ids import id_of, is_synapse_id
from synapse_workflows.constants import SUBMISSION_VIEW, SubmissionStatusEnum
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import without_lineage


class SubmissionOperations:
    """Deprecated operations on submissions, for DAGs that were written for py-orca.

    Args:
        client: Sends the requests.
    """

    def __init__(self, client: LineageClient) -> None:
        self.client = client

    def monitor_evaluation_queue(self, evaluation_id: str | int) -> bool:
        """Return whether an evaluation has submissions with the status RECEIVED.

        Deprecated: use `SynapseSubmissionSensor`, or `SynapseSubmissionTrigger` in an
        `AssetWatcher`.

        Args:
            evaluation_id: ID of the evaluation.

        Raises:
            ValueError: Invalid ID.
            SynapseNotFoundError: The evaluation does not exist.
            SynapseForbiddenError: The user lacks READ_PRIVATE_SUBMISSION on the evaluation.

        Source:
            GET /evaluation/{id}/submission/status/all
        """
        _warn("monitor_evaluation_queue", "SynapseSubmissionSensor")
        # The count of submissions cannot be restricted to a status.
        path = f"/evaluation/{parse_evaluation_id(evaluation_id)}/submission/status/all"
        params = {"status": SubmissionStatusEnum.RECEIVED.value, "limit": 1, "offset": 0}
        return bool(self.client.call("GET", path, params=params).object["results"])

    def get_submissions_with_status(
        self, submission_view: str, submission_status: SubmissionStatusName = "RECEIVED"
    ) -> list[str]:
        """Return the IDs of the submissions with a status, oldest first.

        The statuses are read from the evaluations. The rows of a view can be out of date.

        Deprecated: use `SynapseClaimSubmissionsOperator`, or `hook.client.getSubmissions`.

        Args:
            submission_view: ID of a submission view, or of an evaluation.
            submission_status: The status.

        Raises:
            ValueError: Invalid ID or status, or the entity is not a submission view.
            SynapseNotFoundError: The view or the evaluation does not exist.
            SynapseForbiddenError: The user may not read the submissions.

        Source:
            GET /entity/{id}, GET /evaluation/{id}/submission/all
        """
        _warn("get_submissions_with_status", "SynapseClaimSubmissionsOperator")
        status = _parse_status(submission_status)
        found = {
            submission.id
            for evaluation_id in self._list_evaluations(submission_view)
            for submission in self.client.getSubmissions(evaluation_id, status, limit=100)
        }
        return sorted(found, key=int)

    def trigger_indexing(self, submission_view: str) -> None:
        """Query a submission view, so that Synapse updates its rows. Nothing is recorded.

        Deprecated: `get_submissions_with_status` and `SynapseClaimSubmissionsOperator` read the
        evaluations, so they need no current view.

        Args:
            submission_view: ID of a submission view.

        Raises:
            ValueError: Invalid ID.
            SynapseNotFoundError: The view does not exist.
            SynapseForbiddenError: The user may not read the view.

        Source:
            POST /entity/{id}/table/query/async/start
        """
        _warn("trigger_indexing", "SynapseClaimSubmissionsOperator")
        if not is_synapse_id(submission_view):
            raise ValueError(
                f"Invalid submission_view {submission_view!r}: expected the ID of a submission "
                "view such as 'syn123'."
            )
        sql = f"select * from {submission_view.strip()}"  # noqa: S608 - an ID
        with without_lineage():
            self.client.tableQuery(sql, "rowset", limit=1)

    def update_submission_status(
        self, submission_id: str | int, submission_status: SubmissionStatusName
    ) -> None:
        """Set the status of a submission; other changes of the status at the same time are kept.

        Deprecated: use `SynapseScoreSubmissionOperator`, or `hook.client.getSubmissionStatus` and
        `hook.client.store`.

        Args:
            submission_id: ID of the submission.
            submission_status: The new status.

        Raises:
            ValueError: Invalid ID or status.
            SynapseNotFoundError: The submission does not exist.
            SynapseForbiddenError: The user may not change the status.

        Source:
            GET /evaluation/submission/{id}/status, PUT /evaluation/submission/{id}/status
        """
        _warn("update_submission_status", "SynapseScoreSubmissionOperator")
        new_status = _parse_status(submission_status)

        def update() -> None:
            status = self.client.getSubmissionStatus(submission_id)
            if status.status != new_status:
                status.status = new_status
                self.client.store(status)

        retry_stale(update)

    def _list_evaluations(self, view: Any) -> list[str]:
        """Return the IDs of the evaluations of a submission view; or the ID of an evaluation."""
        view_id = id_of(view)
        if not is_synapse_id(view_id):
            return [parse_evaluation_id(view_id)]
        entity = self.client.call("GET", f"/entity/{view_id.strip()}").object
        if entity["concreteType"] != SUBMISSION_VIEW:
            kind = entity["concreteType"].rpartition(".")[2]
            raise ValueError(
                f"{view_id} is a {kind}: expected the ID of a submission view such as 'syn123', "
                "or of an evaluation such as '9600001'."
            )
        return [parse_evaluation_id(one) for one in entity.get("scopeIds") or ()]


def _parse_status(status: Any) -> SubmissionStatusName:
    if status not in list(SubmissionStatusEnum):
        raise ValueError(
            f"Invalid submission_status {status!r}: expected one of "
            f"{', '.join(SubmissionStatusEnum)}."
        )
    value: SubmissionStatusName = SubmissionStatusEnum(status).value
    return value


def _warn(name: str, replacement: str) -> None:
    warnings.warn(
        f"hook.ops.{name} is deprecated: use {replacement}.", DeprecationWarning, stacklevel=3
    )
