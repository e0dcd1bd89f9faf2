"""Client that creates the entities of a data set through the REST API of the service."""

import csv
import hashlib
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from synapse_workflows.constants import (
    FILE,
    MODEL,
    MULTIPART_UPLOAD_REQUEST,
    TABLE,
    ColumnType,
    MiB,
)

if TYPE_CHECKING:
    import requests

_PART_BYTES: Final = 8 * MiB
_TIMEOUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_QUERY_COUNT: Final = 0x2
#: Column models for the CSV files. Columns that are not listed here have the type DOUBLE.
_COLUMNS: Final[dict[str, dict[str, Any]]] = {
    "id": {"columnType": ColumnType.INTEGER},
    "diagnosis": {"columnType": ColumnType.STRING, "enumValues": ["benign", "malignant"]},
    "feature": {"columnType": ColumnType.STRING},
    "unit": {"columnType": ColumnType.STRING},
    "description": {"columnType": ColumnType.STRING, "maximumSize": 200},
}


class SeedError(RuntimeError):
    """A request of the seeder failed, or the service lacks users."""


@dataclass(frozen=True)
class SeedUser:
    """A user who creates data.

    Args:
        name: User name.
        id: Principal ID.
        token: Access token.
        certified: Whether the user may upload files.
    """

    name: str
    id: int
    token: str = field(repr=False)
    certified: bool


@dataclass(frozen=True)
class Seeder:
    """Client that creates missing entities, as one user.

    Args:
        session: HTTP session.
        base_url: Base URL of the service.
        user: The user.
        users: All users of the service except the administrator.
    """

    session: "requests.Session"
    base_url: str
    user: SeedUser
    users: tuple[SeedUser, ...]

    def as_user(self, user: SeedUser) -> Self:
        """Return a client of another user."""
        return replace(self, user=user)

    def get_or_create_entity(
        self, concrete_type: str, name: str, parent: str | None, **properties: Any
    ) -> str:
        """Return the ID of an entity. Create it if it does not exist.

        Args:
            concrete_type: Concrete type of the entity.
            name: Name of the entity.
            parent: ID of the container; None for a project.
            properties: More properties of the entity.
        """
        found = self.find_child(name, parent)
        if found is not None:
            return found
        body = {"concreteType": concrete_type, "name": name, "parentId": parent, **properties}
        return str(self.request_json("POST", "/repo/v1/entity", body)["id"])

    def get_or_create_file(self, parent: str, path: Path, annotations: dict[str, Any]) -> str:
        """Return the ID of a File with annotations. Create it if it does not exist."""
        entity = self.get_or_create_file_of_content(parent, path.name, path.read_bytes())
        url = f"/repo/v1/entity/{entity}/annotations2"
        current = self.request_json("GET", url)
        if not current["annotations"]:
            current["annotations"] = {
                key: _build_annotation(values) for key, values in annotations.items()
            }
            self.request_json("PUT", url, current)
        return entity

    def get_or_create_file_of_content(self, parent: str, name: str, content: bytes) -> str:
        """Return the ID of a File without annotations. Create it if it does not exist."""
        return self.find_child(name, parent) or self.get_or_create_entity(
            FILE, name, parent, dataFileHandleId=self.upload_file(name, content)
        )

    def get_or_create_table(self, name: str, parent: str, path: Path, file: str) -> str:
        """Return the ID of a table with the rows of a CSV file. Create it if it does not exist.

        Args:
            name: Name of the table.
            parent: ID of the project.
            path: The CSV file.
            file: ID of the File with the content of the CSV file.
        """
        table = self.get_or_create_entity(TABLE, name, parent, columnIds=self.create_columns(path))
        query = {"sql": f"select * from {table}"}  # noqa: S608 - an ID
        bundle = self.run_job(
            table, "query", "QueryBundleRequest", query=query, partMask=_QUERY_COUNT
        )
        if not bundle["queryCount"]:
            handle = self.request_json("GET", f"/repo/v1/entity/{file}")["dataFileHandleId"]
            upload = {
                "concreteType": f"{MODEL}.table.UploadToTableRequest",
                "tableId": table,
                "uploadFileHandleId": handle,
            }
            self.run_job(table, "transaction", "TableUpdateTransactionRequest", changes=[upload])
        return table

    def create_columns(self, path: Path) -> list[str]:
        """Create the columns of a CSV file and return their IDs."""
        with path.open(newline="") as lines:
            names = next(csv.reader(lines))
        models = [
            {"name": name, "columnType": ColumnType.DOUBLE} | _COLUMNS.get(name, {})
            for name in names
        ]
        body = {"concreteType": f"{MODEL}.ListWrapper", "list": models}
        columns = self.request_json("POST", "/repo/v1/column/batch", body)
        return [column["id"] for column in columns["list"]]

    def run_job(self, table: str, path: str, request_type: str, **properties: Any) -> Any:
        """Run an asynchronous job of a table and return its result."""
        url = f"/repo/v1/entity/{table}/table/{path}/async"
        concrete_type = f"{MODEL}.table.{request_type}"
        body = {"concreteType": concrete_type, "entityId": table, **properties}
        token = self.request_json("POST", f"{url}/start", body)["token"]
        response = self.request("GET", f"{url}/get/{token}")
        while response.status_code == HTTPStatus.ACCEPTED:
            time.sleep(_POLL_SECONDS)
            response = self.request("GET", f"{url}/get/{token}")
        return _parse_response(response)

    def find_child(self, name: str, parent: str | None) -> str | None:
        """Return the ID of a child, or None."""
        body = {"entityName": name, "parentId": parent}
        response = self.request("POST", "/repo/v1/entity/child", body)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return str(_parse_response(response)["id"])

    def upload_file(self, name: str, content: bytes) -> str:
        """Upload a CSV file in one part and return the ID of its file handle."""
        md5 = hashlib.md5(content).hexdigest()
        uploads = "/file/v1/file/multipart"
        body = {
            "concreteType": MULTIPART_UPLOAD_REQUEST,
            "fileName": name,
            "fileSizeBytes": len(content),
            "partSizeBytes": _PART_BYTES,
            "contentMD5Hex": md5,
            "contentType": "text/csv",
        }
        status = self.request_json("POST", uploads, body)
        if status["state"] != "COMPLETED":
            upload = f"{uploads}/{status['uploadId']}"
            batch = self.request_json(
                "POST", f"{upload}/presigned/url/batch", {"partNumbers": [1]}
            )
            url = batch["partPresignedUrls"][0]["uploadPresignedUrl"]
            self.session.put(url, data=content, timeout=_TIMEOUT_SECONDS).raise_for_status()
            self.request_json("PUT", f"{upload}/add/1?partMD5Hex={md5}")
            status = self.request_json("PUT", f"{upload}/complete")
        return str(status["resultFileHandleId"])

    def request_json(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of the response.

        Raises:
            SeedError: The request failed.
        """
        return _parse_response(self.request(method, path, body))

    def request(self, method: str, path: str, body: Any = None) -> "requests.Response":
        """Send a request and return the response."""
        return self.session.request(
            method,
            self.base_url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.user.token}"},
            timeout=_TIMEOUT_SECONDS,
        )


def _parse_response(response: "requests.Response") -> Any:
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None
    if not response.ok:
        request = f"{response.request.method} {response.request.path_url}"
        raise SeedError(f"{request} failed with status {response.status_code}: {response.text}")
    return response.json()


def _build_annotation(values: list[Any]) -> dict[str, Any]:
    value_type = "LONG" if isinstance(values[0], int) else "STRING"
    return {"type": value_type, "value": [str(value) for value in values]}
