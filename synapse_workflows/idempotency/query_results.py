"""The answer of a query as a file, in the form that was asked for; the same on every worker."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.transfer import progress
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient

#: From here on numbers are nobody's file handle; the cache keeps files by such numbers.
_NO_HANDLE: Final = 10**19


class FileFormat(StrEnum):
    """How rows are written into a file."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class TableQuery:
    """What is asked, and how the answer is wanted.

    Args:
        query: SQL.
        row_ids: whether rows begin with ROW_ID and ROW_VERSION.
        file_format: of the file.
    """

    query: str
    row_ids: bool = False
    file_format: FileFormat = FileFormat.CSV


@dataclass(frozen=True)
class QueryResultFile:
    """Rows in a file.

    Args:
        path: the file.
        rows: how many.
        columns: their names.
        table_id: who answered, as `syn123`.
        etag: the state of its rows.
        csv_md5: MD5 of the answer as Synapse wrote it: as CSV.
    """

    path: Path
    rows: int
    columns: tuple[str, ...]
    table_id: str
    etag: str | None
    csv_md5: str

    @classmethod
    def of(cls, table: CsvFileTable, path: Path, rows: int, csv_md5: str) -> "QueryResultFile":
        """Describe the rows of a CSV file, which may be in another file by now."""
        names = tuple(str(column["name"]) for column in table.columns())
        return cls(path.absolute(), rows, names, str(table.tableId), table.etag, csv_md5)


#: Looks at the MD5 of an answer, and raises where it is not what was expected.
Check = Callable[[str], object]


def run_query(
    client: LineageClient,
    question: TableQuery,
    directory: Path | None = None,
    check: Check = lambda _: None,
) -> QueryResultFile:
    """Ask, and have the answer in a directory, or else in the cache until the task has ended.

    Args:
        client: asks.
        question: what.
        directory: where the file goes; it gets a name of its own.
        check: looks at the answer before any more is done with it.

    Raises:
        ImportError: Parquet is asked for, and pyarrow is not installed.
        SynapseHTTPError: The query cannot be answered.
    """
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    if question.file_format is FileFormat.CSV:
        table, csv_md5 = _ask(client, question, directory, check)
        return QueryResultFile.of(table, Path(table.filepath), _count(table), csv_md5)
    parquet.require_pyarrow()
    if directory is None:
        table, csv_md5 = _ask(client, question, None, check)
        return _in_cache(client, table, csv_md5)
    with TemporaryDirectory(prefix=".synapse-", dir=directory) as beside:
        table, csv_md5 = _ask(client, question, Path(beside), check)
        made = Path(beside, f"{Path(table.filepath).stem}.parquet")
        rows = _write(client, table, made)
        return QueryResultFile.of(table, made.replace(directory / made.name), rows, csv_md5)


def run_query_to_file(
    client: LineageClient, question: TableQuery, target: Path
) -> QueryResultFile:
    """Ask, and have the answer in one file; arguments and errors as for `ask`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # beside the target: it appears there whole, or not at all
    with TemporaryDirectory(prefix=".synapse-", dir=target.parent) as beside:
        answer = run_query(client, question, Path(beside))
        return replace(answer, path=answer.path.replace(target).absolute())


def _ask(
    client: LineageClient, question: TableQuery, directory: Path | None, check: Check
) -> tuple[CsvFileTable, str]:
    table = client.tableQuery(
        question.query,
        includeRowIdAndRowVersion=question.row_ids,
        downloadLocation=None if directory is None else str(directory),
        lineEnd="\n",
    )
    if not isinstance(table, CsvFileTable):
        raise TypeError(f"a query as csv answered a {type(table).__name__}")
    csv_md5 = file_md5(table.filepath)
    check(csv_md5)
    return table, csv_md5


def _in_cache(client: LineageClient, table: CsvFileTable, csv_md5: str) -> QueryResultFile:
    """Have a Parquet file in the cache, beside what it was made of; it may be there already."""
    cache, number = client.cache, _number(table, csv_md5)
    known = cache.get(number)
    if known is None:
        cache.make_room(Path(table.filepath).stat().st_size)
        target = Path(cache.get_cache_dir(number), f"{Path(table.filepath).stem}.parquet")
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".synapse-", dir=target.parent) as beside:
            made = Path(beside, target.name)
            _write(client, table, made)
            made.replace(target)
        cache.add(number, target)
        known = str(target)
    collector = current_collector()
    if collector is not None:
        collector.pin_file(cache, known)
    return QueryResultFile.of(table, Path(known), parquet.count_rows(Path(known)), csv_md5)


def _number(table: CsvFileTable, csv_md5: str) -> int:
    """Number what a CSV file is made into, so that the cache can keep it as it keeps others.

    The number depends on the content, the types of the columns, and who writes.
    """
    types = [[one.get("name"), one.get("columnType")] for one in table.columns()]
    said = json.dumps([csv_md5, types, parquet.get_writer_version()])
    return _NO_HANDLE + int(hashlib.sha256(said.encode()).hexdigest()[:15], 16)


def _write(client: LineageClient, table: CsvFileTable, target: Path) -> int:
    size = Path(table.filepath).stat().st_size
    with progress.shown(client, f"Writing {target.name}", f"Wrote {target.name}", size) as shown:
        return parquet.write_table(table, target, shown.moved)


def _count(table: CsvFileTable) -> int:
    """Count the rows of a CSV file without reading their cells."""
    with Path(table.filepath).open(encoding="utf-8-sig", newline="") as file:
        return table.dialect.count_rows(file) - (1 if table.header else 0)
