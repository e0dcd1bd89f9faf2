"""Storing of rows in a table by append, upsert or replace, with lineage and safe to retry."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, get_args

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import columns as table_columns
from synapse_workflows.constants import TABLE
from synapse_workflows.idempotency.row_formats import open_rows
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.row_writer import RowWriter
from synapse_workflows.idempotency.staging import LocalFile, ResolveReference, as_local_file
from synapse_workflows.idempotency.store_calls import StoreCall, StoreCalls
from synapse_workflows.idempotency.transaction import Deferral
from synapse_workflows.idempotency.upsert_comparison import UpsertOptions
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.provenance.record import Origin, Record, UrlRef

#: What happens to the existing rows of the table: `append` keeps them, `upsert` updates the rows
#: that have the key of a new row, and `replace` deletes them.
StoreMode = Literal["append", "upsert", "replace"]


class SynapseTableRows(TypedDict):
    """Result of storing rows, as JSON.

    The counts are totals over all tries of the task. `version` is the number of the table's
    current version. `activity_id` is None if lineage is off and no provenance was declared.
    """

    id: str
    version: int
    added: int
    changed: int
    deleted: int
    activity_id: str | None
    synapse_conn_id: str


@dataclass(frozen=True)
class StoreOptions:
    """Options of `store_rows`.

    Args:
        mode: `append`, `upsert` or `replace`.
        key: Key columns, for `upsert` only.
        delete_missing: Whether `upsert` deletes the rows of the table whose key is not in the
            source. A row without a key is deleted as well.
        where: The scope of `upsert`: a condition of the rows to compare, as `RowScope.parse` takes
            it. Other rows of the table are neither changed nor deleted. None for all rows.
        missing_columns: Whether the rows may lack columns of the table with `append` and
            `replace`.
        chunk_rows: Maximum number of rows in one uploaded file.
        allow_empty: Whether `replace` may leave the table, and `delete_missing` the scope,
            without rows.
        columns: Names of the columns, for rows that are tuples or lists.
        match_case: Whether upper and lower case of column names must match.
        provenance: `used`, `executed`, `activity`, `activityName` and `activityDescription`, as
            `Synapse.store` takes them.

    Raises:
        AirflowFailException: The mode is unknown, or another option does not fit the mode.
    """

    mode: StoreMode = "append"
    key: Sequence[str] | str | None = None
    delete_missing: bool = False
    where: str | Mapping[str, Any] | None = None
    missing_columns: bool = False
    chunk_rows: int = 100_000
    allow_empty: bool = False
    columns: Sequence[str] | None = None
    match_case: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        modes = get_args(StoreMode)
        if self.mode not in modes:
            raise AirflowFailException(
                f"Invalid mode {self.mode!r}: expected one of {', '.join(modes)}"
            )
        if self.mode == "upsert" and not self.key:
            raise AirflowFailException(
                "mode='upsert' requires key=...: the columns that identify a row"
            )
        for name in ("key", "delete_missing", "where"):
            value = getattr(self, name)
            if self.mode != "upsert" and value not in (None, False, "", [], ()):
                raise AirflowFailException(
                    f"{name}={value!r} requires mode='upsert', but mode is {self.mode!r}. Remove "
                    f"{name} or change the mode"
                )

    @property
    def key_columns(self) -> list[str]:
        """The key columns as a list."""
        return [self.key] if isinstance(self.key, str) else list(self.key or ())


def store_rows(
    client: LineageClient,
    table_id: str,
    rows: Any,
    options: StoreOptions,
    resolve_reference: ResolveReference,
    deferral: Deferral | None = None,
) -> SynapseTableRows:
    """Store rows in one transaction, once per call of a task.

    Args:
        client: Sends the requests.
        table_id: `syn123`.
        rows: The rows in any form that `row_formats.open_rows` takes.
        options: Mode, key and limits.
        resolve_reference: Returns the local path of a reference in `rows`.
        deferral: How the task waits for jobs; None to wait in the worker.

    Raises:
        AirflowFailException: The rows or the table are invalid.
        SynapseHTTPError: Synapse rejected the rows; none was stored.
    """
    columns = _require_columns(client, table_id)
    client.require_sources(**options.provenance)
    calls = StoreCalls.of(client, table_id)
    with (
        open_rows(
            rows, options.columns, lambda file: _open_file(client, file, resolve_reference)
        ) as source,
        calls.begin(_create_call(source, columns, options)) as transaction,
    ):
        transaction.deferral = deferral
        if not transaction.is_done:
            _write(RowWriter(client, transaction, source, options.chunk_rows), options)
        counts = transaction.counts
        entity, activity_id = client.record_row_provenance(
            table_id,
            changed=bool(counts),
            replaced_etag=transaction.etag if options.mode == "replace" else None,
            **options.provenance,
        )
    return {
        "id": table_id,
        "version": entity["versionNumber"],
        "added": counts.added,
        "changed": counts.changed,
        "deleted": counts.deleted,
        "activity_id": activity_id,
        "synapse_conn_id": client.synapse_conn_id,
    }


def _create_call(
    source: RowSource, columns: Sequence[Mapping[str, Any]], options: StoreOptions
) -> StoreCall:
    """Match a source with the columns of the table.

    Raises:
        AirflowFailException: The rows do not fit the table or the options.
    """
    source.match_case = options.match_case
    source.bind_columns(columns)
    _check_source(source, options)
    scope = repr((options.key_columns, options.where)) if options.delete_missing else None
    return StoreCall(options.mode, source, scope)


def _write(writer: RowWriter, options: StoreOptions) -> None:
    if options.mode == "append":
        writer.append()
    elif options.mode == "replace":
        writer.replace()
    else:
        key = writer.source.match_names(options.key_columns, writer.source.names)
        writer.upsert(UpsertOptions(key, options.where, options.delete_missing))


def _require_columns(client: LineageClient, table_id: str) -> list[Mapping[str, Any]]:
    """Return the columns of a table.

    Raises:
        AirflowFailException: The entity is not a table or has no columns.
    """
    concrete_type = client.call("GET", f"/entity/{table_id}").json["concreteType"]
    if concrete_type != TABLE:
        raise AirflowFailException(
            f"Invalid table_id {table_id!r}: it is a {concrete_type.rpartition('.')[2]}, not a "
            "table"
        )
    columns: list[Mapping[str, Any]] = [*table_columns.getTableColumns(client, table_id)]
    if not columns:
        raise AirflowFailException(
            f"{table_id} has no columns to store rows in. Add some: "
            "schema.addColumn(Column(name='age', columnType='INTEGER')), then store the schema"
        )
    return columns


@contextmanager
def _open_file(
    client: LineageClient, file: Any, resolve_reference: ResolveReference
) -> Iterator[LocalFile]:
    """Provide a file of rows on this worker inside the block, and record its URL as read."""
    with as_local_file(file, resolve_reference, "rows") as local_file:
        collector = current_collector()
        if collector and local_file.url and client.lineage_mode is LineageMode.AUTO:
            collector.add(Record.from_refs(Origin.READ, used=[UrlRef(local_file.url)]))
        yield local_file


def _check_source(source: RowSource, options: StoreOptions) -> None:
    """Check that the source has all columns, and has rows if the mode requires rows."""
    if source.missing and options.mode != "upsert" and not options.missing_columns:
        raise AirflowFailException(
            f"{source.label} lacks columns of the table: {source.missing}. Add them, or set "
            "missing_columns=True to leave them empty"
        )
    if options.allow_empty or not (options.mode == "replace" or options.delete_missing):
        return
    if next(source.iter_rows(), None) is None:
        cause = "delete_missing=True" if options.delete_missing else "mode='replace'"
        raise AirflowFailException(
            f"{source.label} has no rows, and {cause} would leave the table empty. Set "
            "allow_empty=True to allow that"
        )
