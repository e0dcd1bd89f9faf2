"""References to files: JSON values that tasks pass to each other instead of files.

A reference names a version of an entity, or a query, and the MD5 of the file. Its `path` is valid
on the worker that wrote it; `local_path` returns a valid path on any worker.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.errors import SynapseFileNotFoundError, SynapseMd5MismatchError
from synapse_workflows.constants import ENTITY_TYPES, FILE
from synapse_workflows.operator_arguments import is_reference, is_staged, parse_reference_text
from synapse_workflows.staging.staged_download import CACHE_NAME, download_staged

if TYPE_CHECKING:
    from synapse_workflows.hooks.base import SynapseBaseHook
    from synapse_workflows.lineage.lineage_client import LineageClient


class SynapseFile(TypedDict):
    """Reference to a version of an entity, as JSON.

    `path` is None for entities without a file and for files that were not downloaded. `md5`,
    `size`, `content_type` and `file_handle_id` are None for entities without a file.
    `activity_id` is present after a store.
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
    """Reference to the result of a query, as JSON; the rows are in the file.

    `version` is the version of the table that was queried, and `etag` the state of its rows. If
    that version is not a snapshot, the same query may have a different result later. `name` is the
    file name in `output_path`; without `output_path`, the id of the task and the format.
    `file_format` is `csv`, `tsv`, `jsonl` or `parquet`, and `compression` is `gzip` or None. `md5`
    and `size` describe the file; `csv_md5` is the MD5 of the CSV or TSV file that Synapse wrote.
    """

    id: str
    version: int | None
    name: str
    etag: str | None
    query: str
    row_ids: bool
    file_format: str
    compression: str | None
    rows: int
    columns: list[str]
    path: str | None
    md5: str
    csv_md5: str
    size: int
    synapse_conn_id: str


def reference_of(entity: Any, synapse_conn_id: str, activity_id: str | None = None) -> SynapseFile:
    """Build the reference of an entity.

    Args:
        entity: An entity of the client.
        synapse_conn_id: The connection for downloads of the entity.
        activity_id: ID of the Activity of the version, if known.
    """
    values = entity.serialize() | {"synapse_conn_id": synapse_conn_id}
    reference = cast("SynapseFile", values)
    if activity_id is not None:
        reference["activity_id"] = activity_id
    return reference


def local_path(reference: Mapping[str, Any] | str) -> str:
    """Return the path of a referenced file on this worker; download the file if necessary.

    The path of the reference is used if it has the expected content. Otherwise the file is
    downloaded by ID and version, or by its query, with the connection of the reference; a staged
    file is downloaded from the staging area. In a running task the file stays in the cache until
    the task ends, and counts as read by the task.

    Args:
        reference: The result of `SynapseGetOperator`, `SynapseStoreOperator`,
            `SynapseTableQueryOperator` or `staged`, or the text that a template renders of it.

    Raises:
        TypeError: The argument is not a reference.
        SynapseFileNotFoundError: The entity has no file, the file cannot be downloaded, or the
            staged file was removed.
        SynapseMd5MismatchError: The MD5 of the downloaded file differs from the reference, for
            example because a table that is not a snapshot has changed.
        SynapseNotFoundError: The version does not exist any more.
        ImportError: The file is a Parquet file, and pyarrow is not installed.
    """
    value = parse_reference_text(reference)
    if is_staged(value):
        return str(download_staged(value))
    if not is_reference(value):
        raise TypeError(
            f"Invalid reference of type {type(value).__name__}, {value!r:.100}: expected the "
            "result of SynapseGetOperator, SynapseStoreOperator, SynapseTableQueryOperator or "
            "staged()"
        )
    return _find_local(value) or _download(value)


def _find_local(reference: Mapping[str, Any]) -> str | None:
    """Return the path of the reference if the file has the expected content; else None."""
    path, md5 = reference.get("path"), reference.get("md5")
    if not path or not md5:
        return None
    try:
        if not Path(path).is_file():
            return None
        _pin(Path(path), reference)
        if file_md5(path) != md5:
            return None
    except OSError:  # deleted, or in a directory of another user
        return None
    _record_read(reference)
    return str(path)


