"""Tables of evaluations, submissions and their statuses.

Dates are milliseconds since the epoch. JSON columns hold objects in the format of the REST API.
No table has a foreign key to entities: an evaluation survives the deletion of its project, and a
submission survives the deletion of the submitted entity.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Evaluation(Base):
    """A queue of submissions. `content_source` is the entity ID of its project.

    `properties` holds the messages to submitters and the quota. `batch_token` is the token that
    the next batch of statuses must carry; None if no upload is in progress.
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
    """A period of an evaluation. Its submissions count against one limit. `end` is exclusive."""

    __tablename__ = "evaluation_round"
    __table_args__ = (UniqueConstraint("evaluation_id", "start", "end"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"))
    start: Mapped[int] = mapped_column(BigInteger)
    end: Mapped[int | None] = mapped_column(BigInteger)


class Submission(Base):
    """A submitted version of an entity. Submissions are immutable.

    `entity_bundle` is the EntityBundle of that version as JSON text. `contributors` is a list of
    SubmissionContributor. `team_id` is the submitting team; None for an individual.
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


class TeamContribution(Base):
    """A contribution of a user to a submission of a team.

    Submissions of individuals have no rows: their only contributor is the submitter.
    """

    __tablename__ = "team_contribution"
    submission_id: Mapped[int] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


class SubmissionFileHandle(Base):
    """A file handle of a submission."""

    __tablename__ = "submission_file_handle"
    submission_id: Mapped[int] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), primary_key=True
    )
    handle_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


class SubmissionStatus(Base):
    """The status of a submission.

    `annotations` holds the legacy annotations; None if there are none. `submission_annotations`
    is the map `{key: {"type": ..., "value": [...]}}`.
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
