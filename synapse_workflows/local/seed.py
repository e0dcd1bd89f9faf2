"""What a fresh service can be filled with. Speaks HTTP to it, as any other client does.

Seeding again finds what is there and leaves it as it is.
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

#: Names that `--seed` understands.
SEEDS: Final = ("demo",)
_PART_BYTES: Final = 8 * MiB
_TIMEOUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_QUERY_COUNT: Final = 0x2
#: Columns of the tables that are no measured numbers; the others are.
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
    """The service refused what it was to be filled with."""


def seed_app(app: Any, name: str) -> dict[str, str]:
    """Fill the service behind an application, in this process.

    Args:
        app: what `create_app` made.
        name: one of SEEDS.

    Returns:
        Entity ids: `project`, `raw`, `results`; the files `data` and `dictionary`; the tables
        `measurements` and `features`, which hold what the files do.

    Raises:
        ValueError: There is no such seed.
        SeedError: The service refused something.
    """
    service: Service = app.state.service
    base_url = service.settings.base_url
    with asgi_adapter.create_session(app, base_url) as session:
        return _seed_demo(
            name, Seeder(session, base_url, select_default_user(service.users).token)
        )


def seed_data_dir(data_dir: Path, name: str) -> dict[str, str]:
    """Fill the service of a data directory, running or not; give the entity ids.

    Raises:
        ValueError: There is no such seed.
        SeedError: The service refused something.
        DataDirInUseError: It runs, but does not answer yet.
    """
    try:
        with lock_data_dir(data_dir):
            users = load_users(data_dir, None)
            app = create_app(
                Settings(data_dir=data_dir, base_url=asgi_adapter.BASE_URL, users=users)
            )
            try:
                return seed_app(app, name)
            finally:
                app.state.service.close()
    except DataDirInUseError:
        if not (data_dir / SERVICE_FILE).exists():
            raise
    told = json.loads((data_dir / SERVICE_FILE).read_text())
    token = json.loads(told["airflow_connection"])["password"]
    with requests.Session() as session:
        base_url = told["repoEndpoint"].removesuffix("/repo/v1")
        told["seed"] = _seed_demo(name, Seeder(session, base_url, token))
    write_private_file(data_dir / SERVICE_FILE, json.dumps(told, indent=2) + "\n")
    return dict(told["seed"])


@dataclass(frozen=True)
class Seeder:
    """A service that is being filled by one user."""

    session: requests.Session
    base_url: str
    token: str = field(repr=False)

    def get_or_create_entity(self, kind: str, name: str, parent: str | None, **more: Any) -> str:
        """Give the id of an entity, made if it is not there."""
        wanted = {"concreteType": kind, "name": name, "parentId": parent, **more}
        return self.find_child(name, parent) or str(
            self.request_json("POST", "/repo/v1/entity", wanted)["id"]
        )

    def get_or_create_file(self, parent: str, path: Path, about: dict[str, Any]) -> str:
        """Give the id of a file with annotations, made if it is not there."""
        entity = self.find_child(path.name, parent) or self.get_or_create_entity(
            FILE, path.name, parent, dataFileHandleId=self.upload_file(path)
        )
        where = f"/repo/v1/entity/{entity}/annotations2"
        found = self.request_json("GET", where)
        if not found["annotations"]:
            found["annotations"] = {key: _build_annotation(value) for key, value in about.items()}
            self.request_json("PUT", where, found)
        return entity

    def get_or_create_table(self, name: str, parent: str, path: Path, file: str) -> str:
        """Give the id of a table with the rows of a CSV file, made if it is not there.

        Args:
            name: of the table.
            parent: where it lies.
            path: the file.
            file: the entity that holds it; its file handle gives the rows.
        """
        with path.open(newline="") as lines:
            names = next(csv.reader(lines))
        wanted = [
            {"name": each, "columnType": ColumnType.DOUBLE} | _COLUMNS.get(each, {})
            for each in names
        ]
        columns = self.request_json(
            "POST",
            "/repo/v1/column/batch",
            {"concreteType": f"{MODEL}.ListWrapper", "list": wanted},
        )
        table = self.get_or_create_entity(
            TABLE, name, parent, columnIds=[each["id"] for each in columns["list"]]
        )
        count = {"sql": f"select * from {table}"}  # noqa: S608 - an id
        asked = self.run_job(
            table, "query", "QueryBundleRequest", query=count, partMask=_QUERY_COUNT
        )
        if not asked["queryCount"]:
            upload = {
                "concreteType": f"{MODEL}.table.UploadToTableRequest",
                "tableId": table,
                "uploadFileHandleId": self.request_json("GET", f"/repo/v1/entity/{file}")[
                    "dataFileHandleId"
                ],
            }
            self.run_job(table, "transaction", "TableUpdateTransactionRequest", changes=[upload])
        return table

    def run_job(self, table: str, what: str, kind: str, **request: Any) -> Any:
        """Have a table do something, and wait for what comes of it."""
        where = f"/repo/v1/entity/{table}/table/{what}/async"
        body = {"concreteType": f"{MODEL}.table.{kind}", "entityId": table, **request}
        token = self.request_json("POST", f"{where}/start", body)["token"]
        answer = self.request("GET", f"{where}/get/{token}")
        while answer.status_code == requests.codes.accepted:
            time.sleep(_POLL_SECONDS)
            answer = self.request("GET", f"{where}/get/{token}")
        return _parse_response(answer)

    def find_child(self, name: str, parent: str | None) -> str | None:
        """Give the id of a child, or None."""
        wanted = {"entityName": name, "parentId": parent}
        answer = self.request("POST", "/repo/v1/entity/child", wanted)
        return (
            None
            if answer.status_code == requests.codes.not_found
            else _parse_response(answer)["id"]
        )

    def upload_file(self, path: Path) -> str:
        """Give the id of a file handle for a file of one part."""
        content = path.read_bytes()
        md5 = hashlib.md5(content).hexdigest()
        uploads = "/file/v1/file/multipart"
        request = {
            "concreteType": MULTIPART_UPLOAD_REQUEST,
            "fileName": path.name,
            "fileSizeBytes": len(content),
            "partSizeBytes": _PART_BYTES,
            "contentMD5Hex": md5,
            "contentType": "text/csv",
        }
        status = self.request_json("POST", uploads, request)
        if status["state"] != "COMPLETED":
            here = f"{uploads}/{status['uploadId']}"
            signed = self.request_json("POST", f"{here}/presigned/url/batch", {"partNumbers": [1]})
            url = signed["partPresignedUrls"][0]["uploadPresignedUrl"]
            self.session.put(url, data=content, timeout=_TIMEOUT_SECONDS).raise_for_status()
            self.request_json("PUT", f"{here}/add/1?partMD5Hex={md5}")
            status = self.request_json("PUT", f"{here}/complete")
        return str(status["resultFileHandleId"])

    def request_json(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and read the JSON of its answer."""
        return _parse_response(self.request(method, path, body))

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Send a request."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.base_url + path
        return self.session.request(
            method, url, json=body, headers=headers, timeout=_TIMEOUT_SECONDS
        )


