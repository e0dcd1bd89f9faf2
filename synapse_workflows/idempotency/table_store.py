"""Storing of rows in a table by append, upsert or replace, with lineage and safe to retry."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, get_args

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.constants import VIEWS
from synapse_workflows.idempotency.local_files import (
    LocalFile,
    ResolveReference,
    as_local_file,
    is_list,
)
from synapse_workflows.idempotency.row_formats import open_rows
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.row_writer import RowWriter
from synapse_workflows.idempotency.store_calls import StoreCall, StoreCalls
from synapse_workflows.idempotency.table_reader import TableReader
from synapse_workflows.idempotency.table_schema import (
    CreatedTable,
    NewColumns,
    TableLocation,
    add_columns,
    get_or_create_table,
    infer_new_columns,
    removed_on_refusal,
    require_columns,
)
from synapse_workflows.idempotency.transaction import Deferral, TableTransaction
from synapse_workflows.idempotency.upsert_comparison import UpsertComparison, UpsertOptions
from synapse_workflows.idempotency.view_store import require_view_options, store_view_rows
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.row_provenance import record_row_provenance
from synapse_workflows.operator_arguments import check_flags, invalid_type
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
        key: Key columns, for `upsert` only; for a view, `id`, which is the default.
        delete_missing: Whether `upsert` deletes the rows of the table whose key is not in the
            source. A row without a key is deleted as well.
        where: The scope of `upsert`: a condition of the rows to compare, as `RowScope.parse` takes
            it. Other rows of the table are neither changed nor deleted, even if they have the key
            of a new row. None for all rows.
        missing_columns: Whether the rows may lack columns of the table with `append` and
            `replace`.
        chunk_rows: Maximum number of rows in one uploaded file.
        allow_empty: Whether `replace` may leave the table, and `delete_missing` the scope,
            without rows.
        columns: Names of the columns, for rows that are tuples or lists.
        match_case: Whether upper and lower case of column names must match.
        new_columns: Whether to `add` columns of the rows that the table does not have, or `fail`.
        location: Parent and name of a table that is created unless it exists; None to store the
            rows in the table with a given ID.
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
    new_columns: NewColumns = "fail"
    location: TableLocation | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_types()
        for name, choices in (("mode", StoreMode), ("new_columns", NewColumns)):
            if getattr(self, name) not in get_args(choices):
                raise AirflowFailException(
                    f"Invalid {name} {getattr(self, name)!r}: expected one of "
                    f"{', '.join(get_args(choices))}"
                )
        for name in ("key", "delete_missing", "where"):
            value = getattr(self, name)
            if self.mode != "upsert" and value not in (None, False, "", [], ()):
                raise AirflowFailException(
                    f"{name}={value!r} requires mode='upsert', but mode is {self.mode!r}. Remove "
                    f"{name} or change the mode"
                )

    def _check_types(self) -> None:
        flags = ("delete_missing", "missing_columns", "allow_empty", "match_case")
        check_flags(**{name: getattr(self, name) for name in flags})
        rows: Any = self.chunk_rows
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
            raise invalid_type(rows, "chunk_rows", "a positive number of rows")
        key: Any = self.key
        names = [key] if key is None or isinstance(key, str) else key
        if not is_list(names) or not all(isinstance(one, str | None) for one in names):
            raise invalid_type(key, "key", "the name of a column, or a list of names")

    @property
    def key_columns(self) -> list[str]:
        """The key columns as a list."""
        return [self.key] if isinstance(self.key, str) else list(self.key or ())

    def require_key(self) -> None:
        """Check that an upsert has key columns.

        Raises:
            AirflowFailException: There are no key columns.
        """
        if self.mode == "upsert" and not self.key:
            raise AirflowFailException(
                "mode='upsert' requires key=...: the columns that identify a row"
            )


def store_rows(
    client: LineageClient,
    table_id: str | None,
    rows: Any,
    options: StoreOptions,
    resolve_reference: ResolveReference,
    deferral: Deferral | None = None,
) -> SynapseTableRows:
    """Store rows in one transaction, once per call of a task.

    Args:
        client: Sends the requests.
        table_id: `syn123`, a table or a view; None to create the table at `options.location`,
            unless it exists.
        rows: The rows in any form that `row_formats.open_rows` takes.
        options: Mode, key and limits.
        resolve_reference: Returns the local path of a reference in `rows`.
        deferral: How the task waits for jobs; None to wait in the worker.

    Raises:
        AirflowFailException: The rows or the table are invalid, or both `table_id` and a location
            are given.
        SynapseHTTPError: Synapse rejected the rows; none was stored.
    """
    if table_id is not None and options.location is not None:
        raise AirflowFailException(
            f"table_id={table_id!r} and create=True exclude each other: the rows would not be in "
            f"the table {options.location.name!r}. Remove table_id, or remove create, parent_id "
            "and name"
        )
    target = None if table_id is None else client.call("GET", f"/entity/{table_id}").json
    if target is not None and target["concreteType"] in VIEWS:
        return _store_in_view(client, target, rows, options, resolve_reference)
    options.require_key()
    columns = None if target is None else require_columns(client, target)
    client.require_sources(**options.provenance)
    with open_rows(
        rows, options.columns, lambda file: _open_file(client, file, resolve_reference)
    ) as source:
        source.match_case = options.match_case
        source.is_hashed = options.delete_missing  # see `StoreCall.signature`
        table = _get_table(client, table_id, options, source)
        with removed_on_refusal(client, table):
            if target is None:
                target = client.call("GET", f"/entity/{table.table_id}").json
            columns = columns or require_columns(client, target)
            call = _create_call(client, table, source, columns, options)
            with StoreCalls.of(client, table.table_id).begin(call) as transaction:
                transaction.deferral = deferral
                target = client.known_tables.get(table.table_id, target)
                transaction.table_etag = target["etag"]
                if not transaction.is_done:
                    _write(RowWriter(client, transaction, source, options.chunk_rows), options)
                is_empty = not (table.is_new or transaction.counts or source.has_rows())
                return _create_result(
                    client, transaction, options, target, is_new=table.is_new, is_empty=is_empty
                )


def _store_in_view(
    client: LineageClient,
    view: Mapping[str, Any],
    rows: Any,
    options: StoreOptions,
    resolve_reference: ResolveReference,
) -> SynapseTableRows:
    """Store annotations through the rows of a view. Annotations have no Activity."""
    unsupported = {
        "delete_missing": options.delete_missing,
        "where": None if options.where is None else repr(options.where),
        "new_columns": options.new_columns if options.new_columns == "add" else None,
        **options.provenance,
    }
    require_view_options(view, options.mode, options.key_columns, unsupported)
    with open_rows(
        rows, options.columns, lambda file: _open_file(client, file, resolve_reference)
    ) as source:
        source.match_case = options.match_case
        changed = store_view_rows(client, view, source)
    return {
        "id": view["id"],
        "version": view["versionNumber"],
        "added": 0,
        "changed": changed,
        "deleted": 0,
        "activity_id": None,
        "synapse_conn_id": client.synapse_conn_id,
    }


def _get_table(
    client: LineageClient, table_id: str | None, options: StoreOptions, source: RowSource
) -> CreatedTable:
    """Return the table with an ID, or at the location of the options."""
    if table_id is not None:
        return CreatedTable(table_id)
    if options.location is None:
        raise AirflowFailException(
            "table_id is missing. Set it, or set create=True with parent_id and name"
        )
    return get_or_create_table(client, options.location, source)


def _create_result(
    client: LineageClient,
    transaction: TableTransaction,
    options: StoreOptions,
    target: Mapping[str, Any],
    *,
    is_new: bool,
    is_empty: bool,
) -> SynapseTableRows:
    """Record the provenance of the rows, and return the result.

    Args:
        client: Sends the requests.
        transaction: The transaction of the rows.
        options: Declared provenance, and the mode.
        target: JSON of the table from before its rows changed.
        is_new: Whether this task created the table.
        is_empty: Whether there were no rows, and no row was changed.
    """
    counts, replaces = transaction.counts, options.mode == "replace"
    entity, activity_id = record_row_provenance(
        client,
        transaction.table_id,
        changed=is_new or bool(counts),
        replaced_etag=transaction.etag if replaces else None,
        known=target if transaction.has_known_table or not replaces else None,
        is_empty=is_empty,
        **options.provenance,
    )
    return {
        "id": transaction.table_id,
        "version": entity["versionNumber"],
        "added": counts.added,
        "changed": counts.changed,
        "deleted": counts.deleted,
        "activity_id": activity_id,
        "synapse_conn_id": client.synapse_conn_id,
    }


def _create_call(
    client: LineageClient,
    table: CreatedTable,
    source: RowSource,
    columns: list[Mapping[str, Any]],
    options: StoreOptions,
) -> StoreCall:
    """Match a source with the columns of the table, and add the columns that the table lacks.

    Raises:
        AirflowFailException: The rows do not fit the table or the options.
    """
    new = infer_new_columns(columns, source) if options.new_columns == "add" else []
    source.bind_columns([*columns, *new])
    _check_source(source, options)
    if new:
        _check_rows(TableReader(client, table.table_id), source, options)
        source.bind_columns(add_columns(client, table.table_id, new, source))
    scope = repr((options.key_columns, options.where)) if options.delete_missing else None
    return StoreCall(options.mode, source, scope)


def _write(writer: RowWriter, options: StoreOptions) -> None:
    if options.mode == "append":
        writer.append()
    elif options.mode == "replace":
        writer.replace()
    else:
        writer.upsert(_upsert_options(writer.source, options))


def _upsert_options(source: RowSource, options: StoreOptions) -> UpsertOptions:
    key = source.match_names(options.key_columns, source.names)
    return UpsertOptions(key, options.where, options.delete_missing)


def _check_rows(reader: TableReader, source: RowSource, options: StoreOptions) -> None:
    """Check all rows before the columns of the table change.

    Raises:
        AirflowFailException: A row is invalid.
    """
    if options.mode == "upsert":
        UpsertComparison(reader, source, _upsert_options(source, options)).check_source()
    else:
        for _ in source.iter_rows():
            pass


@contextmanager
def _open_file(
    client: LineageClient, file: Any, resolve_reference: ResolveReference
) -> Iterator[LocalFile]:
    """Provide a file of rows on this worker inside the block, and record its URL as read."""
    with as_local_file(file, resolve_reference, "rows") as local_file:
        collector = current_collector()
        if collector and local_file.url and client.lineage_mode.is_automatic:
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
    if not source.has_rows():
        cause = "delete_missing=True" if options.delete_missing else "mode='replace'"
        target = "the table" if options.where is None else f"the scope where={options.where!r}"
        raise AirflowFailException(
            f"{source.label} has no rows, and {cause} would leave {target} empty. Set "
            "allow_empty=True to allow that"
        )
