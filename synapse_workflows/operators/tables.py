"""Operators that query tables and store rows in them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.events import Event, Read
from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.file_references import SynapseTableFile
from synapse_workflows.idempotency.object_storage import ObjectTarget, parse_target
from synapse_workflows.idempotency.query_results import (
    FileFormat,
    OutputFormat,
    QueryResultFile,
    TableQuery,
    link_in_cache,
    pin_version,
    run_query,
    run_query_to_file,
)
from synapse_workflows.idempotency.snapshot import SnapshotMaker
from synapse_workflows.idempotency.snapshot_state import SnapshotRequest
from synapse_workflows.idempotency.table_store import StoreMode, SynapseTableRows
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import check_choice, optional_text, require_text
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

_FORMATS: Final = {".parquet": FileFormat.PARQUET}


class SynapseTableQueryOperator(SynapseOperator):
    """Query a table or view and write the result to a file; no rows are stored in XComs.

    The queried version of the table is recorded as used; if the query names no snapshot, this is
    the current version. Returns a reference (`SynapseTableFile`) for other tasks.
    `local_path(reference)` returns the file on any worker. If the file is on another worker,
    `local_path` repeats the query, and fails if the result has changed. Only a snapshot gives the
    same result every time. If tasks may run on several machines, query a snapshot or set
    `snapshot_first=True`.

    A Parquet file has the types of the columns: integers with nulls are integers, dates are
    timestamps in UTC (milliseconds), lists are lists, IDs and JSON are text. Its column names must
    be unique.

    Args:
        sql: The query: `select name from syn123 where age > 5`, or `from syn123.4` for a
            snapshot; or the path of a `.sql` file (templated).
        output_path: The file to write: a local path, the URL of an object
            (`s3://conn@bucket/key`), or an `ObjectStoragePath`; the default is a file in the
            worker's cache, named after the task and the format, as `task_id.csv` (templated).
        download_dir: Directory for the file, whose name is generated; a path, a URL or an
            `ObjectStoragePath` (templated).
        output_format: `csv` or `parquet`; the default is `parquet` for an `output_path` that ends
            in `.parquet`, else `csv`. Parquet requires
            `pip install 'synapse-workflows[parquet]'`.
        include_row_ids: Whether rows start with ROW_ID and ROW_VERSION, which updates need.
        snapshot_first: Whether to create a snapshot and query that snapshot. A retry queries the
            same snapshot.
        if_unchanged: What to do with `snapshot_first` if the table has not changed since the
            requested snapshot: `snapshot` creates another snapshot, `reuse` queries the existing
            one; see `SynapseTableSnapshotOperator`.
        version_label: Label of that snapshot (templated).
        version_comment: Comment of that snapshot (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: Both `output_path` and `download_dir` are given; the format or `if_unchanged`
            is unknown; or an argument requires `snapshot_first`.
    """

    template_fields: Sequence[str] = (
        "sql",
        "output_path",
        "download_dir",
        "version_label",
        "version_comment",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("sql",)
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        sql: str,
        output_path: Any = None,
        download_dir: Any = None,
        output_format: OutputFormat | None = None,
        include_row_ids: bool = False,
        snapshot_first: bool = False,
        if_unchanged: Literal["snapshot", "reuse"] = "snapshot",
        version_label: str | None = None,
        version_comment: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if output_path is not None and download_dir is not None:
            raise ValueError("output_path and download_dir exclude each other: remove one of them")
        check_choice(if_unchanged, "if_unchanged", Literal["snapshot", "reuse"])
        options = {"version_label": version_label, "version_comment": version_comment}
        unused = [name for name, value in options.items() if value is not None]
        unused += ["if_unchanged"] if if_unchanged != "snapshot" else []
        if unused and not snapshot_first:
            raise ValueError(
                f"{', '.join(unused)} requires snapshot_first=True: without it, the query creates "
                "no snapshot"
            )
        self.sql = sql
        self.output_path = output_path
        self.download_dir = download_dir
        self.output_format = None if output_format is None else FileFormat(output_format)
        self.include_row_ids = include_row_ids
        self.snapshot_first = snapshot_first
        self.if_unchanged: Literal["snapshot", "reuse"] = if_unchanged
        self.version_label = version_label
        self.version_comment = version_comment

    def execute(self, context: "Context") -> SynapseTableFile:
        """Run the query and return the reference of its result."""
        file_format, target = self._file_format(), self._target()
        name = self._name(context, file_format)
        table = self._table()
        self.set_entity_url(table.id, table.version)
        client = self.hook.client
        sql = self.sql
        if self.snapshot_first:
            sql = pin_version(sql, table.id, self._create_snapshot(client, context, table))
        with _recorded_reads(client) as reads:
            try:
                query = TableQuery(sql, self.include_row_ids, file_format)
                result = self._run(client, query, target)
                if target is None:
                    result = link_in_cache(client, result, name)
            except parquet.ParquetConversionError as error:
                raise AirflowFailException(str(error)) from error
        version = next((one.version for one in reads if one.entity_id == table.id), None)
        reference = self._reference(result, sql, file_format, version, name)
        self.set_entity_url(reference["id"], version)
        if isinstance(target, ObjectTarget):
            is_file = self.output_path is not None
            reference["path"] = (target if is_file else target.join(result.path.name)).write(
                result.path, "overwrite.local"
            )
        self.set_map_index_name(context, name)
        self.push_items(context, reference)
        self.log.info(
            "Wrote %s rows of %s.%s to %s",
            reference["rows"],
            reference["id"],
            version,
            reference["path"],
        )
        return reference

    def _file_format(self) -> FileFormat:
        """Return the format of the file, and check that it can be written."""
        suffix = Path(str(self.output_path)).suffix.lower()
        file_format = self.output_format or _FORMATS.get(suffix, FileFormat.CSV)
        if file_format is FileFormat.PARQUET:
            try:
                parquet.require_pyarrow()
            except ImportError as error:
                raise AirflowFailException(str(error)) from error
        return file_format

    def _table(self) -> VersionedId:
        try:
            return parse_table_id(require_text(self.sql, "sql"))
        except ValueError as error:
            raise AirflowFailException(str(error)) from error

    def _create_snapshot(
        self, client: LineageClient, context: "Context", table: VersionedId
    ) -> int:
        """Create a snapshot, or use the existing one; return its version."""
        if table.version is not None:
            raise AirflowFailException(
                f"snapshot_first=True creates a snapshot of the current {table.id}, but the query "
                f"reads version {table.version}. Query {table.id}, or remove snapshot_first"
            )
        request = SnapshotRequest(
            optional_text(self.version_label, "version_label"),
            comment=optional_text(self.version_comment, "version_comment"),
            if_unchanged=self.if_unchanged,
        )
        maker = SnapshotMaker(client, TaskState.from_context(context), table.id, request)
        snapshot = maker.finish(maker.get_or_create())
        if not snapshot["created"]:
            self.log.info(
                "%s has not changed; using the snapshot %s again", table.id, snapshot["version"]
            )
        return snapshot["version"]

    def _target(self) -> Path | ObjectTarget | None:
        """Return the file or directory to write to; None for the cache."""
        name = "download_dir" if self.output_path is None else "output_path"
        value = getattr(self, name)
        try:
            return None if value is None else parse_target(value, name)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(str(error)) from error

    def _run(
        self, client: LineageClient, query: TableQuery, target: Path | ObjectTarget | None
    ) -> QueryResultFile:
        """Run the query. If the target is an object, write the result to the cache first."""
        if not isinstance(target, Path):
            return run_query(client, query)
        if self.output_path is not None:
            return run_query_to_file(client, query, target)
        return run_query(client, query, target)

    def _name(self, context: "Context", file_format: FileFormat) -> str:
        """Return the file name, identical in each run so that uploads update the same entity."""
        if self.output_path is not None:
            return PurePosixPath(str(self.output_path)).name
        index = context["ti"].map_index
        suffix = f"_{index}" if index is not None and index >= 0 else ""
        return f"{self.task_id}{suffix}.{file_format.value}"

    def _reference(
        self,
        result: QueryResultFile,
        sql: str,
        file_format: FileFormat,
        version: int | None,
        name: str,
    ) -> SynapseTableFile:
        is_csv = file_format is FileFormat.CSV
        return {
            "id": result.table_id,
            "version": version,
            "name": name,
            "etag": result.etag,
            "query": sql,
            "row_ids": self.include_row_ids,
            "file_format": file_format.value,
            "rows": result.rows,
            "columns": list(result.columns),
            "path": str(result.path),
            "md5": result.csv_md5 if is_csv else file_md5(result.path),
            "csv_md5": result.csv_md5,
            "size": result.path.stat().st_size,
            "synapse_conn_id": self.synapse_conn_id,
        }


class SynapseTableStoreOperator(SynapseOperator):
    """Store rows in a table and record their provenance.

    One Synapse transaction stores either all rows or no row. No row is stored twice, even if the
    task is retried or its worker stops at any point. `upsert` does not change rows that are
    already equal. With `replace`, readers see either the old rows or the new rows. If
    another writer changes the table at the same time, the rows are compared again. Returns the
    numbers of changed rows (`SynapseTableRows`).

    Args:
        table_id: The table, or a reference to it (templated).
        rows: The rows (templated), in one of these forms:

            - a pandas or polars DataFrame, or a pyarrow Table. The named levels of a pandas index
              are columns; an index without a name is ignored.
            - a list or generator of dictionaries. A missing name is an empty cell.
            - a list or generator of tuples or lists, such as the result of an SQL operator, with
              `columns`.
            - a file: a local path, the URL of an object, an `ObjectStoragePath`, or a reference
              of another task. Its format is CSV with a header, TSV (`.tsv`) or JSON lines
              (`.jsonl`, `.ndjson`), each also compressed by gzip, or Parquet.
            - a list of files or DataFrames with the same columns, such as the results of a mapped
              task.

            Values are converted to the types of the columns. None, `NA`, `NaT` and NaN are empty
            cells; only polars, Arrow and Parquet tell NaN from null, and store it in DOUBLE
            columns. A datetime without a time zone is in UTC.
        mode: `append`, `upsert` or `replace` (templated).
        key: For `upsert`, the columns that identify a row (templated).
        delete_missing: For `upsert`, whether to delete the rows of the table whose key is not in
            `rows`, in the same transaction. Rows without a key are deleted as well.
        where: For `upsert`, the scope: only rows of the table that meet this condition are
            compared, changed or deleted, and all new rows must meet it. SQL that compares columns
            with values (`centre = 'X' and year >= 2020`), or a dictionary of columns and values,
            which are quoted (`{"centre": "{{ params.centre }}"}`) (templated).
        missing_columns: Whether the rows may lack columns of the table with `append` and
            `replace`; the missing cells are empty. `upsert` keeps the values in those columns.
        chunk_rows: Maximum number of rows in one uploaded file.
        allow_empty: Whether `replace` may leave the table, and `delete_missing` the scope,
            without rows.
        columns: Names of the columns, for rows that are tuples or lists (templated).
        match_case: Whether upper and lower case of column names must match. False for the
            upper-case names of many warehouses; the names in `key` may then differ in case, too.
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        activity: Inputs, code, name and description as one `Activity` or its JSON. An Activity
            with an ID is linked unchanged (templated).
        activity_name: Name of the Activity; the default is the name of the task (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` (`declared`: record only `used` and `executed`)
            and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "table_id",
        "rows",
        "mode",
        "key",
        "where",
        "columns",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("rows", "used", "executed", "activity")
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "rows": "json",
        "used": "json",
        "executed": "json",
        "activity": "json",
    }

    def __init__(
        self,
        *,
        table_id: Any,
        rows: Any,
        mode: StoreMode = "append",
        key: Sequence[str] | str | None = None,
        delete_missing: bool = False,
        where: str | Mapping[str, Any] | None = None,
        missing_columns: bool = False,
        chunk_rows: int = 100_000,
        allow_empty: bool = False,
        columns: Sequence[str] | None = None,
        match_case: bool = True,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.rows = rows
        self.mode = mode
        self.key = key
        self.delete_missing = delete_missing
        self.where = where
        self._has_where = where is not None
        self.missing_columns = missing_columns
        self.chunk_rows = chunk_rows
        self.allow_empty = allow_empty
        self.columns = columns
        self.match_case = match_case
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(self, context: "Context") -> SynapseTableRows:
        """Store the rows and return the numbers of changed rows."""
        table_id = parse_unversioned_id(self.table_id, "table_id")
        with self.entity_link(table_id):
            result = self.hook.store_rows(
                table_id,
                self.rows,
                self.mode,
                key=self.key,
                delete_missing=self.delete_missing,
                where="" if self.where is None and self._has_where else self.where,
                missing_columns=self.missing_columns,
                chunk_rows=self.chunk_rows,
                allow_empty=self.allow_empty,
                columns=self.columns,
                match_case=self.match_case,
                used=self.used,
                executed=self.executed,
                activity=self.activity,
                activity_name=self.activity_name,
                activity_description=self.activity_description,
            )
        self.set_map_index_name(context, table_id)
        self.push_items(context, result)
        return result


@contextmanager
def _recorded_reads(client: LineageClient) -> Iterator[list[Read]]:
    """Provide a list that collects the read events of the client inside the block."""
    reads: list[Read] = []

    def record(event: Event) -> None:
        if isinstance(event, Read):
            reads.append(event)

    unsubscribe = client.subscribe(record)
    try:
        yield reads
    finally:
        unsubscribe()