def _seed_demo(name: str, seeder: Seeder) -> dict[str, str]:
    """Lay out a seed. The order decides the ids in a fresh service: the examples name them."""
    if name not in SEEDS:
        raise ValueError(f"there is no seed named {name!r}; there is: {', '.join(SEEDS)}")
    data = examples_dir() / "data"
    project = seeder.get_or_create_entity(
        PROJECT,
        "Demo - breast cancer diagnostics",  # a colon may not stand in a name
        None,
        description="The Breast Cancer Wisconsin (Diagnostic) data, for the examples.",
    )
    raw = seeder.get_or_create_entity(FOLDER, "raw", project)
    measured, explained = data / "breast_cancer_wisconsin.csv", data / "feature_dictionary.csv"
    found = {
        "project": project,
        "raw": raw,
        "data": seeder.get_or_create_file(raw, measured, _DATA_ANNOTATIONS),
        "dictionary": seeder.get_or_create_file(raw, explained, _DICTIONARY_ANNOTATIONS),
        "results": seeder.get_or_create_entity(FOLDER, "results", project),
    }
    return found | {
        "measurements": seeder.get_or_create_table(
            "measurements", project, measured, found["data"]
        ),
        "features": seeder.get_or_create_table(
            "features", project, explained, found["dictionary"]
        ),
    }


def _parse_response(answer: requests.Response) -> Any:
    if not answer.ok:
        where = f"{answer.request.method} {answer.request.path_url}"
        raise SeedError(f"{where} answered {answer.status_code}: {answer.text}")
    return answer.json()


def _build_annotation(values: list[Any]) -> dict[str, Any]:
    kind = "LONG" if isinstance(values[0], int) else "STRING"
    return {"type": kind, "value": [str(value) for value in values]}
