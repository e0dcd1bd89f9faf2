"""Query results as files of several formats, with identical content on every worker."""

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import IO, Final, Literal, cast

from synapse_workflows.client.api import queries
from synapse_workflows.client.api.queries import CsvQuery, QueryJob
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.file_names import safe_file_name
from synapse_workflows.client.model import json_lines, parquet
from synapse_workflows.client.model.csv_dialect import CsvDialect
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.model.file_conversion import ProgressCallback
from synapse_workflows.client.transfer import progress
from synapse_workflows.constants import MiB
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient

#: Lowest cache key of converted files. File handle IDs of Synapse are lower.
_FIRST_CACHE_KEY: Final = 10**19
_GZIP_LEVEL: Final = 6

#: Values of `output_format`: CSV, tab-separated values, one JSON object per line, Parquet.
OutputFormat = Literal["csv", "tsv", "jsonl", "parquet"]


class FileFormat(StrEnum):
    """Format of a file of rows."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_SUFFIXES: Final = MappingProxyType(
    {
        ".csv": FileFormat.CSV,
        ".tsv": FileFormat.TSV,
        ".tab": FileFormat.TSV,
        ".jsonl": FileFormat.JSONL,
        ".ndjson": FileFormat.JSONL,
        ".parquet": FileFormat.PARQUET,
    }
)
#: Suffixes of formats that are not supported.
_OTHER_FORMATS: Final = frozenset(
    {".json", ".xlsx", ".xls", ".feather", ".arrow", ".orc", ".avro", ".xml", ".html"}
)
_OTHER_COMPRESSIONS: Final = frozenset({".bz2", ".xz", ".zst", ".zip"})


@dataclass(frozen=True)
class TableQuery:
    """A query and the format of its result.

    Args:
        sql: The query.
        row_ids: Whether each row starts with its ROW_ID and ROW_VERSION.
        file_format: Format of the file.
        is_gzipped: Whether the file is compressed with gzip.
    """

    sql: str
    row_ids: bool = False
    file_format: FileFormat = FileFormat.CSV
    is_gzipped: bool = False

    @property
    def suffix(self) -> str:
        """Suffix of the names of files with this format."""
        return f".{self.file_format.value}{'.gz' if self.is_gzipped else ''}"

    @property
    def is_converted(self) -> bool:
        """Whether the file is converted from the file that Synapse writes."""
        return self.is_gzipped or self.file_format not in (FileFormat.CSV, FileFormat.TSV)

    def to_csv_query(self) -> CsvQuery:
        """Return the query whose result Synapse writes."""
        is_tsv = self.file_format is FileFormat.TSV
        dialect = CsvDialect("\t") if is_tsv else CsvDialect()
        suffix = ".tsv" if is_tsv else ".csv"
        return CsvQuery(self.sql, dialect, row_ids=self.row_ids, suffix=suffix)


def parse_file_format(path: str, output_format: OutputFormat | None) -> tuple[FileFormat, bool]:
    """Return the format of a file, and whether the file is compressed with gzip.

    Args:
        path: Path or URL of the file; empty for a file with a generated name.
        output_format: The format; None for the format of the path's suffix, or CSV.

    Raises:
        ValueError: The suffix of the path is that of an unsupported compression, or of an
            unsupported format and `output_format` is None.
    """
    stem, _, suffix = path.rpartition(".")
    is_gzipped = suffix.lower() == "gz"
    name = PurePosixPath(stem if is_gzipped else path)
    if output_format is None and name.suffix.lower() in _OTHER_FORMATS:
        raise ValueError(
            f"Invalid output_path {path!r}: files with the suffix {name.suffix!r} are not "
            "supported. Use .csv, .tsv, .jsonl or .parquet, or set output_format"
        )
    by_suffix = _SUFFIXES.get(name.suffix.lower(), FileFormat.CSV)
    file_format = by_suffix if output_format is None else FileFormat(output_format)
    if is_gzipped and file_format is FileFormat.PARQUET:
        raise ValueError(
            f"Invalid output_path {path!r}: Parquet files are compressed inside. Remove '.gz'"
        )
    if f".{suffix.lower()}" in _OTHER_COMPRESSIONS:
        raise ValueError(
            f"Invalid output_path {path!r}: the only compression is gzip, with the suffix '.gz'"
        )
    return file_format, is_gzipped


@dataclass(frozen=True)
class QueryResultFile:
    """A file with the rows of a query.

    Args:
        path: The file.
        rows: Number of rows.
        columns: Names of the columns.
        table_id: The table, as `syn123`.
        etag: Etag of the rows of the table.
        csv_md5: MD5 of the CSV or TSV file that Synapse wrote.
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
    job: QueryJob | None = None,
) -> QueryResultFile:
    """Run a query and write its result to a file.

    Args:
        client: Sends the requests.
        query: The query.
        directory: Directory for the file; None for the cache, where the file stays until the
            task ends.
        check: Called with the MD5 of the CSV result before it is converted.
        job: A started job of the query; None to start a job.

    Raises:
        ImportError: Parquet is requested and pyarrow is not installed.
        ConversionError: The rows cannot be converted.
        SynapseHTTPError: Synapse rejected the query.
    """
    if query.file_format is FileFormat.PARQUET:
        parquet.require_pyarrow()
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    if directory is None or not query.is_converted:
        table, csv_md5 = _download_csv(client, query, directory, job)
        check(csv_md5)
        path = Path(table.filepath)
        if query.is_converted:
            path = _convert_in_cache(client, query, table, csv_md5)
        return QueryResultFile.of(table, path, _count_rows(table), csv_md5)
    with TemporaryDirectory(prefix=".synapse-", dir=directory) as temporary:
        table, csv_md5 = _download_csv(client, query, Path(temporary), job)
        check(csv_md5)
        converted = _convert(client, query, table, Path(temporary, "converted"))
        target = converted.replace(directory / f"{Path(table.filepath).stem}{query.suffix}")
        return QueryResultFile.of(table, target, _count_rows(table), csv_md5)


