"""Submission views: submissions to evaluations, and how they stand.

Whoever holds READ_PRIVATE_SUBMISSION on an evaluation sees what was submitted to it; an
evaluation in scope that one cannot read, or that is no more, shows nothing and refuses nothing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session, defer

from synapse_workflows.constants import (
    SUBMISSION_VIEW,
    AccessType,
    ColumnType,
    SubmissionStatusEnum,
)
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.evaluations import submission_status, submissions
from synapse_workflows.local.domain.evaluations.access import select_evaluations
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.views import definitions, view_types
from synapse_workflows.local.domain.views.container_scope import select_values
from synapse_workflows.local.domain.views.view_types import (
    AnnotationTarget,
    DefaultColumn,
    ViewItem,
    ViewType,
)
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)

_BATCH_SIZE: Final = 500
_SELECTED: Final = (
    Submission.id,
    Submission.name,
    Submission.created_on,
    Submission.user_id,
    Submission.team_id,
    Submission.submitter_alias,
    Submission.entity_id,
    Submission.version_number,
    Submission.docker_repository_name,
    Submission.docker_digest,
    Submission.round_id,
    Submission.evaluation_id,
    Evaluation.content_source,
    SubmissionStatus.status,
    SubmissionStatus.etag,
    SubmissionStatus.modified_on,
    SubmissionStatus.status_version,
    SubmissionStatus.submission_annotations,
)


@dataclass(frozen=True)
class SubmissionItem(ViewItem):
    """A submission that a view shows.

    Args:
        row: what the tables hold of it.
    """

    row: Row[Any]


_T = ColumnType
_COLUMNS: Final[tuple[DefaultColumn[SubmissionItem], ...]] = (
    DefaultColumn("id", _T.SUBMISSIONID, lambda item: item.row_id),
    DefaultColumn("name", _T.STRING, lambda item: item.row.name, 256),
    DefaultColumn("createdOn", _T.DATE, lambda item: item.row.created_on),
    DefaultColumn("createdBy", _T.USERID, lambda item: item.row.user_id),
    DefaultColumn("etag", _T.STRING, lambda item: item.etag, 36),
    DefaultColumn("modifiedOn", _T.DATE, lambda item: item.modified_on),
    DefaultColumn("projectId", _T.ENTITYID, lambda item: item.row.content_source),
    DefaultColumn(
        "status", _T.STRING, lambda item: item.row.status, 50, tuple(SubmissionStatusEnum)
    ),
    DefaultColumn("evaluationid", _T.EVALUATIONID, lambda item: item.guard),
    DefaultColumn("evaluationroundid", _T.INTEGER, lambda item: item.row.round_id),
    DefaultColumn("submitterid", _T.USERID, lambda item: item.row.team_id or item.row.user_id),
    DefaultColumn("submitteralias", _T.STRING, lambda item: item.row.submitter_alias, 500),
    DefaultColumn("entityid", _T.ENTITYID, lambda item: item.row.entity_id),
    DefaultColumn("entityversion", _T.INTEGER, lambda item: item.row.version_number),
    DefaultColumn(
        "dockerrepositoryname", _T.STRING, lambda item: item.row.docker_repository_name, 400
    ),
    DefaultColumn("dockerdigest", _T.STRING, lambda item: item.row.docker_digest, 200),
)


@dataclass(frozen=True)
class EvaluationScope:
    """What is in a submission view.

    Args:
        ids: of the evaluations.
    """

    ids: tuple[int, ...]

    def require_size(self, _session: Session) -> None:
        """Check that there are not too many evaluations.

        Raises:
            BadRequest: there are.
        """
        view_types.check_scope_size(len(self.ids))

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[SubmissionItem]:
        """Give the submissions."""
        query = (
            select(*_SELECTED)
            .join(Evaluation, Evaluation.id == Submission.evaluation_id)
            .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
            .where(Submission.evaluation_id.in_(select_values(self.ids)), *where)
            .order_by(Submission.id)
        )
        for row in session.execute(query, execution_options={"yield_per": _BATCH_SIZE}):
            yield SubmissionItem(
                row_id=row.id,
                version=row.status_version,
                etag=row.etag,
                guard=row.evaluation_id,
                modified_on=row.modified_on,
                file_size=None,
                annotations=row.submission_annotations,
                row=row,
            )

    def shows(self, _session: Session, _entity_id: int) -> bool:
        """Say no: the items are no entities."""
        return False

    def targets(self, session: Session, caller: Caller) -> "StatusTargets":
        """Give the statuses that updates write to."""
        return StatusTargets(session, caller)


class StatusTargets:
    """Submissions whose annotations are written.

    Args:
        session: writes the tables.
        caller: who writes.
    """

    def __init__(self, session: Session, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._expected: list[Any] = []
        self._open: set[int] = set()

    def expect(self, row_ids: Collection[int]) -> None:
        """Read submissions that are asked for next; the session finds what it holds already."""
        query = (
            select(Submission, SubmissionStatus)
            .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
            .where(Submission.id.in_(select_values(row_ids)))
            .options(defer(Submission.entity_bundle))
        )
        self._expected = list(self._session.execute(query))

    def of(self, row_id: int) -> AnnotationTarget:
        """Give the status of a submission.

        Raises:
            Forbidden: the caller may not change it.
            NotFound: there is no such submission.
        """
        submission = submissions.get_submission(self._session, row_id)
        if submission.evaluation_id not in self._open:
            submission_status.require_scorer(self._session, self._caller, submission.evaluation_id)
            self._open.add(submission.evaluation_id)
        status = submission_status.get_status(self._session, row_id)
        caller = self._caller

        def write(wanted: dict[str, Any]) -> None:
            status.submission_annotations = wanted
            submission_status.mark_changed(status, caller)

        return AnnotationTarget(
            str(row_id), status.etag, status.submission_annotations, frozenset(), write
        )


def _get_scope(properties: Mapping[str, Any]) -> EvaluationScope:
    return EvaluationScope(definitions.parse_evaluation_ids(properties.get("scopeIds") or []))


def _parse_view_scope(body: Mapping[str, Any]) -> EvaluationScope:
    return EvaluationScope(
        definitions.parse_evaluation_ids(request_fields.get_list(body, "scope") or [])
    )


def _get_default_columns(_mask: int | None) -> Sequence[DefaultColumn[SubmissionItem]]:
    return _COLUMNS


def _is_visible_to(caller: Caller) -> ColumnElement[bool]:
    open_ones = select_evaluations(caller, AccessType.READ_PRIVATE_SUBMISSION)
    return Submission.evaluation_id.in_(open_ones)


def _find_readable(session: Session, caller: Caller, guards: Collection[int]) -> set[int]:
    open_ones = select_evaluations(caller, AccessType.READ_PRIVATE_SUBMISSION)
    found = select(Evaluation.id).where(
        Evaluation.id.in_(select_values(guards)), Evaluation.id.in_(open_ones)
    )
    return set(session.scalars(found))


SUBMISSION_VIEW_TYPE: Final = ViewType(
    concrete_type=SUBMISSION_VIEW,
    word="submissionview",
    fields=_COLUMNS,
    defaults=_get_default_columns,
    scope=_get_scope,
    asked_scope=_parse_view_scope,
    visible_to=_is_visible_to,
    open_to=_find_readable,
    row_text=str,
)
