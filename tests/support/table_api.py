"""Client of the service's table API for tests."""

import re
import time
from typing import Any

import requests

from support.entity_api import REPO, Author
from support.file_api import ok
from synapse_workflows.constants import MODEL, TABLE

M = f"{MODEL}.table"
_JOB_SECONDS = 30


class TableClient:
    """Table requests of one user. Tables are created in a project of the client."""

    def __init__(self, author: Author) -> None:
        self.author = author
        self._project: str | None = None

    @property
    def project(self) -> str:
        if self._project is None:
            self._project = self.author.new_project()["id"]
        return self._project

    def create_column(self, name: str, kind: str = "STRING", **more: Any) -> dict[str, Any]:
        body = {"name": name, "columnType": kind, **more}
        return ok(self.author.post(f"{REPO}/column", body))

    def create_table(
        self, *columns: tuple[str, str] | dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        """Create a table; a column is (name, type) or a ColumnModel."""
        ids = [self._get_column_id(each) for each in columns]
        return self.author.make(TABLE, self.project, columnIds=ids, **more)

    def _get_column_id(self, column: tuple[str, str] | dict[str, Any]) -> str:
        if isinstance(column, tuple):
            return self.create_column(*column)["id"]
        return column.get("id") or ok(self.author.post(f"{REPO}/column", column))["id"]

    def list_columns(self, table: str) -> list[dict[str, Any]]:
        return ok(self.author.get(f"{REPO}/entity/{table}/column"))["results"]

    # Jobs.

    def run(self, path: str, body: dict[str, Any]) -> requests.Response:
        """Start a job and return the response with its result."""
        started = self.author.post(f"{path}/async/start", body)
        if not started.ok:
            return started
        token = started.json()["token"]
        deadline = time.monotonic() + _JOB_SECONDS
        while True:
            response = self.author.get(f"{path}/async/get/{token}")
            if response.status_code != 202:
                return response
            assert time.monotonic() < deadline, response.text

    def try_transact(self, table: str, *changes: dict[str, Any], **more: Any) -> Any:
        body = {"concreteType": f"{M}.TableUpdateTransactionRequest", "changes": changes, **more}
        return self.run(f"{REPO}/entity/{table}/table/transaction", body)

    def transact(self, table: str, *changes: dict[str, Any], **more: Any) -> dict[str, Any]:
        return ok(self.try_transact(table, *changes, **more))

    # Changes.

    def rows(
        self, table: str, *rows: Any, names: list[str] | None = None, etag: str | None = None
    ) -> dict[str, Any]:
        """Return an AppendableRowSetRequest; a row is its values or (row ID, version, values)."""
        columns = self.list_columns(table)
        if names is not None:
            columns = [next(c for c in columns if c["name"] == name) for name in names]
        headers = [{key: c[key] for key in ("id", "name", "columnType")} for c in columns]
        bodies = [
            {"rowId": row[0], "versionNumber": row[1], "values": row[2]}
            if isinstance(row, tuple)
            else {"values": row}
            for row in rows
        ]
        to_append = {
            "concreteType": f"{M}.RowSet", "tableId": table, "headers": headers, "rows": bodies,
        }  # fmt: skip
        if etag is not None:
            to_append["etag"] = etag
        return {
            "concreteType": f"{M}.AppendableRowSetRequest",
            "entityId": table,
            "toAppend": to_append,
        }

    def partial(self, table: str, *rows: tuple[int | None, dict[str, Any]]) -> dict[str, Any]:
        """Return an AppendableRowSetRequest of partial rows: (row ID, {column name: value})."""
        ids = {each["name"]: each["id"] for each in self.list_columns(table)}
        bodies = [
            {
                "rowId": row_id,
                "values": [{"key": ids[name], "value": value} for name, value in cells.items()],
            }
            for row_id, cells in rows
        ]
        return {
            "concreteType": f"{M}.AppendableRowSetRequest",
            "entityId": table,
            "toAppend": {"concreteType": f"{M}.PartialRowSet", "tableId": table, "rows": bodies},
        }

    def csv(self, table: str, data: str | bytes, **more: Any) -> dict[str, Any]:
        """Upload a file and return an UploadToTableRequest for it."""
        content = data.encode() if isinstance(data, str) else data
        return {
            "concreteType": f"{M}.UploadToTableRequest",
            "tableId": table,
            "uploadFileHandleId": self.author.upload(content),
            **more,
        }

    def append(self, table: str, *rows: Any, **more: Any) -> list[tuple[int, int]]:
        """Insert, update or delete rows; return (row ID, version) of each."""
        response = self.transact(table, self.rows(table, *rows, **more))
        references = response["results"][0]["rowReferenceSet"]["rows"]
        return [(each["rowId"], each["versionNumber"]) for each in references]

    # Queries.

    def try_query(self, sql: str, *, mask: int | None = None, **more: Any) -> Any:
        body = {"concreteType": f"{M}.QueryBundleRequest", "query": {"sql": sql, **more}}
        if mask is not None:
            body["partMask"] = mask
        return self.run(f"{REPO}/entity/{_parse_table_id(sql)}/table/query", body)

    def bundle(self, sql: str, **more: Any) -> dict[str, Any]:
        return ok(self.try_query(sql, **more))

    def query(self, sql: str, **more: Any) -> list[list[str | None]]:
        """Return the values of the first page."""
        return [row["values"] for row in self.row_set(sql, **more)["rows"]]

    def row_set(self, sql: str, **more: Any) -> dict[str, Any]:
        return self.bundle(sql, mask=1, **more)["queryResult"]["queryResults"]

    def list_rows(self, table: str) -> list[tuple[int, int, list[str | None]]]:
        """Return the rows of the first page, as (row ID, version, values)."""
        rows = self.row_set(f"select * from {table}")["rows"]
        return [(row["rowId"], row["versionNumber"], row["values"]) for row in rows]

    def try_download(self, sql: str, **more: Any) -> Any:
        body = {"concreteType": f"{M}.DownloadFromTableRequest", "sql": sql, **more}
        return self.run(f"{REPO}/entity/{_parse_table_id(sql)}/table/download/csv", body)

    def download(self, sql: str, **more: Any) -> str:
        """Return the result of a query as CSV."""
        handle = ok(self.try_download(sql, **more))["resultsFileHandleId"]
        return self.author.read(handle).content.decode()


def _parse_table_id(sql: str) -> str:
    match = re.search(r"from\s+(syn\d+)", sql, re.IGNORECASE)
    return "syn1" if match is None else match[1]
