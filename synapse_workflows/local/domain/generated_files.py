"""Files that the service creates: query results and archives."""

import uuid
from collections.abc import Callable

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.storage.blobs import FileWriter
from synapse_workflows.local.storage.file_models import Blob, FileHandle, Segment


def store(
    service: Service,
    caller: Caller,
    writer: FileWriter,
    file_name: str,
    content_type: str,
    on_create: Callable[[Session, FileHandle], None] = lambda _session, _handle: None,
) -> int:
    """Store a written file and create a file handle for it.

    Args:
        service: The service.
        caller: Owner of the file handle.
        writer: Writer of the file, with all bytes written.
        file_name: File name of the file handle.
        content_type: Media type.
        on_create: Called with the new file handle in the same transaction.

    Returns:
        ID of the file handle.
    """
    md5 = writer.md5
    stored = writer.commit()
    blob = Blob(id=str(uuid.uuid4()), size=stored.size, md5=md5)
    try:
        with service.database.write_transaction() as session:
            session.add(blob)
            session.flush()
            session.add(Segment(blob_id=blob.id, position=1, name=stored.name, size=stored.size))
            handle = file_handles.create_stored(
                session, caller, blob, file_name=file_name, content_type=content_type
            )
            on_create(session, handle)
            return handle.id
    except BaseException:
        service.blobs.delete([stored.name])
        raise
