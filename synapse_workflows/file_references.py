"""References: what crosses tasks in the place of files.

A task's result names an entity's version and the MD5 of its bytes; `path` is a hint that is true
on the worker that wrote it. `local_path` makes it true where it is called.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.errors import SynapseFileNotFoundError, SynapseMd5MismatchError


class SynapseFile(TypedDict):
    """A version of an entity, as JSON.

    `path` is None for what is no file or was not downloaded; `md5`, `size`, `content_type` and
    `file_handle_id` are None for what is no file; `activity_id` is there after a store.
    """

    id: str
    version: int | None
    name: str
    concrete_type: str
    parent_id: str | None
    path: str | None
    md5: str | None
    size: int | None
    content_type: str | None
    file_handle_id: str | None
    synapse_conn_id: str
    activity_id: NotRequired[str]


class SynapseTableFile(TypedDict):
    """The answer of a query as a file, as JSON; the rows themselves are in the file.

    `version` is that of the table that answered, and `etag` the state of its rows. The version
    of a table that is no snapshot still changes: then the same query may answer otherwise later.
    `file_format` is `csv` or `parquet`; `md5` and `size` are those of the file, `csv_md5` is that
    of the answer as Synapse wrote it.
    """

    id: str
    version: int | None
    etag: str | None
    query: str
    row_ids: bool
    file_format: str
    rows: int
    columns: list[str]
    path: str | None
    md5: str
    csv_md5: str
    size: int
    synapse_conn_id: str


def reference_of(entity: Any, synapse_conn_id: str, activity_id: str | None = None) -> SynapseFile:
    """Describe an entity, as the client returned it, for other tasks.

    Args:
        entity: an entity of the client.
        synapse_conn_id: the connection by which it can be fetched.
        activity_id: the Activity that made it, if that is known.
    """
    handle = getattr(entity, "_file_handle", None) or {}
    path = getattr(entity, "path", None)
    content_size = handle.get("contentSize")
    reference: SynapseFile = {
        "id": entity["id"],
        "version": entity.get("versionNumber"),
        "name": entity["name"],
        "concrete_type": entity["concreteType"],
        "parent_id": entity.get("parentId"),
        "path": str(path) if path else None,
        "md5": handle.get("contentMd5"),
        "size": None if content_size is None else int(content_size),
        "content_type": handle.get("contentType"),
        "file_handle_id": entity.get("dataFileHandleId"),
        "synapse_conn_id": synapse_conn_id,
    }
    if activity_id is not None:
        reference["activity_id"] = activity_id
    return reference


def local_path(reference: Mapping[str, Any]) -> str:
    """Make the bytes of a referenced file lie on this machine, and tell where.

    The path of the reference is taken when the right bytes are there; else the file is fetched
    again, by id and version, or by the query, through the reference's connection. In a running
    task it then stays in the cache until the task ends, and counts as read by the task.

    Args:
        reference: what `SynapseGetOperator`, `SynapseStoreOperator` and
            `SynapseTableQueryOperator` return.

    Raises:
        TypeError: It is no reference.
        SynapseFileNotFoundError: The entity is no file, or may not be downloaded.
        SynapseMd5MismatchError: What was fetched is not what the reference promises: a table
            that is no snapshot was changed, for example.
        SynapseNotFoundError: That version is no more.
        ImportError: It is a Parquet file, and pyarrow is not installed on this worker.
    """
    if not _is_reference(reference):
        raise TypeError(
            "local_path takes what SynapseGetOperator, SynapseStoreOperator or "
            "SynapseTableQueryOperator returns, "
            f"not {type(reference).__name__}"
        )
    return _as_promised(reference) or _fetched(reference)


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and {"id", "version"} <= value.keys()


def _as_promised(reference: Mapping[str, Any]) -> str | None:
    """Take the hint, when the right bytes are there; they are held before they are looked at."""
    path, md5 = reference.get("path"), reference.get("md5")
    if not path or not md5 or not Path(path).is_file():
        return None
    try:
        _hold(Path(path), reference)
        if file_md5(path) != md5:
            return None
    except FileNotFoundError:
        return None
    _note_read(reference)
    return str(path)


def _fetched(reference: Mapping[str, Any]) -> str:
    client = _hook(_conn_id(reference)).client
    if "query" in reference:
        return _answer(client, reference)
    path = _content(client, reference)
    found, promised = file_md5(path), reference.get("md5")
    if promised and found != promised:
        raise SynapseMd5MismatchError(
            f"{reference['id']}.{reference['version']} is not the file of the reference",
            expected=promised,
            found=found,
            path=str(path),
        )
    return str(path)


def _answer(client: Any, reference: Mapping[str, Any]) -> str:
    """Ask a query again, and make the same file of the same answer."""
    from synapse_workflows.idempotency.query_results import FileFormat, TableQuery, run_query

    promised = reference.get("csv_md5") or reference.get("md5")

    def check(found: str) -> None:
        if promised and found != promised:
            raise SynapseMd5MismatchError(
                f"{reference['id']} does not answer as it did: {reference['query']}. Only "
                "snapshots answer the same forever, and with order by in the same order: query "
                "one (from syn123.4), or say snapshot_first=True, or keep the tasks on one worker",
                expected=promised,
                found=found,
            )

    form = FileFormat(reference.get("file_format", FileFormat.CSV))
    question = TableQuery(reference["query"], reference["row_ids"], form)
    # the same answer is of the version that gave it first, whatever number that has by now
    with client.without_lineage():
        answer = run_query(client, question, None, check)
    _note_read(reference)
    return str(answer.path)


def _content(client: Any, reference: Mapping[str, Any]) -> str:
    """Get a version of a file."""
    versioned = {} if reference["version"] is None else {"version": reference["version"]}
    entity = client.get(reference["id"], **versioned)
    path = getattr(entity, "path", None)
    if not path:
        raise SynapseFileNotFoundError(
            f"{reference['id']} has no file that can be downloaded through the connection "
            f"{_conn_id(reference)!r}: it is no File, or DOWNLOAD is not granted."
        )
    return str(path)


def _hook(conn_id: str) -> Any:
    """Make a hook; a task that fetches many files makes one, and logs in once."""
    from synapse_workflows.hooks.synapse import SynapseHook
    from synapse_workflows.lineage.collector import current_collector

    collector = current_collector()
    if collector is None:
        return SynapseHook(conn_id)
    return collector.get_or_create(f"hook {conn_id}", lambda: SynapseHook(conn_id))


def _hold(path: Path, reference: Mapping[str, Any]) -> None:
    """Keep a file from eviction while the task runs, if it lies in a cache.

    The layout tells: `<root>/<handle id mod 1000>/<handle id>/<name>`.
    """
    from synapse_workflows.lineage.collector import current_collector

    collector = current_collector()
    handle = path.parent.name
    known = "query" in reference or handle == str(reference.get("file_handle_id"))
    if collector is None or not known or not handle.isdecimal():
        return
    cache = Cache(path.parents[2])
    if Path(cache.get_cache_dir(handle)) == path.parent.absolute():
        collector.pin_file(cache, path)


def _note_read(reference: Mapping[str, Any]) -> None:
    """Say in the task's lineage that it reads this; the client was not asked, and says nothing."""
    from synapse_workflows.lineage.collector import current_collector
    from synapse_workflows.provenance.record import EntityRef, Origin, Record

    collector = current_collector()
    if collector is not None:
        read = EntityRef(reference["id"], reference["version"])
        collector.add(Record.from_refs(Origin.READ, used=[read]))


def _conn_id(reference: Mapping[str, Any]) -> str:
    return str(reference.get("synapse_conn_id") or "synapse_default")
