"""The parts of a multipart upload, and how they become a file.

    nothing -> arrived (PUT of the bytes) -> added (the starter confirmed the MD5) -> one file

Of two who send the same upload at once, one is late: what comes after the file is made is taken
and dropped, and confirmed by the MD5s that its parts had.

Functions that make files in `blobs` superfluous return their names, to be removed once the
transaction is committed.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete as remove, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import file_handles, multipart
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.blobs import BlobStore, FileWriter, StoredFile
from synapse_workflows.local.storage.file_models import Blob, Part, Segment, Upload

#: Where a completed upload keeps the MD5s of its parts, in order.
_PART_MD5S: Final = "part_md5s"


def get_part_size(session: Session, upload_id: int) -> int:
    """Tell how many bytes a part may bring.

    Raises:
        NotFound: the upload was forgotten, or never was.
    """
    return int(_get_upload(session, upload_id).request["part_size"])


def _get_upload(session: Session, upload_id: int) -> Upload:
    upload = session.get(Upload, upload_id)
    if upload is None:
        raise NotFound(f"Multi-part upload {upload_id} takes no parts.")
    return upload


def record_part(session: Session, upload_id: int, number: int, draft: FileWriter) -> list[str]:
    """Note a part whose bytes are safe. The last to arrive counts.

    A part that was added already stays added when the same bytes come again. What comes for a
    completed upload is superfluous.

    Returns:
        Files that are superfluous now.

    Raises:
        NotFound: the upload was forgotten, or never was.
    """
    if _get_upload(session, upload_id).state == multipart.COMPLETED:
        return [draft.name]
    part = session.get(Part, (upload_id, number))
    if part is None:
        part = Part(upload_id=upload_id, number=number, added=False)
        session.add(part)
        superfluous = []
    elif (part.md5, part.size) == (draft.md5, draft.size):
        return [draft.name]
    else:
        superfluous = [part.name]
    part.name, part.size, part.md5, part.added = draft.name, draft.size, draft.md5, False
    return superfluous


def add_part(
    session: Session, caller: Caller, upload_id: int, number: int, md5: str
) -> dict[str, Any]:
    """Confirm a part: its MD5 must be that of the bytes that arrived.

    Returns:
        An AddPartResponse; a wrong MD5 and an absent part are ADD_FAILED, not errors.

    Raises:
        BadRequest: the number is out of range.
        NotFound: there is no such upload.
        Forbidden: somebody else started it.
    """
    upload = multipart.get_upload(session, caller, upload_id)
    found = _find_md5(session, upload, multipart.check_part_number(upload, number))
    failure = None
    if found is None:
        failure = f"Part {number} has not arrived. Please upload it."
    elif found != md5.lower():
        failure = (
            "The provided MD5 does not match the MD5 of the uploaded part. "
            "Please re-upload the part."
        )
    elif upload.state == multipart.UPLOADING:
        session.get_one(Part, (upload_id, number)).added = True
        upload.updated_on = caller.now
    return {
        "uploadId": str(upload_id),
        "partNumber": number,
        "addPartState": "ADD_SUCCESS" if failure is None else "ADD_FAILED",
        "errorMessage": failure,
    }


def _find_md5(session: Session, upload: Upload, number: int) -> str | None:
    """Tell the MD5 of a part, of a completed upload too; None when it has not arrived."""
    if upload.state == multipart.COMPLETED:
        known: list[str] = upload.request.get(_PART_MD5S, [])
        return known[number - 1] if known else None
    part = session.get(Part, (upload.id, number))
    return None if part is None else part.md5


@dataclass(frozen=True)
class Assembly:
    """What completing an upload has to prove: these pieces are the announced file."""

    pieces: tuple[StoredFile, ...]
    md5: str


def assemble(session: Session, caller: Caller, upload_id: int) -> Assembly | None:
    """Collect the parts of an upload whose parts were all added.

    Returns:
        The parts in order, to be read and compared; None when the upload is completed already.

    Raises:
        BadRequest: parts are missing, or the sizes do not sum up.
        NotFound: there is no such upload.
        Forbidden: somebody else started it.
    """
    upload = multipart.get_upload(session, caller, upload_id)
    if upload.state == multipart.COMPLETED:
        return None
    ready = select(Part).where(Part.upload_id == upload_id, Part.added).order_by(Part.number)
    pieces = tuple(StoredFile(part.name, part.size) for part in session.scalars(ready))
    if missing := upload.part_count - len(pieces):
        raise BadRequest(
            f"Missing {missing} part(s). All parts must be successfully added before a file "
            "upload can be completed."
        )
    size, announced = sum(piece.size for piece in pieces), upload.request["file_size"]
    if size != announced:
        raise BadRequest(f"The parts have {size} bytes, but fileSizeBytes is {announced}.")
    return Assembly(pieces, upload.request["md5"])


def verify_md5(blobs: BlobStore, assembly: Assembly) -> None:
    """Read all parts, and compare their MD5 with the announced one. No transaction is open.

    Raises:
        BadRequest: it is another file.
    """
    found = blobs.md5(assembly.pieces)
    if found != assembly.md5:
        raise BadRequest(
            f"The MD5 of the uploaded file is {found}, but contentMD5Hex is {assembly.md5}. "
            "Start the upload again with forceRestart=true."
        )


def complete(
    session: Session, caller: Caller, upload_id: int, proven: Assembly | None
) -> dict[str, Any]:
    """Turn the parts into a file with a handle; once, however often it is asked.

    Args:
        session: a writing session.
        caller: the starter.
        upload_id: the upload.
        proven: what `assemble` gave, after the MD5 of its pieces was found right.

    Returns:
        The MultipartUploadStatus, COMPLETED.

    Raises:
        BadRequest: a part was replaced since `assemble`.
        NotFound: there is no such upload.
        Forbidden: somebody else started it.
    """
    found = assemble(session, caller, upload_id)
    upload = multipart.get_upload(session, caller, upload_id)
    if found is None:
        return multipart.serialize_status(session, upload)
    if found != proven:
        raise BadRequest("A part was replaced while the upload was completed. Try again.")
    md5s = select(Part.md5).where(Part.upload_id == upload_id).order_by(Part.number)
    upload.request = {**upload.request, _PART_MD5S: list(session.scalars(md5s))}
    session.execute(remove(Part).where(Part.upload_id == upload_id))
    blob = Blob(id=str(uuid.uuid4()), size=upload.request["file_size"], md5=found.md5)
    session.add(blob)
    session.flush()
    for position, piece in enumerate(found.pieces, 1):
        session.add(Segment(blob_id=blob.id, position=position, name=piece.name, size=piece.size))
    handle = file_handles.create_stored(
        session,
        caller,
        blob,
        file_name=upload.request["file_name"],
        content_type=upload.request["content_type"],
    )
    upload.state, upload.result_id, upload.updated_on = multipart.COMPLETED, handle.id, caller.now
    session.flush()
    return multipart.serialize_status(session, upload)
