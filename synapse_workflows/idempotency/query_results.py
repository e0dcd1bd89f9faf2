"""Query results as CSV or Parquet files with identical content on every worker."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.file_names import safe_file_name
from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.transfer import progress
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient

#: Lowest cache key of converted files. File handle IDs of Synapse are lower.
_FIRST_CACHE_KEY: Final = 10**19

#: Values of `output_format`.
OutputFormat = Literal["csv", "parquet"]


class FileFormat(StrEnum):
    """Format of a file of rows."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class TableQuery:
    """A query and the format of its result.

    Args:
        sql: The query.
        row_ids: Whether each row starts with its ROW_ID and ROW_VERSION.
        file_format: Format of the file.
    """

    sql: str
    row_ids: bool = False
    file_format: FileFormat = FileFormat.CSV


@dataclass(frozen=True)
class QueryResultFile:
    """A file with the rows of a query.

    Args:
        path: The file.
        rows: Number of rows.
        columns: Names of the columns.
        table_id: The table, as `syn123`.
        etag: Etag of the rows of the table.
        csv_md5: MD5 of the CSV file that Synapse wrote.
    """

    path: Path
    rows: int
    columns: tuple[str, ...]
    table_id: str
    etag: str | None
    csv_md5: str

    @classmethod
    def of(cls, table: CsvFileTable, path: Path, rows: int, csv_md5: str) -> "QueryResultFile":
        """Describe a query result; `path` is the CSV file or the converted file."""
        names = tuple(str(column["name"]) for column in table.columns())
        return cls(path.absolute(), rows, names, str(table.tableId), table.etag, csv_md5)


#: Checks the MD5 of a CSV result; raises an exception if the MD5 is not the expected value.
Check = Callable[[str], object]


def run_query(
    client: LineageClient,
    query: TableQuery,
    directory: Path | None = None,
    check: Check = lambda _: None,
) -> QueryResultFile:
    """Run a query and write its result to a file.

    Args:
        client: Sends the requests.
        query: The query.
        directory: Directory for the file; None for the cache, where the file stays until the
            task ends.
        check: Called with the MD5 of the CSV result before it is converted.

    Raises:
        ImportError: Parquet is requested and pyarrow is not installed.
        SynapseHTTPError: Synapse rejected the query.
    """
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    if query.file_format is FileFormat.CSV:
        table, csv_md5 = _download_csv(client, query, directory, check)
        return QueryResultFile.of(table, Path(table.filepath), _count_rows(table), csv_md5)
    parquet.require_pyarrow()
    if directory is None:
        table, csv_md5 = _download_csv(client, query, None, check)
        return _convert_in_cache(client, table, csv_md5)
    with TemporaryDirectory(prefix=".synapse-", dir=directory) as temporary:
        table, csv_md5 = _download_csv(client, query, Path(temporary), check)
        converted = Path(temporary, f"{Path(table.filepath).stem}.parquet")
        rows = _convert(client, table, converted)
        target = converted.replace(directory / converted.name)
        return QueryResultFile.of(table, target, rows, csv_md5)


def run_query_to_file(client: LineageClient, query: TableQuery, target: Path) -> QueryResultFile:
    """Run a query and write its result to a given file, atomically; see `run_query`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".synapse-", dir=target.parent) as temporary:
        result = run_query(client, query, Path(temporary))
        return replace(result, path=result.path.replace(target).absolute())


def link_in_cache(client: LineageClient, result: QueryResultFile, name: str) -> QueryResultFile:
    """Give a file in the cache another name, which stays the same for each run of a query.

    The file keeps its generated name as well, because another task may be reading the file. The
    directory belongs to this result alone, so that other results may have the same name.

    Args:
        client: Client whose cache contains the file.
        result: The result of `run_query` without a directory.
        name: The name.
    """
    cache, source = client.cache, result.path
    target = source.with_name(safe_file_name(name, source.name))
    with TemporaryDirectory(prefix=".synapse-", dir=source.parent) as temporary:
        linked = Path(temporary, target.name)
        try:
            linked.hardlink_to(source)
        except OSError:  # the file system has no hard links
            shutil.copyfile(source, linked)
        linked.replace(target)
    cache.add(source.parent.name, target)
    collector = current_collector()
    if collector is not None:
        collector.pin_file(cache, target)
    return replace(result, path=target)


def pin_version(sql: str, table_id: str, version: int) -> str:
    """Return a query with `from syn123` replaced by `from syn123.4`."""
    table = re.compile(rf"(\bfrom\s+){table_id}\b", re.IGNORECASE)
    return table.sub(rf"\g<1>{table_id}.{version}", sql, count=1)


def _download_csv(
    client: LineageClient, query: TableQuery, directory: Path | None, check: Check
) -> tuple[CsvFileTable, str]:
    table = client.tableQuery(
        query.sql,
        includeRowIdAndRowVersion=query.row_ids,
        downloadLocation=None if directory is None else str(directory),
        lineEnd="\n",
    )
    if not isinstance(table, CsvFileTable):
        raise TypeError(f"tableQuery returned {type(table).__name__} for resultsAs='csv'")
    csv_md5 = file_md5(table.filepath)
    check(csv_md5)
    return table, csv_md5


def _convert_in_cache(client: LineageClient, table: CsvFileTable, csv_md5: str) -> QueryResultFile:
    """Convert a CSV file to a Parquet file in the cache, unless the Parquet file exists."""
    cache, key = client.cache, _cache_key(table, csv_md5)
    path = cache.get(key)
    if path is None:
        cache.make_room(Path(table.filepath).stat().st_size)
        target = Path(cache.get_cache_dir(key), f"{Path(table.filepath).stem}.parquet")
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".synapse-", dir=target.parent) as temporary:
            converted = Path(temporary, target.name)
            _convert(client, table, converted)
            converted.replace(target)
        cache.add(key, target)
        path = str(target)
    collector = current_collector()
    if collector is not None:
        collector.pin_file(cache, path)
    return QueryResultFile.of(table, Path(path), parquet.count_rows(Path(path)), csv_md5)


def _cache_key(table: CsvFileTable, csv_md5: str) -> int:
    """Return the cache key of a converted file, used in place of a file handle ID.

    The key depends on the content, the types of the columns and the Parquet writer.
    """
    types = [[one.get("name"), one.get("columnType")] for one in table.columns()]
    text = json.dumps([csv_md5, types, parquet.get_writer_version()])
    return _FIRST_CACHE_KEY + int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _convert(client: LineageClient, table: CsvFileTable, target: Path) -> int:
    """Write the rows of a CSV file to a Parquet file; return the number of rows."""
    size = Path(table.filepath).stat().st_size
    with progress.show_progress(
        client, f"Writing {target.name}", f"Wrote {target.name}", size
    ) as shown:
        return parquet.write_table(table, target, shown.advance)


def _count_rows(table: CsvFileTable) -> int:
    """Count the rows of a CSV file without parsing their cells."""
    with Path(table.filepath).open(encoding="utf-8-sig", newline="") as file:
        return table.dialect.count_rows(file) - (1 if table.header else 0)
