"""Changing the rows of a table, each change once: what is there already is not stored again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import jobs
from synapse_workflows.client.errors import SynapseHTTPError, SynapseJobError
from synapse_workflows.client.model import cells
from synapse_workflows.client.model.csv_form import Line
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.transfer import upload
from synapse_workflows.lineage.client import LineageSynapse
from synapse_workflows.lineage.writing import Memory
from synapse_workflows.operators.rows import SYNAPSE_FORM, Chunk, Source, written
from synapse_workflows.vocabulary import MODEL, ROW_ID, ROW_VERSION

_KEY: Final = "synapse_rows"
_UPLOAD: Final = f"{MODEL}.table.UploadToTableRequest"
_TRANSACTION: Final = f"{MODEL}.table.TableUpdateTransactionRequest"


class RowWriter:
    """Changes one table for one task instance, each change once.

    Args:
        client: makes the calls.
        memory: what survives a try of the task.
        table: as `syn123`.
        columns: of the table.
    """

    def __init__(
        self,
        client: LineageSynapse,
        memory: Memory,
        table: str,
        columns: Sequence[Mapping[str, Any]],
    ) -> None:
        self.client = client
        self.memory = memory
        self.table = table
        self.columns = {str(column["name"]): column for column in columns}

    def append(self, source: Source, chunk_rows: int) -> int:
        """Add rows, in chunks of so many; those that an earlier try added are left out.

        Returns:
            How many rows this try added.
        """
        lines, number, added = source.lines(), 0, 0
        while True:
            with written(source.names, islice(lines, chunk_rows), number) as chunk:
                if not chunk.rows:
                    return added
                if not self._is_done(chunk, source.names):
                    self._begin(chunk)
                    self.transact([self._upload(chunk.path)])
                    self._note_done(chunk)
                    added += chunk.rows
            number += 1

    def replace(self, source: Source) -> tuple[int, int]:
        """Put rows in the place of all there are; a reader sees the old or the new ones.

        Returns:
            How many rows were put in, and how many deleted.
        """
        self.settle()
        there = self.query("*", row_ids=True)
        doomed: Iterator[Line] = (
            [str(row.row_id), str(row.row_version)] for row in there.iter_row_metadata()
        )
        with (
            written((ROW_ID, ROW_VERSION), doomed) as old,
            written(source.names, source.lines()) as new,
        ):
            changes = [self._upload(chunk.path) for chunk in (old, new) if chunk.rows]
            if changes:
                self.transact(changes)
            return new.rows, old.rows

    def upsert(self, source: Source, key: Sequence[str]) -> tuple[int, int]:
        """Change the rows whose key is there already, and add the others.

        Rows that are in the table as they are in the source are left alone.

        Returns:
            How many rows were added, and how many changed.

        Raises:
            AirflowFailException: A key that is no column of the source, or not unique.
        """
        missing = [name for name in key if name not in source.names]
        if missing or not key:
            raise AirflowFailException(f"{source.path} has no columns {missing} for the key")
        self.settle()
        known = self._known(source.names, key)
        counted = [0, 0]
        with written(
            (ROW_ID, ROW_VERSION, *source.names), self._edits(source, key, known, counted)
        ) as chunk:
            if chunk.rows:
                self.transact([self._upload(chunk.path)])
        return counted[0], counted[1]

    def query(self, wanted: str, rest: str = "", *, row_ids: bool = False) -> CsvFileTable:
        """Ask the table something that is no input of the task.

        Args:
            wanted: columns, as SQL.
            rest: what comes after the table's name.
            row_ids: begin rows with their ids and versions.
        """
        sql = f"select {wanted} from {self.table} {rest}"  # noqa: S608 - our own words
        with self.client.unheard():
            found = self.client.tableQuery(
                sql, includeRowIdAndRowVersion=row_ids, lineEnd=SYNAPSE_FORM.line_end
            )
        if not isinstance(found, CsvFileTable):
            raise TypeError(f"a query as csv answered a {type(found).__name__}")
        return found

    def transact(self, changes: list[dict[str, Any]]) -> None:
        """Make changes, all of them or none; who comes after us can wait for the job too."""
        body = {"concreteType": _TRANSACTION, "entityId": self.table, "changes": changes}
        self._remember(job=jobs.start(self.client, self._path, body))
        self.settle()

    def settle(self) -> bool:
        """Wait for the job that this try or an earlier one started; tell whether there was one.

        Raises:
            SynapseHTTPError: It failed; nothing was changed.
            SynapseJobError: Likewise.
        """
        job = self._state().get("job")
        if job is None:
            return False
        try:
            jobs.wait(self.client, self._path, job)
        except (SynapseHTTPError, SynapseJobError):
            self._remember(job=None, current=None)
            raise
        self._remember(job=None)
        return True

    def forget(self) -> None:
        """Forget what was done, when the task has done its work."""
        self.memory.delete(_KEY)

    @property
    def _path(self) -> str:
        return f"/entity/{self.table}/table/transaction/async"

    def _is_done(self, chunk: Chunk, names: Sequence[str]) -> bool:
        """Tell whether an earlier try added a chunk, even if it died before it could note that."""
        state = self._state()
        if chunk.key in state["done"]:
            return True
        current = state.get("current")
        if current is None or current["chunk"] != chunk.key:
            return False
        if self.settle() or self._landed(chunk, names, current["after"]):
            self._note_done(chunk)
            return True
        return False

    def _begin(self, chunk: Chunk) -> None:
        """Note what the table was before a chunk is added."""
        self._remember(current={"chunk": chunk.key, "after": self._last_version()})

    def _note_done(self, chunk: Chunk) -> None:
        self._remember(done=[*self._state()["done"], chunk.key], current=None)

    def _last_version(self) -> int:
        rows = list(self.query(f"max({ROW_VERSION})"))
        return int(rows[0][0]) if rows and rows[0][0] is not None else -1

    def _landed(self, chunk: Chunk, names: Sequence[str], after: int) -> bool:
        """Look in the table for a change that added just the rows of a chunk."""
        counts = self.query(
            f"{ROW_VERSION}, count(*)", f"where {ROW_VERSION} > {after} group by {ROW_VERSION}"
        )
        same_size = [int(version) for version, rows in counts if int(rows) == chunk.rows]
        return any(self._holds(version, chunk, names) for version in same_size)

    def _holds(self, version: int, chunk: Chunk, names: Sequence[str]) -> bool:
        found = self.query(_listed(names), f"where {ROW_VERSION} = {version} order by {ROW_ID}")
        read = self._reader(names)
        mine = Source(chunk.path, SYNAPSE_FORM, tuple(names)).lines()
        theirs = Source(Path(found.filepath), SYNAPSE_FORM, tuple(names)).lines()
        return all(read(one) == read(other) for one, other in zip(mine, theirs, strict=True))

    def _known(self, names: Sequence[str], key: Sequence[str]) -> dict[str, tuple[str, str, int]]:
        """Read which row has which key, in which version, and a hash of what is in it."""
        found = self.query(_listed(names), row_ids=True)
        width = (ROW_ID, ROW_VERSION, *names)
        read, key_of = self._reader(names), _picker(names, key)
        known: dict[str, tuple[str, str, int]] = {}
        for row_id, version, *line in Source(Path(found.filepath), SYNAPSE_FORM, width).lines():
            values = read(line)
            _add(known, key_of(values), (str(row_id), str(version), hash(repr(values))), "table")
        return known

    def _edits(
        self,
        source: Source,
        key: Sequence[str],
        known: Mapping[str, tuple[str, str, int]],
        counted: list[int],
    ) -> Iterator[Line]:
        read, key_of = self._reader(source.names), _picker(source.names, key)
        seen: dict[str, None] = {}
        for line in source.lines():
            values = read(line)
            _add(seen, key_of(values), None, "source")
            row = known.get(key_of(values))
            if row is None:
                counted[0] += 1
                yield [None, None, *line]
            elif row[2] != hash(repr(values)):
                counted[1] += 1
                yield [row[0], row[1], *line]

    def _reader(self, names: Sequence[str]) -> Callable[[Line], list[Any]]:
        """Make what reads cells by the types of their columns: `1` and `01` are one integer."""
        readers = [cells.reader(self.columns[name]) for name in names]

        def read(line: Line) -> list[Any]:
            return [reader(cell) for reader, cell in zip(readers, line, strict=True)]

        return read

    def _upload(self, path: Path) -> dict[str, Any]:
        uploaded = upload.upload_file(self.client, path, content_type="text/csv")
        return {
            "concreteType": _UPLOAD,
            "tableId": self.table,
            "uploadFileHandleId": uploaded.file_handle_id,
            "csvTableDescriptor": SYNAPSE_FORM.descriptor(header=True),
        }

    def _state(self) -> dict[str, Any]:
        kept = self.memory.get(_KEY)
        return dict(kept) if kept and kept["table"] == self.table else self._fresh()

    def _fresh(self) -> dict[str, Any]:
        return {"table": self.table, "done": []}

    def _remember(self, **news: Any) -> None:
        state = self._state() | news
        self.memory.set(_KEY, {name: value for name, value in state.items() if value is not None})


def _listed(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _picker(names: Sequence[str], key: Sequence[str]) -> Callable[[Sequence[Any]], str]:
    at = [list(names).index(name) for name in key]
    return lambda values: repr([values[index] for index in at])


def _add(known: dict[str, Any], key: str, value: Any, where: str) -> None:
    if key in known:
        raise AirflowFailException(f"The key {key} is in the {where} more than once")
    known[key] = value
