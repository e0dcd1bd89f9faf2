"""What the versions of views hold; what a view shows now is found in the entities themselves.

Dates are milliseconds since the epoch.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class ViewSnapshot(Base):
    """That a version of a view was frozen. `column_ids` are those of the cells of its rows."""

    __tablename__ = "view_snapshot"
    __table_args__ = (
        ForeignKeyConstraint(
            ("entity_id", "number"),
            ("entity_version.entity_id", "entity_version.number"),
            ondelete="CASCADE",
        ),
    )
    entity_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_on: Mapped[int] = mapped_column(BigInteger)
    column_ids: Mapped[list[int]] = mapped_column(JSON)


class ViewSnapshotRow(Base):
    """One row of a frozen view; whoever may READ `benefactor_id` sees it."""

    __tablename__ = "view_snapshot_row"
    __table_args__ = (
        ForeignKeyConstraint(
            ("entity_id", "number"),
            ("view_snapshot.entity_id", "view_snapshot.number"),
            ondelete="CASCADE",
        ),
    )
    entity_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
    etag: Mapped[str]
    benefactor_id: Mapped[int]
    cells: Mapped[list[Any]] = mapped_column(JSON)
