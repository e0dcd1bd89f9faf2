"""Tables of view snapshots, and the revision number of the data that views contain.

Dates are milliseconds since the epoch. Database triggers maintain the revision and the list of
unused files, so that no code path can miss an update.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import SETUP_STATEMENTS, Base
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

_ALL_ACTIONS: Final = ("INSERT", "UPDATE", "DELETE")
#: Table -> SQL actions that may change the rows of a view. The insertion of a file handle changes
#: no view: the handle appears in a view only after a change of an entity that refers to it.
_TRACKED: Final[Mapping[str, tuple[str, ...]]] = {
    Entity.__tablename__: _ALL_ACTIONS,
    EntityVersion.__tablename__: _ALL_ACTIONS,
    FileHandle.__tablename__: ("UPDATE", "DELETE"),
    Evaluation.__tablename__: _ALL_ACTIONS,
    Submission.__tablename__: _ALL_ACTIONS,
    SubmissionStatus.__tablename__: _ALL_ACTIONS,
}


class ViewSnapshot(Base):
    """A snapshot of a view. See `ViewFile` for its file, columns, benefactors and digest."""

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
    created_on: Mapped[int] = mapped_column(BigInteger)
    file_name: Mapped[str]
    column_ids: Mapped[list[int]] = mapped_column(JSON)
    benefactor_ids: Mapped[list[Any]] = mapped_column(JSON)
    digest: Mapped[str]


class UnusedViewFile(Base):
    """A file of a deleted or replaced snapshot. The service deletes the file later."""

    __tablename__ = "unused_view_file"
    file_name: Mapped[str] = mapped_column(primary_key=True)


class ViewRevision(Base):
    """The number of changes of the data that views contain. The table has one row."""

    __tablename__ = "view_revision"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


SETUP_STATEMENTS.append("INSERT OR IGNORE INTO view_revision (id, number) VALUES (1, 0)")
SETUP_STATEMENTS.extend(  # record the file of a snapshot that is deleted or replaced
    f"CREATE TRIGGER IF NOT EXISTS unused_view_file_{name} AFTER {action} ON view_snapshot "  # noqa: S608 - own names
    "BEGIN INSERT OR IGNORE INTO unused_view_file (file_name) VALUES (old.file_name); END"
    for name, action in (("deleted", "DELETE"), ("replaced", "UPDATE OF file_name"))
)
SETUP_STATEMENTS.extend(
    f"CREATE TRIGGER IF NOT EXISTS view_revision_{name}_{action.lower()} AFTER {action} ON {name} "  # noqa: S608 - own names
    "BEGIN UPDATE view_revision SET number = number + 1; END"
    for name, actions in _TRACKED.items()
    for action in actions
)
