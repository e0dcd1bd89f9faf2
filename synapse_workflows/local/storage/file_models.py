"""Tables of file handles, their content, and uploads in progress.

    file_handle -> blob -> segment, segment, ...     each segment is one file of the `BlobStore`
    upload -> part, part, ...                        each part as well; the parts of a completed
                                                     upload become the segments of a blob

Dates are milliseconds since the epoch, sizes are bytes, MD5s are 32 hexadecimal digits.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import SETUP_STATEMENTS, Base


class Blob(Base):
    """The content of a file. Several file handles may share it."""

    __tablename__ = "blob"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32))


class Segment(Base):
    """A part of a blob. `name` is the name of the file; `position` counts from 1."""

    __tablename__ = "segment"
    blob_id: Mapped[str] = mapped_column(ForeignKey("blob.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(36), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)


class FileHandle(Base):
    """A file handle; never changed.

    `location` holds the properties of its concrete type in the format of the REST API (bucketName
    and key, or externalURL). `blob_id` is None if the service does not store the content.
    """

    __tablename__ = "file_handle"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    concrete_type: Mapped[str]
    etag: Mapped[str]
    created_by: Mapped[int]
    created_on: Mapped[int] = mapped_column(BigInteger)
    file_name: Mapped[str]
    content_type: Mapped[str]
    content_md5: Mapped[str | None] = mapped_column(String(32), index=True)
    content_size: Mapped[int | None] = mapped_column(BigInteger)
    storage_location_id: Mapped[int | None]
    preview_id: Mapped[int | None]
    location: Mapped[dict[str, Any]] = mapped_column(JSON)
    blob_id: Mapped[str | None] = mapped_column(ForeignKey("blob.id"), index=True)


class Upload(Base):
    """A multipart upload. Equal requests of one user share an upload.

    `request` is the parsed request, and the properties of the upload in the S3 server if the
    storage location is in a bucket. `request_hash` is the MD5 of the parsed request. `state` is
    UPLOADING or COMPLETED.
    """

    __tablename__ = "upload"
    __table_args__ = (UniqueConstraint("started_by", "request_hash"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_by: Mapped[int]
    started_on: Mapped[int] = mapped_column(BigInteger)
    updated_on: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    request_hash: Mapped[str] = mapped_column(String(32))
    part_count: Mapped[int]
    result_id: Mapped[int | None] = mapped_column(
        ForeignKey("file_handle.id", ondelete="CASCADE"), index=True
    )


class Part(Base):
    """A completely received part. `added` is true once the client has confirmed the MD5."""

    __tablename__ = "part"
    upload_id: Mapped[int] = mapped_column(
        ForeignKey("upload.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(36), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32))
    added: Mapped[bool]


class BucketPart(Base):
    """A part in a bucket of the S3 server. The client has confirmed its MD5."""

    __tablename__ = "bucket_part"
    upload_id: Mapped[int] = mapped_column(
        ForeignKey("upload.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32))


class UnusedFile(Base):
    """A file of a deleted or replaced segment or part. The service deletes the file later."""

    __tablename__ = "unused_file"
    name: Mapped[str] = mapped_column(primary_key=True)


# Triggers that record unused files, so that no code path can miss a file. The last trigger removes
# the record of a part that becomes a segment when the upload is completed.
SETUP_STATEMENTS.extend(
    f"CREATE TRIGGER IF NOT EXISTS unused_file_{name} AFTER {change} BEGIN {statement}; END"
    for name, change, statement in (
        *(
            (name, change, "INSERT OR IGNORE INTO unused_file (name) VALUES (old.name)")
            for name, change in (
                ("segment", "DELETE ON segment"),
                ("part", "DELETE ON part"),
                ("replaced", "UPDATE OF name ON part"),
            )
        ),
        ("used", "INSERT ON segment", "DELETE FROM unused_file WHERE name = new.name"),
    )
)
