"""Table of asynchronous jobs. Dates are milliseconds since the epoch."""

from typing import Any

from sqlalchemy import JSON, BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Job(Base):
    """An asynchronous job.

    `state` is PROCESSING, COMPLETE or FAILED. A failed job has the HTTP `status` and the
    `reason` of its error. The `response` is the body for the caller: the result of a complete job,
    or the ErrorResponse of a failed one. `entity` is the entity ID in the path of the request, in
    canonical form and with the version if the path has a version. The `request` can be large and
    is only read when it is used.
    """

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(80))
    entity: Mapped[str | None] = mapped_column(String(40))
    started_by: Mapped[int]
    started_on: Mapped[int] = mapped_column(BigInteger)
    changed_on: Mapped[int] = mapped_column(BigInteger, index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    request: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
    response: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    status: Mapped[int | None]
    reason: Mapped[str | None]
