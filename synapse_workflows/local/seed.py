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
from synapse_workflows.local.data_dir_lock import DataDirInUseError, held
from synapse_workflows.local.service_file import SERVICE_FILE, owner, write_private
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.user_file import users_of

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import Service

#: Names that `--seed` understands.
SEEDS: Final = ("demo",)
_PART: Final = 8 * MiB
_SECONDS: Final = 60.0
_PAUSE: Final = 0.05
_COUNT: Final = 0x2
#: Columns of the tables that are no measured numbers; the others are.
_COLUMNS: Final[dict[str, dict[str, Any]]] = {
    "id": {"columnType": ColumnType.INTEGER},
    "diagnosis": {"columnType": ColumnType.STRING, "enumValues": ["benign", "malignant"]},
    "feature": {"columnType": ColumnType.STRING},
    "unit": {"columnType": ColumnType.STRING},
    "description": {"columnType": ColumnType.STRING, "maximumSize": 200},
}

_DATA_ABOUT: Final[dict[str, Any]] = {
    "authors": ["William H. Wolberg", "W. Nick Street", "Olvi L. Mangasarian"],
    "dataType": ["clinical"],
    "doi": ["10.24432/C5DW2B"],
    "fileFormat": ["csv"],
    "license": ["CC BY 4.0"],
    "rows": [569],
    "source": ["UCI Machine Learning Repository: Breast Cancer Wisconsin (Diagnostic)"],
    "species": ["Homo sapiens"],
}
_DICTIONARY_ABOUT: Final[dict[str, Any]] = {
    "dataType": ["data dictionary"],
    "fileFormat": ["csv"],
    "license": ["CC BY 4.0"],
    "rows": [30],
}


class SeedError(RuntimeError):
    """The service refused what it was to be filled with."""


def plant(app: Any, name: str) -> dict[str, str]:
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
    with asgi_adapter.session(app, base_url) as session:
        return _fill(name, _Garden(session, base_url, owner(service.users).token))


def plant_into(data_dir: Path, name: str) -> dict[str, str]:
    """Fill the service of a data directory, running or not; give the entity ids.

    Raises:
        ValueError: There is no such seed.
        SeedError: The service refused something.
        DataDirInUseError: It runs, but does not answer yet.
    """
    try:
        with held(data_dir):
            users = users_of(data_dir, None)
            app = create_app(
                Settings(data_dir=data_dir, base_url=asgi_adapter.BASE_URL, users=users)
            )
            try:
                return plant(app, name)
            finally:
                app.state.service.close()
    except DataDirInUseError:
        if not (data_dir / SERVICE_FILE).exists():
            raise
    told = json.loads((data_dir / SERVICE_FILE).read_text())
    token = json.loads(told["airflow_connection"])["password"]
    with requests.Session() as session:
        base_url = told["repoEndpoint"].removesuffix("/repo/v1")
        told["seed"] = _fill(name, _Garden(session, base_url, token))
    write_private(data_dir / SERVICE_FILE, json.dumps(told, indent=2) + "\n")
    return dict(told["seed"])


