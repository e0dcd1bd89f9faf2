"""The operator that queries tables and views."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.events import Event, Read
from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.file_references import SynapseTableFile
from synapse_workflows.idempotency.query_results import (
    FileFormat,
    QueryResultFile,
    TableQuery,
    run_query,
    run_query_to_file,
)
from synapse_workflows.idempotency.snapshot import SnapshotMaker
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operators.base import SynapseOperator

_SUFFIXES: Final = {".parquet": FileFormat.PARQUET}


class SynapseTableQueryOperator(SynapseOperator):
    """Queries a table or view, and leaves the answer as a file; no row ever is in an XCom.

    The version of the table that answered counts as used; that of a table or view that is no
    snapshot is the number under which it still changes. Returns a reference
    (`SynapseTableFile`) for other tasks: `local_path(reference)` gives the file on whichever
    worker they run, asking again where that is another one. Only snapshots answer the same
    forever, so where tasks may run on several machines, query one, or say `snapshot_first=True`:
    a table that answers otherwise by then fails the task that asks again.

    A Parquet file has the types of the columns: integers with nulls are integers, dates are
    moments in UTC (milliseconds), lists are lists, ids and JSON are text. No two columns of it may
    have the same name.

    Args:
        sql: SQL: `select name from syn123 where age > 5`; `from syn123.4` asks a snapshot
            (templated).
        output_path: the file to write; the default is one in the worker's cache (templated).
        download_dir: a directory for it instead, where it gets a name of its own (templated).
        output_format: `csv` or `parquet`; the default is what the suffix of `output_path`
            says, `.parquet`
            or anything else. Parquet needs `pip install 'synapse-workflows[parquet]'`.
        include_row_ids: begin rows with ROW_ID and ROW_VERSION, as changing them needs.
        snapshot_first: freeze the table, and ask the snapshot; a retry asks the same one.
        version_label: of that snapshot (templated).
        version_comment: of that snapshot (templated).
        kwargs: `synapse_conn_id`, `lineage_mode`, and what every operator takes.

    Raises:
        ValueError: both `output_path` and `download_dir`, or another format.
    """

    template_fields: Sequence[str] = (
        "sql",
        "output_path",
        "download_dir",
        "version_label",
        "version_comment",
        *SynapseOperator.template_fields,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        sql: str,
        output_path: str | None = None,
        download_dir: str | None = None,
        output_format: str | None = None,
        include_row_ids: bool = False,
        snapshot_first: bool = False,
        version_label: str | None = None,
        version_comment: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if output_path is not None and download_dir is not None:
            raise ValueError(
                "output_path says where the file goes already; leave out download_dir"
            )
        self.sql = sql
        self.output_path = output_path
        self.download_dir = download_dir
        self.output_format = None if output_format is None else FileFormat(output_format)
        self.include_row_ids = include_row_ids
        self.snapshot_first = snapshot_first
        self.version_label = version_label
        self.version_comment = version_comment

    def execute(self, context: Any) -> SynapseTableFile:
        """Query; return the reference of the answer."""
        form = self._form()
        client = self.hook.client
        asked = self._asked()
        query = self.sql
        if self.snapshot_first:
            query = _pinned(query, asked.id, self._freeze(client, context, asked))
        with _listening(client) as heard:
            try:
                answer = self._answer(client, TableQuery(query, self.include_row_ids, form))
            except parquet.ParquetConversionError as wrong:
                raise AirflowFailException(str(wrong)) from wrong
        version = next((one.version for one in heard if one.entity_id == asked.id), None)
        reference = self._reference(answer, query, form, version)
        self.show(reference)
        self.log.info(
            "%s.%s answered %s rows: %s",
            reference["id"],
            version,
            reference["rows"],
            reference["path"],
        )
        return reference

    def _form(self) -> FileFormat:
        """Find the format of the file, and that it can be written, before anything is asked."""
        suffix = Path(self.output_path).suffix.lower() if self.output_path is not None else ""
        form = self.output_format or _SUFFIXES.get(suffix, FileFormat.CSV)
        if form is FileFormat.PARQUET:
            try:
                parquet.require_pyarrow()
            except ImportError as missing:
                raise AirflowFailException(str(missing)) from missing
        return form

    def _asked(self) -> VersionedId:
        try:
            return parse_table_id(self.sql)
        except ValueError as wrong:
            raise AirflowFailException(str(wrong)) from wrong

    def _freeze(self, client: LineageClient, context: Any, asked: VersionedId) -> int:
        """Freeze the table, unless an earlier try did."""
        if asked.version is not None:
            raise AirflowFailException(
                f"snapshot_first=True freezes {asked.id} as it is now; then the query cannot ask "
                f"version {asked.version} of it"
            )
        freezer = SnapshotMaker(client, context, asked.id)
        number = freezer.found()
        if number is None and freezer.job is not None:
            number = freezer.await_job()
        if number is None:
            number = freezer.make(self.version_label, self.version_comment)
        return freezer.finish(number)["version"]

    def _answer(self, client: LineageClient, question: TableQuery) -> QueryResultFile:
        """Have the answer lie where it was asked for."""
        if self.output_path is not None:
            return run_query_to_file(
                client, question, Path(self.output_path).expanduser().absolute()
            )
        return run_query(
            client, question, None if self.download_dir is None else Path(self.download_dir)
        )

    def _reference(
        self, answer: QueryResultFile, query: str, form: FileFormat, version: int | None
    ) -> SynapseTableFile:
        is_csv = form is FileFormat.CSV
        return {
            "id": answer.table_id,
            "version": version,
            "etag": answer.etag,
            "query": query,
            "row_ids": self.include_row_ids,
            "file_format": str(form),
            "rows": answer.rows,
            "columns": list(answer.columns),
            "path": str(answer.path),
            "md5": answer.csv_md5 if is_csv else file_md5(answer.path),
            "csv_md5": answer.csv_md5,
            "size": answer.path.stat().st_size,
            "synapse_conn_id": self.synapse_conn_id,
        }


@contextmanager
def _listening(client: LineageClient) -> Iterator[list[Read]]:
    """Hear what a client reads: which version answered, it knows best."""
    heard: list[Read] = []

    def hear(event: Event) -> None:
        if isinstance(event, Read):
            heard.append(event)

    unsubscribe = client.subscribe(hear)
    try:
        yield heard
    finally:
        unsubscribe()


def _pinned(query: str, table: str, version: int) -> str:
    """Let SQL ask a version of the table it names."""
    named = re.compile(rf"(\bfrom\s+){table}\b", re.IGNORECASE)
    return named.sub(rf"\g<1>{table}.{version}", query, count=1)