def _download(reference: Mapping[str, Any]) -> str:
    client = _hook(_conn_id(reference)).client
    if "query" in reference:
        return _run_query(client, reference)
    path = _download_content(client, reference)
    found, expected = file_md5(path), reference.get("md5")
    if expected and found != expected:
        raise SynapseMd5MismatchError(
            f"The content of {reference['id']}.{reference['version']} differs from the reference: "
            f"its MD5 is {found}, not {expected}. Run the task that returned the reference again",
            expected=expected,
            found=found,
            path=str(path),
        )
    return str(path)


def _run_query(client: "LineageClient", reference: Mapping[str, Any]) -> str:
    """Run the query of a reference again; return the path of its result."""
    from synapse_workflows.idempotency.query_results import FileFormat, TableQuery, run_query

    expected = reference.get("csv_md5") or reference.get("md5")

    def check(found: str) -> None:
        if expected and found != expected:
            raise SynapseMd5MismatchError(
                f"The result of the query has changed: {reference['query']}. Only a snapshot of "
                f"{reference['id']} gives the same result every time, and with ORDER BY in the "
                "same order. Query a snapshot (from syn123.4), set snapshot_first=True, or run "
                "the tasks on one worker",
                expected=expected,
                found=found,
            )

    file_format = FileFormat(reference.get("file_format", FileFormat.CSV))
    is_gzipped = reference.get("compression") == "gzip"
    query = TableQuery(reference["query"], reference["row_ids"], file_format, is_gzipped)
    # an equal result is recorded as read from the version of the reference, not the current one
    with client.without_lineage():
        result = run_query(client, query, None, check)
    _record_read(reference)
    return str(result.path)


def _download_content(client: "LineageClient", reference: Mapping[str, Any]) -> str:
    version = {} if reference["version"] is None else {"version": reference["version"]}
    entity = client.get(reference["id"], **version)
    path = getattr(entity, "path", None)
    if not path:
        kind = ENTITY_TYPES.get(getattr(entity, "concreteType", FILE), "entity")
        raise SynapseFileNotFoundError(
            f"Cannot download the file of {reference['id']} with the connection "
            f"{_conn_id(reference)!r}: "
            + (
                "the DOWNLOAD permission is missing, or the file has no content."
                if kind == "file"
                else f"an entity of the type {kind} has no file. Pass the ID of a file."
            )
        )
    return str(path)


def _hook(conn_id: str) -> "SynapseBaseHook":
    """Return a hook. All downloads of a task share one hook, which logs in once."""
    from synapse_workflows.hooks.base import SynapseBaseHook
    from synapse_workflows.lineage.collector import current_collector

    collector = current_collector()
    if collector is None:
        return SynapseBaseHook(conn_id)
    return collector.get_or_create(f"hook {conn_id}", lambda: SynapseBaseHook(conn_id))


def _pin(path: Path, reference: Mapping[str, Any]) -> None:
    """Protect a file from eviction while the task runs, if the file is in a cache.

    The path of a file in a cache is `<root>/<handle id mod 1000>/<handle id>/<name>`.
    """
    from synapse_workflows.lineage.collector import current_collector

    collector = current_collector()
    handle = path.parent.name
    is_expected = (
        "query" in reference
        or handle == str(reference.get("file_handle_id"))
        or path.parts[-4:-3] == (CACHE_NAME,)  # a staged file that was stored
    )
    if collector is None or not is_expected or not handle.isdecimal():
        return
    cache = Cache(path.parents[2])
    if Path(cache.get_cache_dir(handle)) == path.parent.absolute():
        collector.pin_file(cache, path)


def _record_read(reference: Mapping[str, Any]) -> None:
    """Record a read in the lineage of the task, because no client reads the entity."""
    from synapse_workflows.client.api.queries import parse_table_id
    from synapse_workflows.lineage.collector import current_collector
    from synapse_workflows.provenance.record import EntityRef, Origin, Record

    collector = current_collector()
    if collector is not None:
        is_open = "query" in reference and parse_table_id(reference["query"]).version is None
        read = EntityRef(reference["id"], reference["version"], is_open=is_open)
        collector.add(Record.from_refs(Origin.READ, used=[read]))


def _conn_id(reference: Mapping[str, Any]) -> str:
    return str(reference.get("synapse_conn_id") or "synapse_default")
