"""The operator that stores rows in tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import columns as table_columns
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.constants import TABLE
from synapse_workflows.idempotency.parquet_source import ParquetRowSource, is_parquet
from synapse_workflows.idempotency.row_source import (
    STANDARD_CSV,
    SYNAPSE_CSV,
    TSV,
    CsvRowSource,
    RowSource,
)
from synapse_workflows.idempotency.row_writer import RowWriter
from synapse_workflows.idempotency.staging import as_local_file, is_list
from synapse_workflows.idempotency.transaction import TableTransaction
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.operators.base import SynapseOperator, parse_entity_id
from synapse_workflows.provenance.record import Origin, Record, UrlRef


class StoreMode(StrEnum):
    """What becomes of the rows that are there."""

    APPEND = "append"  # they stay, new ones come after them
    UPSERT = "upsert"  # those with the key of a new one are changed to it
    REPLACE = "replace"  # they go


class SynapseTableRows(TypedDict):
    """What was done to the rows of a table, as JSON.

    It counts what the task did in all of its tries. `version` is the number under which the table
    still changes; `activity_id` is None where lineage is off and nothing was declared.
    """

    id: str
    version: int
    added: int
    changed: int
    deleted: int
    activity_id: str | None
    synapse_conn_id: str


class SynapseTableStoreOperator(SynapseOperator):
    """Stores rows in a table, with provenance that writes itself.

    All of the rows are stored, or none of them, in one transaction of Synapse; however often the
    task is tried, and whenever its worker dies, no row is stored twice. `upsert` leaves rows
    alone that are as they should be; of `replace` a reader sees the old rows or the new ones.
    Rows that somebody else changes at the same time are compared again. Returns what was done
    (`SynapseTableRows`).

    Args:
        table_id: the table, or a reference to it (templated).
        rows: a file whose columns are named as those of the table: a local path, the URL of an
            object, an `ObjectStoragePath`, a reference of another task. It is CSV, tab-separated
            if its name ends in `.tsv`, or Parquet. Or few rows themselves: a list of
            dictionaries (templated).
        mode: `append`, `upsert` or `replace` (templated).
        key: for `upsert`, the columns that tell one row from another (templated).
        missing_columns: whether rows to append, or to replace others, may leave columns of the
            table empty. `upsert` keeps what is in those.
        chunk_rows: rows that are sent to Synapse in one file.
        allow_empty: whether `replace` may leave the table without rows, where none were given.
        used: what was used besides, in any form the client's Activity takes (templated).
        executed: what was run besides (templated).
        activity: used, executed, name and description in one: an `Activity`, or its JSON. One
            that is stored already (it has an id) is linked as it is (templated).
        activity_name: instead of the task's own name (templated).
        activity_description: stands before what the task says (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` (`declared`: only `used` and `executed` as given
            here), and what every operator takes.
    """

    template_fields: Sequence[str] = (
        "table_id",
        "rows",
        "mode",
        "key",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
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
        mode: str = StoreMode.APPEND,
        key: Sequence[str] | str | None = None,
        missing_columns: bool = False,
        chunk_rows: int = 100_000,
        allow_empty: bool = False,
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
        self.missing_columns = missing_columns
        self.chunk_rows = chunk_rows
        self.allow_empty = allow_empty
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(self, context: Any) -> SynapseTableRows:
        """Store the rows; return what was done."""
        mode = self._checked_mode()
        client = self.hook.client
        table, columns = self._table(client)
        once = TableTransaction(client, context, table)
        with self._source(client, table, columns) as source:
            self._require_all_columns(source, mode)
            self._require_rows(source, mode)
            self._change(RowWriter(client, once, source, self.chunk_rows), mode)
        counts = once.counts
        collector = current_collector()
        if collector is not None:
            # not at once: a try that fails after this has not done its work
            collector.add_finish_callback(once.end)
        entity, activity_id = client.record_row_provenance(
            table,
            changed=bool(counts),
            replaced=mode is StoreMode.REPLACE,
            used=self.used,
            executed=self.executed,
            activity=self.activity,
            activityName=self.activity_name,
            activityDescription=self.activity_description,
        )
        done: SynapseTableRows = {
            "id": table,
            "version": entity["versionNumber"],
            "added": counts.added,
            "changed": counts.changed,
            "deleted": counts.deleted,
            "activity_id": activity_id,
            "synapse_conn_id": self.synapse_conn_id,
        }
        self.show(done)
        told = (counts.added, counts.changed, counts.deleted)
        self.log.info("%s: %d rows added, %d changed, %d deleted", table, *told)
        return done

    def _checked_mode(self) -> StoreMode:
        known = [str(mode) for mode in StoreMode]
        if self.mode not in known:
            raise AirflowFailException(f"mode is {self.mode!r}; it can be {', '.join(known)}")
        if self.mode == StoreMode.UPSERT and not self.key:
            raise AirflowFailException(
                "mode='upsert' needs key=...: the columns that tell one row from another"
            )
        if self.mode != StoreMode.UPSERT and self.key:
            raise AirflowFailException(
                f"key={self.key!r} is only for mode='upsert', and mode is {str(self.mode)!r}: "
                "leave key out, or change the mode"
            )
        return StoreMode(self.mode)

    def _table(self, client: LineageClient) -> tuple[str, list[Mapping[str, Any]]]:
        """Look at the table; give its id and its columns."""
        named = parse_entity_id(self.table_id, "table_id")
        if isinstance(self.table_id, str) and named.version is not None:
            raise AirflowFailException(
                f"table_id: {self.table_id} is a version, which nobody can change any more; "
                f"{named.id} is the table"
            )
        entity = client.call("GET", f"/entity/{named.id}").json
        if entity["concreteType"] != TABLE:
            raise AirflowFailException(f"table_id: {named.id} is no table")
        columns: list[Mapping[str, Any]] = []
        columns += table_columns.getTableColumns(client, entity["id"])
        if not columns:
            raise AirflowFailException(
                f"{entity['id']} has no columns to store rows in. Give it some: "
                "schema.addColumn(Column(name='age', columnType='INTEGER')), then store the schema"
            )
        return entity["id"], columns

    @contextmanager
    def _source(
        self, client: LineageClient, table: str, columns: Sequence[Mapping[str, Any]]
    ) -> Iterator[RowSource]:
        """Have the rows in a file on this worker."""
        if is_list(self.rows):
            made = _written(self.rows, table, columns)
            yield CsvRowSource(Path(made.filepath), columns, SYNAPSE_CSV, "rows")
            return
        _require_no_text(self.rows)
        answer = isinstance(self.rows, Mapping) and "query" in self.rows
        with as_local_file(self.rows, "rows") as local:
            collector = current_collector()
            if collector and local.url and client.lineage_mode is LineageMode.AUTO:
                collector.add(Record.from_refs(Origin.READ, used=[UrlRef(local.url)]))
            yield _opened(local.path, columns, written_by_synapse=answer)

    def _require_all_columns(self, source: RowSource, mode: StoreMode) -> None:
        if source.missing and mode is not StoreMode.UPSERT and not self.missing_columns:
            raise AirflowFailException(
                f"{source.called} lacks columns of the table: {source.missing}. Add them, or say "
                "missing_columns=True to leave them empty"
            )

    def _require_rows(self, source: RowSource, mode: StoreMode) -> None:
        if (
            mode is StoreMode.REPLACE
            and not self.allow_empty
            and not any(True for _ in source.lines())
        ):
            raise AirflowFailException(
                f"{source.called} holds no rows, and mode='replace' would leave the table "
                "empty. If it should be, say allow_empty=True"
            )

    def _change(self, writer: RowWriter, mode: StoreMode) -> None:
        if mode is StoreMode.APPEND:
            writer.append()
        elif mode is StoreMode.REPLACE:
            writer.replace()
        else:
            writer.upsert([self.key] if isinstance(self.key, str) else list(self.key or ()))


def _opened(
    path: Path, columns: Sequence[Mapping[str, Any]], *, written_by_synapse: bool
) -> RowSource:
    """Find out how a file of rows is written."""
    if is_parquet(path):
        return ParquetRowSource(path, columns)
    if written_by_synapse:
        return CsvRowSource(path, columns, SYNAPSE_CSV)
    return CsvRowSource(path, columns, TSV if path.suffix == ".tsv" else STANDARD_CSV)


def _require_no_text(rows: Any) -> None:
    """Check that nobody gives the text of rows, as templates make it of rows."""
    text = rows.strip() if isinstance(rows, str) else ""
    kind = {"[]": "list", "{}": "dictionary"}.get(text[:1] + text[-1:])
    if kind:
        raise AirflowFailException(
            f"rows is the text of a {kind}: {text!r:.60}. Give the {kind} itself: what another "
            "task returned as rows=task.output (an XComArg); or let the DAG have "
            "render_template_as_native_obj=True"
        )


def _written(rows: Any, table: str, columns: Sequence[Mapping[str, Any]]) -> CsvFileTable:
    """Write rows that were given themselves; their columns say how to write each value."""
    strange = next((row for row in rows if not isinstance(row, Mapping)), None)
    if strange is not None:
        raise AirflowFailException(
            f"rows: {strange!r:.100} is no dictionary. Give one file, or rows as dictionaries: "
            "[{'name': 'a', 'age': 1}]"
        )
    names = {name: None for row in rows for name in row}
    named = [one for one in columns if one["name"] in names]
    schema = Schema(columns=named if rows else list(columns), id=table)
    try:
        return CsvFileTable.from_list_of_rows(
            schema, [dict.fromkeys(names) | dict(row) for row in rows], lineEnd="\n"
        )
    except ValueError as wrong:
        raise AirflowFailException(f"rows: {wrong}") from wrong
