"""The operator that stores rows in tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import columns as table_columns
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.lineage.client import LineageSynapse
from synapse_workflows.lineage.gatherer import current_gatherer
from synapse_workflows.lineage.mode import LineageMode
from synapse_workflows.operators._base import SynapseOperator, checked_id
from synapse_workflows.operators.changing import RowWriter
from synapse_workflows.operators.rows import COMMON_FORM, SYNAPSE_FORM, Source
from synapse_workflows.operators.sources import brought_here
from synapse_workflows.provenance.record import Record, Seen, UrlRef
from synapse_workflows.vocabulary import TABLE


class StoreMode(StrEnum):
    """What becomes of the rows that are there."""

    APPEND = "append"  # they stay, new ones come after them
    UPSERT = "upsert"  # those with the key of a new one are changed to it
    REPLACE = "replace"  # they go


class SynapseTableRows(TypedDict):
    """What was done to the rows of a table, as JSON.

    `version` is the number under which the table still changes; `activity_id` is None where
    lineage is off.
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

    However often it is tried, no row is added twice: `append` goes in chunks, and a retry adds
    those that are not there yet; `upsert` leaves rows alone that are as they should be;
    `replace` is one transaction, whose reader sees the old rows or the new ones. Returns what
    was done (`SynapseTableRows`).

    Args:
        table_id: the table, or a reference to it (templated).
        rows: a CSV file whose header names columns of the table: a local path, the URL of an
            object, a reference of another task. Or few rows themselves: a list of
            dictionaries (templated).
        mode: `append`, `upsert` or `replace` (templated).
        key: for `upsert`, the columns that tell one row from another (templated).
        chunk_rows: for `append`, rows that are added at once.
        kwargs: `synapse_conn_id`, `lineage_mode`, and what every operator takes.
    """

    template_fields: Sequence[str] = (
        "table_id",
        "rows",
        "mode",
        "key",
        *SynapseOperator.template_fields,
    )
    template_fields_renderers = {"rows": "json"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        table_id: Any,
        rows: Any,
        mode: str = StoreMode.APPEND,
        key: Sequence[str] | str | None = None,
        chunk_rows: int = 100_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.rows = rows
        self.mode = mode
        self.key = key
        self.chunk_rows = chunk_rows

    def execute(self, context: Any) -> SynapseTableRows:
        """Store the rows; return what was done."""
        mode = self._checked_mode()
        client = self.hook.client
        entity = self._table(client)
        columns = list(table_columns.getTableColumns(client, entity["id"]))
        writer = RowWriter(client, context["task_state_store"], entity["id"], columns)
        with self._source(client, entity["id"], columns) as source:
            added, changed, deleted = self._change(writer, source, mode)
        gatherer = current_gatherer()
        if gatherer is not None:
            # not at once: should the task still fail, its next try has to know what is done
            gatherer.at_the_end(writer.forget)
        # another task may have frozen the table meanwhile: the rows are in the version of now
        entity = client.call("GET", f"/entity/{entity['id']}").json
        client.announce(_wrote(entity, changed=bool(added or changed or deleted)))
        done: SynapseTableRows = {
            "id": entity["id"],
            "version": entity["versionNumber"],
            "added": added,
            "changed": changed,
            "deleted": deleted,
            "activity_id": gatherer.linked.get(entity["id"]) if gatherer else None,
            "synapse_conn_id": self.synapse_conn_id,
        }
        self.show(done)
        self.log.info("%s: %s rows added, %s changed, %s deleted", entity["id"], *_counts(done))
        return done

    def _checked_mode(self) -> StoreMode:
        known = [str(mode) for mode in StoreMode]
        if self.mode not in known:
            raise AirflowFailException(f"mode is {self.mode!r}; it can be {', '.join(known)}")
        if (self.mode == StoreMode.UPSERT) != bool(self.key):
            raise AirflowFailException("key names the columns for mode='upsert', and only there")
        return StoreMode(self.mode)

    def _table(self, client: LineageSynapse) -> Mapping[str, Any]:
        table = checked_id(self.table_id, "table_id").id
        entity: Mapping[str, Any] = client.call("GET", f"/entity/{table}").json
        if entity["concreteType"] != TABLE:
            raise AirflowFailException(f"table_id: {table} is no table")
        return entity

    @contextmanager
    def _source(
        self, client: LineageSynapse, table: str, columns: Sequence[Any]
    ) -> Iterator[Source]:
        """Have the rows in a CSV file on this worker."""
        if isinstance(self.rows, Sequence) and not isinstance(self.rows, str):
            # the columns tell how to write each value
            schema = Schema(columns=list(columns), id=table)
            made = CsvFileTable.from_list_of_rows(schema, self.rows, lineEnd=SYNAPSE_FORM.line_end)
            yield Source.of(Path(made.filepath), SYNAPSE_FORM, columns)
            return
        answer = isinstance(self.rows, Mapping) and "query" in self.rows
        with brought_here(self.rows) as local:
            gatherer = current_gatherer()
            if gatherer and local.url and client.lineage_mode is LineageMode.AUTO:
                gatherer.add(Record.of(Seen.READ, used=[UrlRef(local.url)]))
            yield Source.of(local.path, SYNAPSE_FORM if answer else COMMON_FORM, columns)

    def _change(self, writer: RowWriter, source: Source, mode: StoreMode) -> tuple[int, int, int]:
        if mode is StoreMode.APPEND:
            return writer.append(source, self.chunk_rows), 0, 0
        if mode is StoreMode.REPLACE:
            added, deleted = writer.replace(source)
            return added, 0, deleted
        key = [self.key] if isinstance(self.key, str) else list(self.key or ())
        return (*writer.upsert(source, key), 0)


def _counts(done: SynapseTableRows) -> tuple[int, int, int]:
    return done["added"], done["changed"], done["deleted"]


def _wrote(entity: Mapping[str, Any], *, changed: bool) -> Wrote:
    return Wrote(
        entity_id=entity["id"],
        version=entity["versionNumber"],
        name=entity["name"],
        concrete_type=entity["concreteType"],
        parent_id=entity.get("parentId"),
        changed=changed,
    )
