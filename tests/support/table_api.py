"""Tables as the service's own tests speak of them, on top of `entity_api`."""

import re
import time
from typing import Any

import requests

from support.entity_api import REPO, Author
from support.file_api import ok
from synapse_workflows.constants import MODEL, TABLE

M = f"{MODEL}.table"


class Tabler:
    """An author at work on tables."""

    def __init__(self, author: Author) -> None:
        self.author = author
        self._project: str | None = None

    @property
    def project(self) -> str:
        if self._project is None:
            self._project = self.author.new_project()["id"]
        return self._project

    def column(self, name: str, kind: str = "STRING", **more: Any) -> dict[str, Any]:
        body = {"name": name, "columnType": kind, **more}
        return ok(self.author.post(f"{REPO}/column", body))

    def table(self, *columns: tuple[str, str] | dict[str, Any], **more: Any) -> dict[str, Any]:
        """Create a table of columns: each is (name, type) or a ColumnModel."""
        made = [self.column(*each) if isinstance(each, tuple) else each for each in columns]
        ids = [each["id"] if "id" in each else self.column_of(each)["id"] for each in made]
        return self.author.make(TABLE, self.project, columnIds=ids, **more)

    def column_of(self, body: dict[str, Any]) -> dict[str, Any]:
        return ok(self.author.post(f"{REPO}/column", body))

    def columns(self, table: str) -> list[dict[str, Any]]:
        return ok(self.author.get(f"{REPO}/entity/{table}/column"))["results"]

    # Jobs.

    def run(self, path: str, body: dict[str, Any]) -> requests.Response:
        """Start a job and wait for its end."""
        started = self.author.post(f"{path}/async/start", body)
        if not started.ok:
            return started
        token = started.json()["token"]
        deadline = time.monotonic() + 30
        while True:
            answer = self.author.get(f"{path}/async/get/{token}")
            if answer.status_code != 202:
                return answer
            assert time.monotonic() < deadline, answer.text

    def try_transact(self, table: str, *changes: dict[str, Any], **more: Any) -> Any:
        body = {"concreteType": f"{M}.TableUpdateTransactionRequest", "changes": changes, **more}
        return self.run(f"{REPO}/entity/{table}/table/transaction", body)

    def transact(self, table: str, *changes: dict[str, Any], **more: Any) -> dict[str, Any]:
        return ok(self.try_transact(table, *changes, **more))

    # Changes.

    def rows(
        self, table: str, *rows: Any, names: list[str] | None = None, etag: str | None = None
    ) -> dict[str, Any]:
        """An AppendableRowSetRequest; a row is its values, or (row id, version, values)."""
        columns = self.columns(table)
        if names is not None:
            columns = [next(c for c in columns if c["name"] == name) for name in names]
        headers = [{key: c[key] for key in ("id", "name", "columnType")} for c in columns]
        made = [
            {"rowId": row[0], "versionNumber": row[1], "values": row[2]}
            if isinstance(row, tuple)
            else {"values": row}
            for row in rows
        ]
        to_append = {
            "concreteType": f"{M}.RowSet", "tableId": table, "headers": headers, "rows": made,
        }  # fmt: skip
        if etag is not None:
            to_append["etag"] = etag
        return {
            "concreteType": f"{M}.AppendableRowSetRequest",
            "entityId": table,
            "toAppend": to_append,
        }

    def partial(self, table: str, *rows: tuple[int | None, dict[str, Any]]) -> dict[str, Any]:
        """An AppendableRowSetRequest of partial rows: (row id, {column name: value})."""
        ids = {each["name"]: each["id"] for each in self.columns(table)}
        made = [
            {
                "rowId": row_id,
                "values": [{"key": ids[name], "value": value} for name, value in cells.items()],
            }
            for row_id, cells in rows
        ]
        return {
            "concreteType": f"{M}.AppendableRowSetRequest",
            "entityId": table,
            "toAppend": {"concreteType": f"{M}.PartialRowSet", "tableId": table, "rows": made},
        }

    def csv(self, table: str, data: str | bytes, **more: Any) -> dict[str, Any]:
        """An UploadToTableRequest of a file that is uploaded here."""
        content = data.encode() if isinstance(data, str) else data
        return {
            "concreteType": f"{M}.UploadToTableRequest",
            "tableId": table,
            "uploadFileHandleId": self.author.upload(content),
            **more,
        }

    def append(self, table: str, *rows: Any, **more: Any) -> list[tuple[int, int]]:
        """Put rows in; give (row id, version) of each."""
        answer = self.transact(table, self.rows(table, *rows, **more))
        found = answer["results"][0]["rowReferenceSet"]["rows"]
        return [(each["rowId"], each["versionNumber"]) for each in found]

    # Queries.

    def try_query(self, sql: str, *, mask: int | None = None, **more: Any) -> Any:
        body = {"concreteType": f"{M}.QueryBundleRequest", "query": {"sql": sql, **more}}
        if mask is not None:
            body["partMask"] = mask
        return self.run(f"{REPO}/entity/{_table_in(sql)}/table/query", body)

    def bundle(self, sql: str, **more: Any) -> dict[str, Any]:
        return ok(self.try_query(sql, **more))

    def query(self, sql: str, **more: Any) -> list[list[str | None]]:
        """The values of the first page."""
        found = self.bundle(sql, mask=1, **more)["queryResult"]["queryResults"]["rows"]
        return [row["values"] for row in found]

    def row_set(self, sql: str, **more: Any) -> dict[str, Any]:
        return self.bundle(sql, mask=1, **more)["queryResult"]["queryResults"]

    def everything(self, table: str) -> list[tuple[int, int, list[str | None]]]:
        """All rows, as (row id, version, values)."""
        rows = self.row_set(f"select * from {table}")["rows"]
        return [(row["rowId"], row["versionNumber"], row["values"]) for row in rows]

    def try_download(self, sql: str, **more: Any) -> Any:
        body = {"concreteType": f"{M}.DownloadFromTableRequest", "sql": sql, **more}
        return self.run(f"{REPO}/entity/{_table_in(sql)}/table/download/csv", body)

    def download(self, sql: str, **more: Any) -> str:
        """The CSV of a query."""
        handle = ok(self.try_download(sql, **more))["resultsFileHandleId"]
        return self.author.read(handle).content.decode()


def _table_in(sql: str) -> str:
    found = re.search(r"from\s+(syn\d+)", sql, re.IGNORECASE)
    return "syn1" if found is None else found[1]