@dataclass(frozen=True)
class _Garden:
    """A service that is being filled by one user."""

    session: requests.Session
    base_url: str
    token: str = field(repr=False)

    def entity(self, kind: str, name: str, parent: str | None, **more: Any) -> str:
        """Give the id of an entity, made if it is not there."""
        wanted = {"concreteType": kind, "name": name, "parentId": parent, **more}
        return self.find(name, parent) or str(self.call("POST", "/repo/v1/entity", wanted)["id"])

    def file(self, parent: str, path: Path, about: dict[str, Any]) -> str:
        """Give the id of a file with annotations, made if it is not there."""
        entity = self.find(path.name, parent) or self.entity(
            FILE, path.name, parent, dataFileHandleId=self.upload(path)
        )
        where = f"/repo/v1/entity/{entity}/annotations2"
        found = self.call("GET", where)
        if not found["annotations"]:
            found["annotations"] = {key: _annotation(value) for key, value in about.items()}
            self.call("PUT", where, found)
        return entity

    def table(self, name: str, parent: str, path: Path, file: str) -> str:
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
        columns = self.call(
            "POST",
            "/repo/v1/column/batch",
            {"concreteType": f"{MODEL}.ListWrapper", "list": wanted},
        )
        table = self.entity(
            TABLE, name, parent, columnIds=[each["id"] for each in columns["list"]]
        )
        count = {"sql": f"select * from {table}"}  # noqa: S608 - an id
        asked = self.job(table, "query", "QueryBundleRequest", query=count, partMask=_COUNT)
        if not asked["queryCount"]:
            upload = {
                "concreteType": f"{MODEL}.table.UploadToTableRequest",
                "tableId": table,
                "uploadFileHandleId": self.call("GET", f"/repo/v1/entity/{file}")[
                    "dataFileHandleId"
                ],
            }
            self.job(table, "transaction", "TableUpdateTransactionRequest", changes=[upload])
        return table

    def job(self, table: str, what: str, kind: str, **request: Any) -> Any:
        """Have a table do something, and wait for what comes of it."""
        where = f"/repo/v1/entity/{table}/table/{what}/async"
        body = {"concreteType": f"{MODEL}.table.{kind}", "entityId": table, **request}
        token = self.call("POST", f"{where}/start", body)["token"]
        answer = self.send("GET", f"{where}/get/{token}")
        while answer.status_code == requests.codes.accepted:
            time.sleep(_PAUSE)
            answer = self.send("GET", f"{where}/get/{token}")
        return _read(answer)

    def find(self, name: str, parent: str | None) -> str | None:
        """Give the id of a child, or None."""
        wanted = {"entityName": name, "parentId": parent}
        answer = self.send("POST", "/repo/v1/entity/child", wanted)
        return None if answer.status_code == requests.codes.not_found else _read(answer)["id"]

    def upload(self, path: Path) -> str:
        """Give the id of a file handle for a file of one part."""
        content = path.read_bytes()
        md5 = hashlib.md5(content).hexdigest()
        uploads = "/file/v1/file/multipart"
        request = {
            "concreteType": MULTIPART_UPLOAD_REQUEST,
            "fileName": path.name,
            "fileSizeBytes": len(content),
            "partSizeBytes": _PART,
            "contentMD5Hex": md5,
            "contentType": "text/csv",
        }
        status = self.call("POST", uploads, request)
        if status["state"] != "COMPLETED":
            here = f"{uploads}/{status['uploadId']}"
            signed = self.call("POST", f"{here}/presigned/url/batch", {"partNumbers": [1]})
            url = signed["partPresignedUrls"][0]["uploadPresignedUrl"]
            self.session.put(url, data=content, timeout=_SECONDS).raise_for_status()
            self.call("PUT", f"{here}/add/1?partMD5Hex={md5}")
            status = self.call("PUT", f"{here}/complete")
        return str(status["resultFileHandleId"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and read the JSON of its answer."""
        return _read(self.send(method, path, body))

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Send a request."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.base_url + path
        return self.session.request(method, url, json=body, headers=headers, timeout=_SECONDS)


def _fill(name: str, garden: _Garden) -> dict[str, str]:
    """Lay out a seed. The order decides the ids in a fresh service: the examples name them."""
    if name not in SEEDS:
        raise ValueError(f"there is no seed named {name!r}; there is: {', '.join(SEEDS)}")
    data = examples_dir() / "data"
    project = garden.entity(
        PROJECT,
        "Demo - breast cancer diagnostics",  # a colon may not stand in a name
        None,
        description="The Breast Cancer Wisconsin (Diagnostic) data, for the examples.",
    )
    raw = garden.entity(FOLDER, "raw", project)
    measured, explained = data / "breast_cancer_wisconsin.csv", data / "feature_dictionary.csv"
    found = {
        "project": project,
        "raw": raw,
        "data": garden.file(raw, measured, _DATA_ABOUT),
        "dictionary": garden.file(raw, explained, _DICTIONARY_ABOUT),
        "results": garden.entity(FOLDER, "results", project),
    }
    return found | {
        "measurements": garden.table("measurements", project, measured, found["data"]),
        "features": garden.table("features", project, explained, found["dictionary"]),
    }


def _read(answer: requests.Response) -> Any:
    if not answer.ok:
        where = f"{answer.request.method} {answer.request.path_url}"
        raise SeedError(f"{where} answered {answer.status_code}: {answer.text}")
    return answer.json()


def _annotation(values: list[Any]) -> dict[str, Any]:
    kind = "LONG" if isinstance(values[0], int) else "STRING"
    return {"type": kind, "value": [str(value) for value in values]}
