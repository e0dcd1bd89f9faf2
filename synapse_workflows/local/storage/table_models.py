"""Database models of tables: columns, schema changes, file handles and results.

Rows are stored in separate files, see `table_store`. Dates are milliseconds since the epoch. JSON
columns hold objects in the format of the REST API.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class ColumnModel(Base):
    """A column model. Equal columns are stored once; `digest` identifies the content."""

    __tablename__ = "column_model"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class SchemaChange(Base):
    """A change of the columns of a table.

    `number` counts from 0, the change that created the table.
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


class TableFile(Base):
    """A table whose rows are stored in a file of the `TableStore`."""

    __tablename__ = "table_file"
    entity_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), primary_key=True
    )


class TableFileHandle(Base):
    """A file handle that a cell of a table holds or once held."""

    __tablename__ = "table_file_handle"
    entity_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), primary_key=True
    )
    handle_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


class TableResult(Base):
    """The result file of a query. `key` is a digest of all data that determines the content."""

    __tablename__ = "table_result"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    handle_id: Mapped[int] = mapped_column(
        ForeignKey("file_handle.id", ondelete="CASCADE"), index=True
    )
