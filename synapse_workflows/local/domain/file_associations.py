"""Access to file handles through the objects that they are associated with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import (
    access,
    entities,
    file_handles,
    ids,
    messages,
    request_fields,
    users,
)
from synapse_workflows.local.domain.evaluations import submissions
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.domain.tables import cell_files
from synapse_workflows.local.domain.teams import teams
from synapse_workflows.local.domain.wikis import attachments as wiki_attachments
from synapse_workflows.local.errors import BadRequest, Forbidden, ServiceError
from synapse_workflows.local.storage.file_models import FileHandle

#: Maximum number of files in one request.
MAX_BATCH: Final = 100


class AssociateType(StrEnum):
    """Types of objects that have file handles (FileHandleAssociateType)."""

    FILE_ENTITY = "FileEntity"
    TABLE_ENTITY = "TableEntity"
    WIKI_ATTACHMENT = "WikiAttachment"
    WIKI_MARKDOWN = "WikiMarkdown"
    USER_PROFILE_ATTACHMENT = "UserProfileAttachment"
    MESSAGE_ATTACHMENT = "MessageAttachment"
    TEAM_ATTACHMENT = "TeamAttachment"
    SUBMISSION_ATTACHMENT = "SubmissionAttachment"
    VERIFICATION_SUBMISSION = "VerificationSubmission"
    ACCESS_REQUIREMENT_ATTACHMENT = "AccessRequirementAttachment"
    DATA_ACCESS_REQUEST_ATTACHMENT = "DataAccessRequestAttachment"
    DATA_ACCESS_SUBMISSION_ATTACHMENT = "DataAccessSubmissionAttachment"
    FORM_DATA = "FormData"


@dataclass(frozen=True)
class Association:
    """A file handle, and the object through which it is accessed."""

    handle_id: int
    object_type: AssociateType
    object_id: str


def parse(body: object) -> Association:
    """Parse a FileHandleAssociation.

    Raises:
        BadRequest: The value is not a FileHandleAssociation.
    """
    if not isinstance(body, dict):
        raise BadRequest("A FileHandleAssociation must be an object.")
    return Association(
        ids.parse_id(body.get("fileHandleId"), "fileHandleId"),
        request_fields.parse_enum(
            AssociateType, body.get("associateObjectType"), "associateObjectType"
        ),
        request_fields.get_required_text(body, "associateObjectId"),
    )


def can_download(
    session: Session, caller: Caller, handle: FileHandle, association: Association
) -> bool:
    """Return whether the caller can download a file.

    The creator of the file handle can always download the file. Otherwise the handle must belong
    to the object (to a version of a file, a cell of a table or view, a submission, a message, a
    wiki page, a team or a user profile), and the caller needs access to the object. Everyone can
    download the icon of a team and the picture of a profile. Other types of objects have no file
    handles.

    Raises:
        BadRequest: The ID of the object is malformed.
    """
    if file_handles.is_owner(caller, handle):
        return True
    rule = _RULES.get(association.object_type)
    if rule is None:
        return False
    return rule.can_download(session, caller, rule.parse_id(association.object_id), handle.id)


@dataclass(frozen=True)
class _Rule:
    """Download rule for one type of object.

    Args:
        parse_id: Parses the ID of the object.
        can_download: Returns whether a caller can download a file handle through an object.
    """

    parse_id: Callable[[str], int]
    can_download: Callable[[Session, Caller, int, int], bool]


def _can_download_from_file(
    session: Session, caller: Caller, entity_id: int, handle_id: int
) -> bool:
    is_allowed = access.is_allowed(session, caller, entity_id, AccessType.DOWNLOAD)
    return is_allowed and entities.has_file_handle(session, entity_id, handle_id)


def _can_download_from_submission(
    session: Session, caller: Caller, submission_id: int, handle_id: int
) -> bool:
    is_allowed = submissions.can_read_files(session, caller, submission_id)
    return is_allowed and submissions.has_file_handle(session, submission_id, handle_id)


def _parse_id(text: str) -> int:
    return ids.parse_id(text, "associateObjectId")


_RULES: Final[Mapping[AssociateType, _Rule]] = {
    AssociateType.FILE_ENTITY: _Rule(ids.parse_entity_id, _can_download_from_file),
    AssociateType.TABLE_ENTITY: _Rule(
        lambda text: ids.parse_entity_version(text)[0], cell_files.can_download
    ),
    AssociateType.SUBMISSION_ATTACHMENT: _Rule(_parse_id, _can_download_from_submission),
    AssociateType.TEAM_ATTACHMENT: _Rule(
        _parse_id,
        lambda session, _caller, team_id, handle: teams.has_icon(session, team_id, handle),
    ),
    AssociateType.USER_PROFILE_ATTACHMENT: _Rule(
        _parse_id, lambda session, _caller, user, handle: users.has_picture(session, user, handle)
    ),
    AssociateType.MESSAGE_ATTACHMENT: _Rule(_parse_id, messages.can_download),
    AssociateType.WIKI_MARKDOWN: _Rule(_parse_id, wiki_attachments.can_download_markdown),
    AssociateType.WIKI_ATTACHMENT: _Rule(_parse_id, wiki_attachments.can_download_attachment),
}


def require_handle(session: Session, caller: Caller, association: Association) -> FileHandle:
    """Return a file handle if the caller can download the file.

    Raises:
        NotFound: No such file handle.
        Forbidden: The caller lacks access, or the handle does not belong to the object.
    """
    handle = file_handles.get_handle(session, association.handle_id)
    if not can_download(session, caller, handle, association):
        raise Forbidden(
            f"You lack DOWNLOAD access to the FileHandle {association.handle_id} of the "
            f"{association.object_type} {association.object_id}."
        )
    return handle


def find_handle(
    session: Session, caller: Caller, association: Association
) -> tuple[FileHandle | None, str | None]:
    """Return a file handle if the caller can download the file, else a FileResultFailureCode."""
    try:
        return require_handle(session, caller, association), None
    except BadRequest:
        raise
    except ServiceError as error:
        return None, "UNAUTHORIZED" if isinstance(error, Forbidden) else "NOT_FOUND"


def get_batch(
    service: Service, session: Session, caller: Caller, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Return file handles and pre-signed URLs (BatchFileRequest), or a failure code for each file.

    Raises:
        BadRequest: The request has no files, more than 100 files, or selects no content.
    """
    with_handles = request_fields.get_boolean(body, "includeFileHandles")
    with_urls = request_fields.get_boolean(body, "includePreSignedURLs")
    if not (
        with_handles
        or with_urls
        or request_fields.get_boolean(body, "includePreviewPreSignedURLs")
    ):
        raise BadRequest(
            "At least one of includeFileHandles, includePreSignedURLs and "
            "includePreviewPreSignedURLs must be true."
        )
    results = []
    for association in [parse(each) for each in _parse_batch(body, "requestedFiles")]:
        handle, failure = find_handle(session, caller, association)
        result: dict[str, Any] = {
            "fileHandleId": str(association.handle_id),
            "failureCode": failure,
        }
        if handle is not None and with_handles:
            result["fileHandle"] = file_handles.serialize(handle)
        if handle is not None and with_urls:
            result["preSignedURL"] = download_urls.find_url(service, session, handle)
        results.append(result)
    return {"requestedFiles": results}


def copy_batch(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Copy file handles (BatchFileHandleCopyRequest); return them or a failure code for each file.

    Raises:
        BadRequest: The request has no files, or more than 100 files.
        Forbidden: The caller is anonymous.
    """
    file_handles.check_logged_in(caller)
    results = []
    for request in _parse_batch(body, "copyRequests"):
        if not isinstance(request, dict):
            raise BadRequest("copyRequests must be an array of objects.")
        association = parse(request.get("originalFile"))
        original, failure = find_handle(session, caller, association)
        result: dict[str, Any] = {
            "originalFileHandleId": str(association.handle_id),
            "failureCode": failure,
        }
        if original is not None:
            result["newFileHandle"] = file_handles.serialize(
                file_handles.copy(session, caller, original, request)
            )
        results.append(result)
    return {"copyResults": results}


def _parse_batch(body: Mapping[str, Any], key: str) -> list[Any]:
    files = request_fields.get_list(body, key) or []
    if not 1 <= len(files) <= MAX_BATCH:
        raise BadRequest(f"{key} must have 1 to {MAX_BATCH} files; it has {len(files)}.")
    return files
