"""The table of asynchronous jobs. Dates are milliseconds since the epoch."""

from typing import Any

from sqlalchemy import JSON, BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class Job(Base):
    """One job: what was asked, by whom, and what came of it.

    `state` is PROCESSING, COMPLETE or FAILED. A failed one has the HTTP status and the reason of
    its cause; a complete one the response body. `entity` is what its path named, as it is
    written there in canonical form.
    """

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(80))
    entity: Mapped[str | None] = mapped_column(String(40))
    started_by: Mapped[int]
    started_on: Mapped[int] = mapped_column(BigInteger)
    changed_on: Mapped[int] = mapped_column(BigInteger, index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    response: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    status: Mapped[int | None]
    reason: Mapped[str | None]
