"""What the service's database knows of tables and jobs; their rows lie in files of their own.

Dates are milliseconds since the epoch. JSON columns hold objects as they are on the wire.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class ColumnModel(Base):
    """A column as anybody may use it. `digest` is that of its content: equal ones are one."""

    __tablename__ = "column_model"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class SchemaChange(Base):
    """The columns of a table from some time on, as an entity's body set them.

    `number` counts from 0, the columns that the table was created with.
    """

    __tablename__ = "schema_change"
    entity_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    etag: Mapped[str]
    column_ids: Mapped[list[int]] = mapped_column(JSON)
    made_on: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[int]


class TableFileHandle(Base):
    """That a cell of a table holds, or once held, a file handle."""

    __tablename__ = "table_file_handle"
    entity_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), primary_key=True
    )
    handle_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


class TableResult(Base):
    """The file that answered a query; `key` is the digest of all that its content depends on."""

    __tablename__ = "table_result"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    handle_id: Mapped[int] = mapped_column(
        ForeignKey("file_handle.id", ondelete="CASCADE"), index=True
    )
