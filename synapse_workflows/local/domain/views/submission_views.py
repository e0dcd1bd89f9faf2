"""Submission views: the submissions to evaluations, with their statuses.

A row is visible to callers with READ_PRIVATE_SUBMISSION on its evaluation. An evaluation in
scope adds no rows if it does not exist or if the caller may not read it.
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
from synapse_workflows.local.domain.evaluations import access, submission_status, submissions
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
    """A submission as a row of a view.

    Args:
        row: Result row of the query of submissions.
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
    DefaultColumn("evaluationid", _T.EVALUATIONID, lambda item: item.benefactor_id),
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
    """Scope of a submission view.

    Args:
        ids: IDs of the evaluations.
    """

    ids: tuple[int, ...]

    def check_size(self, _session: Session) -> None:
        """Check that the scope does not have too many evaluations.

        Raises:
            BadRequest: The scope has too many evaluations.
        """
        view_types.check_scope_size(len(self.ids))

    def iter_items(
        self, session: Session, *where: ColumnElement[bool]
    ) -> Iterator[SubmissionItem]:
        """Iterate over the submissions, ordered by ID."""
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
                benefactor_id=row.evaluation_id,
                modified_on=row.modified_on,
                file_size=None,
                annotations=row.submission_annotations,
                row=row,
            )

    def contains(self, _session: Session, _entity_id: int) -> bool:
        """Return False: the items are not entities."""
        return False

    def get_targets(self, session: Session, caller: Caller) -> "StatusTargets":
        """Return the statuses that row updates change."""
        return StatusTargets(session, caller)


class StatusTargets:
    """Submission statuses whose annotations row updates change.

    Args:
        session: Database session.
        caller: The caller; must be allowed to change the statuses.
    """

    def __init__(self, session: Session, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._prefetched: list[Any] = []
        self._permitted: set[int] = set()

    def prefetch(self, row_ids: Collection[int]) -> None:
        """Load submissions into the identity map of the session, and keep references to them.

        The identity map itself holds weak references.
        """
        query = (
            select(Submission, SubmissionStatus)
            .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
            .where(Submission.id.in_(select_values(row_ids)))
            .options(defer(Submission.entity_bundle))
        )
        self._prefetched = list(self._session.execute(query))

    def get(self, row_id: int) -> AnnotationTarget:
        """Return the status of a submission.

        Raises:
            Forbidden: The caller may not change the status.
            NotFound: The submission does not exist.
        """
        submission = submissions.get_submission(self._session, row_id)
        if submission.evaluation_id not in self._permitted:
            access.check(
                self._session, self._caller, submission.evaluation_id, *access.SCORER_RIGHTS
            )
            self._permitted.add(submission.evaluation_id)
        status = submission_status.get_status(self._session, row_id)
        caller = self._caller

        def write(annotations: dict[str, Any]) -> None:
            submission_status.record_change(
                self._session, caller, status, submission_annotations=annotations
            )

        return AnnotationTarget(
            name=str(row_id),
            etag=status.etag,
            annotations=status.submission_annotations,
            reserved_names=frozenset(),
            write=write,
        )


def _get_scope(properties: Mapping[str, Any]) -> EvaluationScope:
    return EvaluationScope(definitions.parse_evaluation_ids(properties.get("scopeIds") or []))


def _parse_scope(body: Mapping[str, Any]) -> EvaluationScope:
    scope = request_fields.get_list(body, "scope") or []
    return EvaluationScope(definitions.parse_evaluation_ids(scope))


def _get_default_columns(_mask: int | None) -> Sequence[DefaultColumn[SubmissionItem]]:
    return _COLUMNS


def _is_visible_to(caller: Caller) -> ColumnElement[bool]:
    readable = select_evaluations(caller, AccessType.READ_PRIVATE_SUBMISSION)
    return Submission.evaluation_id.in_(readable)


def _find_readable(session: Session, caller: Caller, evaluation_ids: Collection[int]) -> set[int]:
    readable = select_evaluations(caller, AccessType.READ_PRIVATE_SUBMISSION)
    query = select(Evaluation.id).where(
        Evaluation.id.in_(select_values(evaluation_ids)), Evaluation.id.in_(readable)
    )
    return set(session.scalars(query))


SUBMISSION_VIEW_TYPE: Final = ViewType(
    concrete_type=SUBMISSION_VIEW,
    name="submissionview",
    columns=_COLUMNS,
    get_default_columns=_get_default_columns,
    get_scope=_get_scope,
    parse_scope=_parse_scope,
    is_visible_to=_is_visible_to,
    find_readable=_find_readable,
    format_row_id=str,
)
