"""Operator that queries tables and views."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.assets import SCHEME
from synapse_workflows.client.api.queries import QueryJob, parse_table_id
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.events import Event, Read
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.file_conversion import ConversionError
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.hooks.file_references import SynapseTableFile
from synapse_workflows.hooks.query_reads import check_query
from synapse_workflows.idempotency.object_storage import ObjectTarget, parse_target, require_file
from synapse_workflows.idempotency.query_results import (
    FileFormat,
    OutputFormat,
    QueryResultFile,
    TableQuery,
    link_in_cache,
    parse_file_format,
    pin_version,
    run_query,
    run_query_to_file,
)
from synapse_workflows.idempotency.query_state import QueryState
from synapse_workflows.idempotency.snapshot import SnapshotMaker
from synapse_workflows.idempotency.snapshot_state import SnapshotRequest
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import check_choice, check_flags, optional_text
from synapse_workflows.operators.deferrable import DeferrableSynapseOperator
from synapse_workflows.triggers.execution_deadline import get_execution_deadline

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseTableQueryOperator(DeferrableSynapseOperator):
    """Query a table or view and write the result to a file; no rows are stored in XComs.

    The queried version of the table is recorded as used; if the query names no snapshot, this is
    the current version. Returns a reference (`SynapseTableFile`) for other tasks.
    `local_path(reference)` returns the file on any worker. If the file is on another worker,
    `local_path` repeats the query, and fails if the result has changed. Only a snapshot gives the
    same result every time. If tasks may run on several machines, query a snapshot or set
    `snapshot_first=True`.

    A Parquet file has the types of the columns: integers with nulls are integers, dates are
    timestamps in UTC (milliseconds), lists are lists, IDs and JSON are text. In JSON lines, dates
    are text in ISO 8601, and JSON is nested. The column names of both must be unique.

    With `deferrable`, the task starts the query and waits in the triggerer; then the worker
    downloads the result. A retry continues with the same query.

    Args:
        sql: The query: `select name from syn123 where age > 5`, or `from syn123.4` for a
            snapshot; or the path of a `.sql` file (templated).
        output_path: The file to write: a local path, the URL of an object
            (`s3://conn@bucket/key`), or an `ObjectStoragePath`; the default is a file in the
            worker's cache, named after the task and the format, as `task_id.csv` (templated).
        download_dir: Directory for the file, whose name is generated; a path, a URL or an
            `ObjectStoragePath` (templated).
        output_format: `csv`, `tsv`, `jsonl` (one JSON object per line) or `parquet`; the default
            is the format of the suffix of `output_path`, else `csv`. An `output_path` that ends in
            `.gz` is compressed, except Parquet. Parquet requires
            `pip install 'synapse-workflows[parquet]'`.
        include_row_ids: Whether rows start with ROW_ID and ROW_VERSION, which updates need.
        snapshot_first: Whether to create a snapshot and query that snapshot. A retry queries the
            same snapshot.
        if_unchanged: What to do with `snapshot_first` if the table has not changed since the
            requested snapshot: `snapshot` creates another snapshot, `reuse` queries the existing
            one; see `SynapseTableSnapshotOperator`.
        version_label: Label of that snapshot (templated).
        version_comment: Comment of that snapshot (templated).
        kwargs: `deferrable`, `poll_interval`, `timeout` (see `DeferrableSynapseOperator`),
            `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

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
        *DeferrableSynapseOperator.template_fields,
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
        check_flags(include_row_ids=include_row_ids, snapshot_first=snapshot_first)
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
        if output_format is not None:
            check_choice(output_format, "output_format", OutputFormat)
        self.output_format: OutputFormat | None = output_format
        self.include_row_ids = include_row_ids
        self.snapshot_first = snapshot_first
        self.if_unchanged: Literal["snapshot", "reuse"] = if_unchanged
        self.version_label = version_label
        self.version_comment = version_comment

    def execute(self, context: "Context") -> SynapseTableFile:
        """Run the query and return the reference of its result."""
        deadline = get_execution_deadline(self)
        self._check_target()
        table = self._table()
        self.set_entity_url(table.id, table.version)
        snapshot = self._get_snapshot(context, table) if self.snapshot_first else None
        query = self._query(table, snapshot)
        if self.deferrable:
            state = QueryState(TaskState.from_context(context), query)
            job = state.get_or_start_job(self.client)
            self.defer_until_done(query.to_csv_query().path, job, deadline, snapshot=snapshot)
        return self._complete(context, query, snapshot, None)

    def execute_complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        execution_deadline: float | None = None,
        snapshot: int | None = None,
    ) -> SynapseTableFile:
        """Download the result of the query, after the trigger fired.

        Args:
            context: Context of the task.
            event: Event of the trigger.
            execution_deadline: End of the execution_timeout, in seconds since the epoch.
            snapshot: Version of the snapshot with `snapshot_first`.

        Raises:
            SynapseTimeoutError: The triggerer stopped waiting; a retry continues to wait.
            AirflowTaskTimeout: The execution_timeout has passed; a retry continues to wait.
        """
        with self.resumed(event, execution_deadline):
            query = self._query(self._table(), snapshot)
            state = QueryState(TaskState.from_context(context), query)
            job = state.load_job(str(event["job"]))
            with state.clear_on_error():
                return self._complete(context, query, snapshot, job)

    def _complete(
        self, context: "Context", query: TableQuery, snapshot: int | None, job: QueryJob | None
    ) -> SynapseTableFile:
        """Write the result of the query; start the query unless it has a job."""
        table, target = self._table(), self._target()
        name = self._name(context, query)
        if snapshot is not None:
            self._snapshot_maker(context, table).finish(snapshot)
        with _recorded_reads(self.client) as reads:
            try:
                result = self._run(query, target, job)
                if target is None:
                    result = link_in_cache(self.client, result, name)
            except ConversionError as error:
                raise AirflowFailException(str(error)) from error
        version = next((one.version for one in reads if one.entity_id == table.id), None)
        reference = self._reference(result, query, version, name)
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

    def _check_target(self) -> None:
        """Check that the target can be written, before any request."""
        self._target()
        file_format, _ = self._file_format()
        if file_format is FileFormat.PARQUET:
            try:
                parquet.require_pyarrow()
            except ImportError as error:
                raise AirflowFailException(str(error)) from error

    def _file_format(self) -> tuple[FileFormat, bool]:
        """Return the format of the file, and whether the file is compressed."""
        try:
            return parse_file_format(str(self.output_path or ""), self.output_format)
        except ValueError as error:
            raise AirflowFailException(str(error)) from error

    def list_file_datasets(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the dataset of the written file, with the columns from which it was computed."""
        target = self._target()
        if target is None or self.output_path is None or not inputs:
            return []
        from synapse_workflows.openlineage_columns import build_result_dataset

        url = target.as_uri() if isinstance(target, Path) else redact_url(target.url)
        if url.startswith(f"{SCHEME}://"):
            return []  # the file is an entity that the task has stored
        return [build_result_dataset(url, check_query(self.sql), inputs[0])]

    def _query(self, table: VersionedId, snapshot: int | None) -> TableQuery:
        sql = check_query(self.sql)
        sql = sql if snapshot is None else pin_version(sql, table.id, snapshot)
        return TableQuery(sql, self.include_row_ids, *self._file_format())

    def _table(self) -> VersionedId:
        return parse_table_id(check_query(self.sql))

    def _get_snapshot(self, context: "Context", table: VersionedId) -> int:
        """Create a snapshot, or use the existing one; return its version."""
        if table.version is not None:
            raise AirflowFailException(
                f"snapshot_first=True creates a snapshot of the current {table.id}, but the query "
                f"reads version {table.version}. Query {table.id}, or remove snapshot_first"
            )
        maker = self._snapshot_maker(context, table)
        version = maker.get_or_create()
        verb = "Created" if maker.is_created else "Unchanged; used again:"
        self.log.info("%s the snapshot %s.%s", verb, table.id, version)
        return version

    def _snapshot_maker(self, context: "Context", table: VersionedId) -> SnapshotMaker:
        request = SnapshotRequest(
            optional_text(self.version_label, "version_label", allow_empty=False),
            comment=optional_text(self.version_comment, "version_comment"),
            if_unchanged=self.if_unchanged,
        )
        return SnapshotMaker(self.client, TaskState.from_context(context), table.id, request)

    def _target(self) -> Path | ObjectTarget | None:
        """Return the file or directory to write to; None for the cache."""
        name = "download_dir" if self.output_path is None else "output_path"
        value = getattr(self, name)
        try:
            target = None if value is None else parse_target(value, name)
            if target is not None and self.output_path is not None:
                require_file(target, name)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(str(error)) from error
        return target

    def _run(
        self, query: TableQuery, target: Path | ObjectTarget | None, job: QueryJob | None
    ) -> QueryResultFile:
        """Run the query. If the target is an object, write the result to the cache first."""
        if not isinstance(target, Path):
            return run_query(self.client, query, job=job)
        if self.output_path is not None:
            return run_query_to_file(self.client, query, target, job)
        return run_query(self.client, query, target, job=job)

    def _name(self, context: "Context", query: TableQuery) -> str:
        """Return the file name, identical in each run so that uploads update the same entity."""
        if self.output_path is not None:
            return PurePosixPath(str(self.output_path)).name
        index = context["ti"].map_index
        suffix = f"_{index}" if index is not None and index >= 0 else ""
        return f"{self.task_id}{suffix}{query.suffix}"

    def _reference(
        self, result: QueryResultFile, query: TableQuery, version: int | None, name: str
    ) -> SynapseTableFile:
        return {
            "id": result.table_id,
            "version": version,
            "name": name,
            "etag": result.etag,
            "query": query.sql,
            "row_ids": self.include_row_ids,
            "file_format": query.file_format.value,
            "compression": "gzip" if query.is_gzipped else None,
            "rows": result.rows,
            "columns": list(result.columns),
            "path": str(result.path),
            "md5": file_md5(result.path) if query.is_converted else result.csv_md5,
            "csv_md5": result.csv_md5,
            "size": result.path.stat().st_size,
            "synapse_conn_id": self.synapse_conn_id,
        }


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
