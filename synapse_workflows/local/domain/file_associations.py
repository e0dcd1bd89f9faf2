"""Who may have the bytes of a file handle: through the object that the handle belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities, file_handles, ids, request_fields
from synapse_workflows.local.domain.evaluations import submissions
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables import cell_files
from synapse_workflows.local.errors import BadRequest, Forbidden, ServiceError
from synapse_workflows.local.storage.file_models import FileHandle

#: Files in one request.
MAX_BATCH: Final = 100


class AssociateType(StrEnum):
    """Kinds of objects that hold file handles (FileHandleAssociateType)."""

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
    """A file handle, and the object through which it is asked for."""

    handle_id: int
    object_type: AssociateType
    object_id: str


def parse(body: object) -> Association:
    """Read a FileHandleAssociation.

    Raises:
        BadRequest: it is none.
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


def can_download(session: Session, caller: Caller, handle: FileHandle, asked: Association) -> bool:
    """Tell whether the caller may have the bytes.

    The maker of the handle always may. Otherwise the handle must belong to the object: to any
    version of a file, to a cell of a table or view, to what was submitted; and the caller must
    have the rights to it. Other kinds of objects hold no handles yet.

    Raises:
        BadRequest: the id of the object is malformed.
    """
    if file_handles.is_owner(caller, handle):
        return True
    rule = _RULES.get(asked.object_type)
    if rule is None:
        return False
    return rule.gives(session, caller, rule.read(asked.object_id), handle.id)


@dataclass(frozen=True)
class _Rule:
    """What it takes to have a file through an object.

    Args:
        read: reads the id of the object.
        gives: tells whether a caller has a file handle through an object.
    """

    read: Callable[[str], int]
    gives: Callable[[Session, Caller, int, int], bool]


def _can_download_from_file(
    session: Session, caller: Caller, entity_id: int, handle_id: int
) -> bool:
    may = access.is_allowed(session, caller, entity_id, AccessType.DOWNLOAD)
    return may and entities.has_file_handle(session, entity_id, handle_id)


def _can_download_from_submission(
    session: Session, caller: Caller, submission_id: int, handle_id: int
) -> bool:
    may = submissions.can_read_files(session, caller, submission_id)
    return may and submissions.has_file_handle(session, submission_id, handle_id)


_RULES: Final[Mapping[AssociateType, _Rule]] = {
    AssociateType.FILE_ENTITY: _Rule(ids.parse_entity_id, _can_download_from_file),
    AssociateType.TABLE_ENTITY: _Rule(
        lambda text: ids.parse_entity_version(text)[0], cell_files.can_download
    ),
    AssociateType.SUBMISSION_ATTACHMENT: _Rule(
        lambda text: ids.parse_id(text, "associateObjectId"), _can_download_from_submission
    ),
}


def require_handle(session: Session, caller: Caller, asked: Association) -> FileHandle:
    """Give the handle when the caller may have its bytes.

    Raises:
        NotFound: there is no such handle.
        Forbidden: the caller may not, or the handle does not belong to the object.
    """
    handle = file_handles.get_handle(session, asked.handle_id)
    if not can_download(session, caller, handle, asked):
        raise Forbidden(
            f"You lack DOWNLOAD access to the FileHandle {asked.handle_id} of the "
            f"{asked.object_type} {asked.object_id}."
        )
    return handle


def find_handle(
    session: Session, caller: Caller, asked: Association
) -> tuple[FileHandle | None, str | None]:
    """Give the handle when the caller may have its bytes, else a FileResultFailureCode."""
    try:
        return require_handle(session, caller, asked), None
    except BadRequest:
        raise
    except ServiceError as refused:
        return None, "UNAUTHORIZED" if isinstance(refused, Forbidden) else "NOT_FOUND"


def get_batch(
    service: Service, session: Session, caller: Caller, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer a BatchFileRequest: handles and signed URLs, or per file the reason why not.

    Raises:
        BadRequest: no file, more than 100, or nothing to include.
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
    for asked in [parse(each) for each in _parse_batch(body, "requestedFiles")]:
        handle, failure = find_handle(session, caller, asked)
        result: dict[str, Any] = {"fileHandleId": str(asked.handle_id), "failureCode": failure}
        if handle is not None and with_handles:
            result["fileHandle"] = file_handles.serialize(handle)
        if handle is not None and with_urls:
            result["preSignedURL"] = file_handles.get_url(service, handle)
        results.append(result)
    return {"requestedFiles": results}


def copy_batch(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a BatchFileHandleCopyRequest: new handles, or per file the reason why not.

    Raises:
        BadRequest: no request, or more than 100.
        Forbidden: the caller is anonymous.
    """
    file_handles.check_logged_in(caller)
    results = []
    for request in _parse_batch(body, "copyRequests"):
        if not isinstance(request, dict):
            raise BadRequest("copyRequests must hold objects.")
        asked = parse(request.get("originalFile"))
        original, failure = find_handle(session, caller, asked)
        result: dict[str, Any] = {
            "originalFileHandleId": str(asked.handle_id),
            "failureCode": failure,
        }
        if original is not None:
            result["newFileHandle"] = file_handles.serialize(
                file_handles.copy(session, caller, original, request)
            )
        results.append(result)
    return {"copyResults": results}


def _parse_batch(body: Mapping[str, Any], key: str) -> list[Any]:
    found = request_fields.get_list(body, key) or []
    if not 1 <= len(found) <= MAX_BATCH:
        raise BadRequest(f"{key} must hold 1 to {MAX_BATCH} files; it holds {len(found)}.")
    return found
