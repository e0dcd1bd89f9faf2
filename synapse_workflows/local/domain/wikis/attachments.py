"""File handles of wiki pages: attachments and markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import entity_files, file_handles, ids, request_fields
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.wikis import owners
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.wiki_models import WikiAttachment, WikiPage, WikiVersion


def list_ids(session: Session, page_id: int, number: int) -> list[int]:
    """List the IDs of the attachments of a version, in their order."""
    return list(
        session.scalars(
            select(WikiAttachment.handle_id)
            .where(WikiAttachment.page_id == page_id, WikiAttachment.number == number)
            .order_by(WikiAttachment.position)
        )
    )


def list_attachments(session: Session, version: WikiVersion) -> list[FileHandle]:
    """List the attachments of a version, in their order."""
    handles = list_ids(session, version.page_id, version.number)
    return [file_handles.get_handle(session, each) for each in handles]


def serialize(session: Session, version: WikiVersion) -> dict[str, Any]:
    """Return the attachments of a version and their previews (FileHandleResults)."""
    handles = list_attachments(session, version)
    parts = [entity_files.serialize_with_preview(session, each) for each in handles]
    return {"list": [each for part in parts for each in part]}


def get_by_name(session: Session, version: WikiVersion, file_name: str) -> FileHandle:
    """Return the attachment with a file name.

    Raises:
        NotFound: The version has no such attachment.
    """
    for handle in list_attachments(session, version):
        if handle.file_name == file_name:
            return handle
    raise NotFound(f"Wiki page {version.page_id} has no attachment with the name '{file_name}'.")


def get_preview(session: Session, version: WikiVersion, file_name: str) -> FileHandle:
    """Return the preview of the attachment with a file name.

    Raises:
        NotFound: The version has no such attachment, or the attachment has no preview.
    """
    handle = get_by_name(session, version, file_name)
    if handle.preview_id is None:
        raise NotFound(f"The attachment '{file_name}' has no preview.")
    return file_handles.get_handle(session, handle.preview_id)


def parse_handles(
    session: Session, caller: Caller, page_id: int, body: Mapping[str, Any]
) -> list[int]:
    """Parse the attachments of a request. Of several with one file name, the newest is kept.

    Raises:
        BadRequest: A file handle ID is invalid.
        Forbidden: The caller does not own a file handle that is new for the page.
        NotFound: No such file handle.
    """
    given = [
        ids.parse_id(each, "attachmentFileHandleIds")
        for each in request_fields.get_list(body, "attachmentFileHandleIds") or []
    ]
    for handle_id in given:
        check_usable(session, caller, page_id, handle_id)
    newest: dict[str, FileHandle] = {}
    for handle_id in given:
        handle = file_handles.get_handle(session, handle_id)
        current = newest.get(handle.file_name, handle)
        newest[handle.file_name] = max(current, handle, key=lambda each: each.id)
    kept = {each.id for each in newest.values()}
    return [each for each in dict.fromkeys(given) if each in kept]


def check_usable(session: Session, caller: Caller, page_id: int, handle_id: int) -> None:
    """Check that the caller owns a file handle, or that the page already has it.

    Raises:
        Forbidden: The caller does not own the file handle.
        NotFound: No such file handle.
    """
    if not (
        has_attachment(session, page_id, handle_id) or has_markdown(session, page_id, handle_id)
    ):
        file_handles.get_own_handle(session, caller, handle_id)


def add(session: Session, page_id: int, number: int, handle_ids: Sequence[int]) -> None:
    """Add the attachments of a new version."""
    session.add_all(
        WikiAttachment(page_id=page_id, number=number, position=position, handle_id=handle_id)
        for position, handle_id in enumerate(handle_ids)
    )
    session.flush()


def has_attachment(session: Session, page_id: int, handle_id: int) -> bool:
    """Return whether a version of a page has an attachment."""
    is_attached = exists().where(
        WikiAttachment.page_id == page_id, WikiAttachment.handle_id == handle_id
    )
    return bool(session.scalar(select(is_attached)))


def has_markdown(session: Session, page_id: int, handle_id: int) -> bool:
    """Return whether a file handle is the markdown of a version of a page."""
    is_markdown = exists().where(
        WikiVersion.page_id == page_id, WikiVersion.markdown_handle_id == handle_id
    )
    return bool(session.scalar(select(is_markdown)))


def can_download_attachment(
    session: Session, caller: Caller, page_id: int, handle_id: int
) -> bool:
    """Return whether the caller can download an attachment, or its preview, through a page."""
    original = select(FileHandle.id).where(FileHandle.preview_id == handle_id)
    is_attached = exists().where(
        WikiAttachment.page_id == page_id,
        WikiAttachment.handle_id.in_([handle_id]) | WikiAttachment.handle_id.in_(original),
    )
    return bool(session.scalar(select(is_attached))) and _can_read(session, caller, page_id)


def can_download_markdown(session: Session, caller: Caller, page_id: int, handle_id: int) -> bool:
    """Return whether the caller can download the markdown of a version of a page."""
    return has_markdown(session, page_id, handle_id) and _can_read(session, caller, page_id)


def _can_read(session: Session, caller: Caller, page_id: int) -> bool:
    page = session.get(WikiPage, page_id)
    return page is not None and owners.can_read(session, caller, owners.get_owner(page))