def run_query_to_file(
    client: LineageClient, query: TableQuery, target: Path, job: QueryJob | None = None
) -> QueryResultFile:
    """Run a query and write its result to a given file, atomically; see `run_query`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".synapse-", dir=target.parent) as temporary:
        result = run_query(client, query, Path(temporary), job=job)
        return replace(result, path=result.path.replace(target).absolute())


def link_in_cache(client: LineageClient, result: QueryResultFile, name: str) -> QueryResultFile:
    """Link the file of a query result in the cache to a name that is the same in each run.

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
    client: LineageClient, query: TableQuery, directory: Path | None, job: QueryJob | None
) -> tuple[CsvFileTable, str]:
    location = None if directory is None else str(directory)
    table = queries.fetch_csv_query(client, query.to_csv_query(), job, location)
    _pin_file(client, table.filepath)
    return table, file_md5(table.filepath)


def _pin_file(client: LineageClient, path: str | Path) -> None:
    collector = current_collector()
    if collector is not None:
        collector.pin_file(client.cache, path)


def _convert_in_cache(
    client: LineageClient, query: TableQuery, table: CsvFileTable, csv_md5: str
) -> Path:
    """Convert a CSV file to a file in the cache, unless the converted file exists."""
    cache, key = client.cache, _cache_key(query, table, csv_md5)
    path = cache.get(key)
    if path is None:
        cache.make_room(Path(table.filepath).stat().st_size)
        name = f"{Path(table.filepath).stem}{query.suffix}"
        target = Path(cache.get_cache_dir(key), name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".synapse-", dir=target.parent) as temporary:
            _convert(client, query, table, Path(temporary, name)).replace(target)
        cache.add(key, target)
        path = str(target)
    _pin_file(client, path)
    return Path(path)


def _cache_key(query: TableQuery, table: CsvFileTable, csv_md5: str) -> int:
    """Return the cache key of a converted file, used in place of a file handle ID.

    The key depends on the content, the types of the columns, the format and the Parquet writer.
    """
    is_parquet = query.file_format is FileFormat.PARQUET
    writer = parquet.get_writer_version() if is_parquet else query.suffix
    types = [[one.get("name"), one.get("columnType")] for one in table.columns()]
    text = json.dumps([csv_md5, types, writer])
    return _FIRST_CACHE_KEY + int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _convert(client: LineageClient, query: TableQuery, table: CsvFileTable, target: Path) -> Path:
    """Write the rows of a CSV file to a file of the query's format; return its path."""
    name, size = target.name, Path(table.filepath).stat().st_size
    with progress.show_progress(client, f"Writing {name}", f"Wrote {name}", size) as shown:
        if query.file_format is FileFormat.PARQUET:
            parquet.write_table(table, target, shown.advance)
            return target
        with _open_target(target, is_gzipped=query.is_gzipped) as stream:
            if query.file_format is FileFormat.JSONL:
                json_lines.write_table(table, stream, shown.advance)
            else:
                _copy(Path(table.filepath), stream, shown.advance)
    return target


@contextmanager
def _open_target(target: Path, *, is_gzipped: bool) -> Iterator[IO[bytes]]:
    """Open a file to write. The same content gives the same gzip bytes, without name and time."""
    with explain_full_disk(target), target.open("wb") as file:
        if not is_gzipped:
            yield file
            return
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream:
            yield cast("IO[bytes]", stream)


def _copy(source: Path, target: IO[bytes], on_progress: ProgressCallback) -> None:
    with source.open("rb") as file:
        while block := file.read(MiB):
            target.write(block)
            on_progress(len(block))


def _count_rows(table: CsvFileTable) -> int:
    """Count the rows of a CSV file without parsing their cells."""
    with Path(table.filepath).open(encoding="utf-8-sig", newline="") as file:
        return table.dialect.count_rows(file) - (1 if table.header else 0)
