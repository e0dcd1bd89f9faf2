"""What is known of the versions of views, and how often something changed that views show.

Dates are milliseconds since the epoch.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Connection, ForeignKeyConstraint, event
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

_ALL_ACTIONS: Final = ("INSERT", "UPDATE", "DELETE")
#: What views show -> the changes of it that may be seen in one. A file handle is seen once an
#: entity has it, and that is a change of the entity.
_TRACKED: Final[Mapping[type[Base], tuple[str, ...]]] = {
    Entity: _ALL_ACTIONS,
    EntityVersion: _ALL_ACTIONS,
    FileHandle: ("UPDATE", "DELETE"),
    Evaluation: _ALL_ACTIONS,
    Submission: _ALL_ACTIONS,
    SubmissionStatus: _ALL_ACTIONS,
}


class ViewSnapshot(Base):
    """A version of a view that was frozen. `file` names the copy of its rows, see `view_files`.

    `column_ids` are the columns of the rows, `guards` whose readers may see one of them, `digest`
    is that of the rows.
    """

    __tablename__ = "frozen_view"
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
    file: Mapped[str]
    column_ids: Mapped[list[int]] = mapped_column(JSON)
    guards: Mapped[list[int]] = mapped_column(JSON)
    digest: Mapped[str]


class UnusedViewFile(Base):
    """A copy that no version has any more; its file can be removed."""

    __tablename__ = "waste_copy"
    file: Mapped[str] = mapped_column(primary_key=True)


class ViewRevision(Base):
    """How often something changed that views may show, whoever changed it. One row."""

    __tablename__ = "revision"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


#: Versions go in many ways, so the database itself notes which copies are left.
_UNUSED_FILE_TRIGGER: Final = """
CREATE TRIGGER IF NOT EXISTS waste_of_{when} AFTER {action} ON frozen_view
BEGIN INSERT OR IGNORE INTO waste_copy (file) VALUES (old.file); END
"""


def _create_triggers(_metadata: Any, connection: Connection, **_how: Any) -> None:
    """Let the database itself count the changes: no way of writing gets past it."""
    for when, action in (("deleted", "DELETE"), ("frozen_anew", "UPDATE OF file")):
        connection.exec_driver_sql(_UNUSED_FILE_TRIGGER.format(when=when, action=action))
    connection.exec_driver_sql("INSERT OR IGNORE INTO revision (id, number) VALUES (1, 0)")
    for kind, actions in _TRACKED.items():
        for action in actions:
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS revise_{kind.__tablename__}_{action.lower()} "  # noqa: S608 - ours
                f"AFTER {action} ON {kind.__tablename__} "
                "BEGIN UPDATE revision SET number = number + 1; END"
            )


event.listen(Base.metadata, "after_create", _create_triggers)
