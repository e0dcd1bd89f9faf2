"""Example data for a local service, created through its REST API.

Seeding is idempotent: existing entities are not changed.
"""

import csv
import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests

from synapse_workflows.constants import (
    FILE,
    FOLDER,
    MODEL,
    MULTIPART_UPLOAD_REQUEST,
    PROJECT,
    TABLE,
    ColumnType,
    MiB,
)
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.data_dir_lock import DataDirInUseError, lock_data_dir
from synapse_workflows.local.service_file import (
    SERVICE_FILE,
    select_default_user,
    write_private_file,
)
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.user_file import load_users

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import Service

#: Names of the data sets.
SEEDS: Final = ("demo",)
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

_DATA_ANNOTATIONS: Final[dict[str, Any]] = {
    "authors": ["William H. Wolberg", "W. Nick Street", "Olvi L. Mangasarian"],
    "dataType": ["clinical"],
    "doi": ["10.24432/C5DW2B"],
    "fileFormat": ["csv"],
    "license": ["CC BY 4.0"],
    "rows": [569],
    "source": ["UCI Machine Learning Repository: Breast Cancer Wisconsin (Diagnostic)"],
    "species": ["Homo sapiens"],
}
_DICTIONARY_ANNOTATIONS: Final[dict[str, Any]] = {
    "dataType": ["data dictionary"],
    "fileFormat": ["csv"],
    "license": ["CC BY 4.0"],
    "rows": [30],
}


class SeedError(RuntimeError):
    """A request of the seeder failed."""


def seed_app(app: Any, name: str) -> dict[str, str]:
    """Create a data set in the service of an application.

    Args:
        app: Application of `create_app`.
        name: Name of the data set, one of `SEEDS`.

    Returns:
        Key -> entity ID: `project`, `raw`, `results`; the files `data` and `dictionary`; the
        tables `measurements` and `features` with the rows of these files.

    Raises:
        ValueError: The data set does not exist.
        SeedError: A request failed.
    """
    service: Service = app.state.service
    base_url = service.settings.base_url
    token = select_default_user(service.users).token
    with asgi_adapter.create_session(app, base_url) as session:
        return _seed(name, Seeder(session, base_url, token))


def seed_data_dir(data_dir: Path, name: str) -> dict[str, str]:
    """Create a data set in the service of a data directory. The service may be running or not.

    Args:
        data_dir: Data directory.
        name: Name of the data set, one of `SEEDS`.

    Returns:
        Entity IDs, as for `seed_app`.

    Raises:
        ValueError: The data set does not exist.
        SeedError: A request failed.
        DataDirInUseError: The service is starting and does not accept requests yet.
    """
    try:
        with lock_data_dir(data_dir):
            return _seed_stopped_service(data_dir, name)
    except DataDirInUseError:
        if not (data_dir / SERVICE_FILE).exists():
            raise
    return _seed_running_service(data_dir, name)


def _seed_stopped_service(data_dir: Path, name: str) -> dict[str, str]:
    users = load_users(data_dir, None)
    app = create_app(Settings(data_dir=data_dir, base_url=asgi_adapter.BASE_URL, users=users))
    try:
        return seed_app(app, name)
    finally:
        app.state.service.close()


def _seed_running_service(data_dir: Path, name: str) -> dict[str, str]:
    service_info = json.loads((data_dir / SERVICE_FILE).read_text())
    base_url = service_info["repoEndpoint"].removesuffix("/repo/v1")
    token = json.loads(service_info["airflow_connection"])["password"]
    with requests.Session() as session:
        ids = _seed(name, Seeder(session, base_url, token))
    service_info["seed"] = ids
    write_private_file(data_dir / SERVICE_FILE, json.dumps(service_info, indent=2) + "\n")
    return ids


@dataclass(frozen=True)
class Seeder:
    """Client that creates missing entities, as one user.

    Args:
        session: HTTP session.
        base_url: Base URL of the service.
        token: Access token of the user.
    """

    session: requests.Session
    base_url: str
    token: str = field(repr=False)

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
        entity = self.find_child(path.name, parent) or self.get_or_create_entity(
            FILE, path.name, parent, dataFileHandleId=self.upload_file(path)
        )
        url = f"/repo/v1/entity/{entity}/annotations2"
        current = self.request_json("GET", url)
        if not current["annotations"]:
            current["annotations"] = {
                key: _build_annotation(values) for key, values in annotations.items()
            }
            self.request_json("PUT", url, current)
        return entity

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
        while response.status_code == requests.codes.accepted:
            time.sleep(_POLL_SECONDS)
            response = self.request("GET", f"{url}/get/{token}")
        return _parse_response(response)

    def find_child(self, name: str, parent: str | None) -> str | None:
        """Return the ID of a child, or None."""
        body = {"entityName": name, "parentId": parent}
        response = self.request("POST", "/repo/v1/entity/child", body)
        if response.status_code == requests.codes.not_found:
            return None
        return str(_parse_response(response)["id"])

    def upload_file(self, path: Path) -> str:
        """Upload a file in one part and return the ID of its file handle."""
        content = path.read_bytes()
        md5 = hashlib.md5(content).hexdigest()
        uploads = "/file/v1/file/multipart"
        body = {
            "concreteType": MULTIPART_UPLOAD_REQUEST,
            "fileName": path.name,
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

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Send a request and return the response."""
        return self.session.request(
            method,
            self.base_url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=_TIMEOUT_SECONDS,
        )


def _seed(name: str, seeder: Seeder) -> dict[str, str]:
    if name not in SEEDS:
        raise ValueError(f"Unknown seed {name!r}: expected one of: {', '.join(SEEDS)}.")
    return _seed_demo(seeder)


def _seed_demo(seeder: Seeder) -> dict[str, str]:
    """Create the data of the example DAGs.

    Keep the order of the calls. The order determines the entity IDs in an empty service, and the
    examples contain these IDs.
    """
    data = examples_dir() / "data"
    project = seeder.get_or_create_entity(
        PROJECT,
        "Demo - breast cancer diagnostics",  # entity names must not contain colons
        None,
        description="The Breast Cancer Wisconsin (Diagnostic) data, for the examples.",
    )
    raw = seeder.get_or_create_entity(FOLDER, "raw", project)
    measurements, features = data / "breast_cancer_wisconsin.csv", data / "feature_dictionary.csv"
    ids = {
        "project": project,
        "raw": raw,
        "data": seeder.get_or_create_file(raw, measurements, _DATA_ANNOTATIONS),
        "dictionary": seeder.get_or_create_file(raw, features, _DICTIONARY_ANNOTATIONS),
        "results": seeder.get_or_create_entity(FOLDER, "results", project),
    }
    for name, path, file in (
        ("measurements", measurements, ids["data"]),
        ("features", features, ids["dictionary"]),
    ):
        ids[name] = seeder.get_or_create_table(name, project, path, file)
    return ids


def _parse_response(response: requests.Response) -> Any:
    if not response.ok:
        request = f"{response.request.method} {response.request.path_url}"
        raise SeedError(f"{request} failed with status {response.status_code}: {response.text}")
    return response.json()


def _build_annotation(values: list[Any]) -> dict[str, Any]:
    value_type = "LONG" if isinstance(values[0], int) else "STRING"
    return {"type": value_type, "value": [str(value) for value in values]}
