"""Tables of evaluations, of what was submitted to them, and of how each submission stands.

Dates are milliseconds since the epoch. JSON columns hold objects as they are on the wire. An
evaluation lives apart from its project, a submission apart from the entity that was submitted:
neither refers to the table of entities.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Evaluation(Base):
    """A queue that takes submissions. `content_source` is the entity id of its project.

    `properties` holds all further fields: both messages to submitters, and the quota.
    `batch_token` is what the next batch of statuses must bring; None when none is awaited.
    """

    __tablename__ = "evaluation"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    content_source: Mapped[int] = mapped_column(index=True)
    owner_id: Mapped[int]
    created_on: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str]
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)
    batch_token: Mapped[str | None]


class EvaluationRound(Base):
    """A span of time in which submissions were counted together: from `start` to before `end`."""

    __tablename__ = "evaluation_round"
    __table_args__ = (UniqueConstraint("evaluation_id", "start", "end"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"))
    start: Mapped[int] = mapped_column(BigInteger)
    end: Mapped[int | None] = mapped_column(BigInteger)


class Submission(Base):
    """A version of an entity as it was when it was submitted; never changed.

    `entity_bundle` is the JSON text of that version; `contributors` a list of
    SubmissionContributor; `team_id` the team that submitted, None for an individual.
    """

    __tablename__ = "submission"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evaluation_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int] = mapped_column(index=True)
    team_id: Mapped[int | None]
    entity_id: Mapped[int]
    version_number: Mapped[int]
    name: Mapped[str | None]
    submitter_alias: Mapped[str | None]
    created_on: Mapped[int] = mapped_column(BigInteger)
    contributors: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    docker_repository_name: Mapped[str | None]
    docker_digest: Mapped[str | None]
    round_id: Mapped[int | None] = mapped_column(ForeignKey("evaluation_round.id"))
    entity_bundle: Mapped[str]


class SubmissionFileHandle(Base):
    """That a file handle was frozen with a submission."""

    __tablename__ = "submission_file_handle"
    submission_id: Mapped[int] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), primary_key=True
    )
    handle_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


class SubmissionStatus(Base):
    """How a submission stands; the part of it that scoring changes.

    `annotations` is the legacy form, None when there is none; `submission_annotations` the map
    `{key: {"type": ..., "value": [...]}}`.
    """

    __tablename__ = "submission_status"
    submission_id: Mapped[int] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), primary_key=True
    )
    etag: Mapped[str]
    modified_on: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(30))
    score: Mapped[float | None]
    report: Mapped[str | None]
    annotations: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    submission_annotations: Mapped[dict[str, Any]] = mapped_column(JSON)
    status_version: Mapped[int]
    can_cancel: Mapped[bool]
    cancel_requested: Mapped[bool]
