"""Tables of storage locations and project settings."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class StorageLocation(Base):
    """A storage location; never changed.

    `properties` holds the properties of the concrete type in the format of the REST API, and the
    banner and the description. `content_hash` is the MD5 of all that the creator specified.
    """

    __tablename__ = "storage_location"
    __table_args__ = (UniqueConstraint("created_by", "content_hash"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    concrete_type: Mapped[str]
    upload_type: Mapped[str]
    etag: Mapped[str]
    created_by: Mapped[int]
    created_on: Mapped[int] = mapped_column(BigInteger)
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)
    content_hash: Mapped[str] = mapped_column(String(32))


class ProjectSetting(Base):
    """The storage locations for uploads to a project or folder. The first one is the default."""

    __tablename__ = "project_setting"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    container_id: Mapped[int] = mapped_column(
        ForeignKey("entity.id", ondelete="CASCADE"), unique=True
    )
    etag: Mapped[str]
    locations: Mapped[list[int]] = mapped_column(JSON)
