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
from synapse_workflows.local.domain.evaluations.access import evaluations_open_to
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.views import definitions, view_types
from synapse_workflows.local.domain.views.container_scope import listed
from synapse_workflows.local.domain.views.view_types import Field, Item, Target, ViewKind
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)

_AT_A_TIME: Final = 500
_SHOWN: Final = (
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
class SubmissionItem(Item):
    """A submission that a view shows.

    Args:
        row: what the tables hold of it.
    """

    row: Row[Any]


_T = ColumnType
_FIELDS: Final[tuple[Field[SubmissionItem], ...]] = (
    Field("id", _T.SUBMISSIONID, lambda item: item.row_id),
    Field("name", _T.STRING, lambda item: item.row.name, 256),
    Field("createdOn", _T.DATE, lambda item: item.row.created_on),
    Field("createdBy", _T.USERID, lambda item: item.row.user_id),
    Field("etag", _T.STRING, lambda item: item.etag, 36),
    Field("modifiedOn", _T.DATE, lambda item: item.modified_on),
    Field("projectId", _T.ENTITYID, lambda item: item.row.content_source),
    Field("status", _T.STRING, lambda item: item.row.status, 50, tuple(SubmissionStatusEnum)),
    Field("evaluationid", _T.EVALUATIONID, lambda item: item.guard),
    Field("evaluationroundid", _T.INTEGER, lambda item: item.row.round_id),
    Field("submitterid", _T.USERID, lambda item: item.row.team_id or item.row.user_id),
    Field("submitteralias", _T.STRING, lambda item: item.row.submitter_alias, 500),
    Field("entityid", _T.ENTITYID, lambda item: item.row.entity_id),
    Field("entityversion", _T.INTEGER, lambda item: item.row.version_number),
    Field("dockerrepositoryname", _T.STRING, lambda item: item.row.docker_repository_name, 400),
    Field("dockerdigest", _T.STRING, lambda item: item.row.docker_digest, 200),
)


@dataclass(frozen=True)
class Evaluations:
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
        view_types.require_modest(len(self.ids))

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[SubmissionItem]:
        """Give the submissions."""
        query = (
            select(*_SHOWN)
            .join(Evaluation, Evaluation.id == Submission.evaluation_id)
            .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
            .where(Submission.evaluation_id.in_(listed(self.ids)), *where)
            .order_by(Submission.id)
        )
        for row in session.execute(query, execution_options={"yield_per": _AT_A_TIME}):
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
            .where(Submission.id.in_(listed(row_ids)))
            .options(defer(Submission.entity_bundle))
        )
        self._expected = list(self._session.execute(query))

    def of(self, row_id: int) -> Target:
        """Give the status of a submission.

        Raises:
            Forbidden: the caller may not change it.
            NotFound: there is no such submission.
        """
        submission = submissions.find(self._session, row_id)
        if submission.evaluation_id not in self._open:
            submission_status.require_scorer(self._session, self._caller, submission.evaluation_id)
            self._open.add(submission.evaluation_id)
        status = submission_status.load(self._session, row_id)
        caller = self._caller

        def write(wanted: dict[str, Any]) -> None:
            status.submission_annotations = wanted
            submission_status.changed(status, caller)

        return Target(str(row_id), status.etag, status.submission_annotations, frozenset(), write)


def _scope(properties: Mapping[str, Any]) -> Evaluations:
    return Evaluations(definitions.evaluation_ids(properties.get("scopeIds") or []))


def _asked_scope(body: Mapping[str, Any]) -> Evaluations:
    return Evaluations(definitions.evaluation_ids(request_fields.get_list(body, "scope") or []))


def _defaults(_mask: int | None) -> Sequence[Field[SubmissionItem]]:
    return _FIELDS


def _visible_to(caller: Caller) -> ColumnElement[bool]:
    open_ones = evaluations_open_to(caller, AccessType.READ_PRIVATE_SUBMISSION)
    return Submission.evaluation_id.in_(open_ones)


def _open_to(session: Session, caller: Caller, guards: Collection[int]) -> set[int]:
    open_ones = evaluations_open_to(caller, AccessType.READ_PRIVATE_SUBMISSION)
    found = select(Evaluation.id).where(
        Evaluation.id.in_(listed(guards)), Evaluation.id.in_(open_ones)
    )
    return set(session.scalars(found))


KIND: Final = ViewKind(
    concrete_type=SUBMISSION_VIEW,
    word="submissionview",
    fields=_FIELDS,
    defaults=_defaults,
    scope=_scope,
    asked_scope=_asked_scope,
    visible_to=_visible_to,
    open_to=_open_to,
    row_text=str,
)
