"""Files that the service creates: query results, archives and the markdown of wiki pages."""

from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import event
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.storage.blobs import FileWriter, StoredFile
from synapse_workflows.local.storage.file_models import FileHandle


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
    try:
        with service.database.write_transaction() as session:
            handle = _add_handle(session, caller, stored, md5, file_name, content_type)
            on_create(session, handle)
            return handle.id
    except BaseException:
        service.blobs.delete([stored.name])
        raise


def store_bytes(
    service: Service,
    session: Session,
    caller: Caller,
    data: bytes,
    file_name: str,
    content_type: str,
) -> FileHandle:
    """Store a small file in a transaction. The file is deleted if the transaction is rolled back.

    Args:
        service: The service.
        session: Database session with write access.
        caller: Owner of the file handle.
        data: Content of the file.
        file_name: File name of the file handle.
        content_type: Media type.
    """
    with ExitStack() as stack:
        writer = stack.enter_context(service.blobs.create())
        writer.write(data)
        stored = writer.commit()
        end = stack.pop_all()

    def discard(_session: Session) -> None:
        service.blobs.delete([stored.name])
        end.close()

    event.listen(session, "after_rollback", discard)
    event.listen(session, "after_commit", lambda _session: end.close())
    return _add_handle(session, caller, stored, writer.md5, file_name, content_type)


def _add_handle(
    session: Session,
    caller: Caller,
    stored: StoredFile,
    md5: str,
    file_name: str,
    content_type: str,
) -> FileHandle:
    return file_handles.create_stored(
        session, caller, [stored], md5, file_name=file_name, content_type=content_type
    )
