"""Requests to the local service over plain HTTP, without the client of this package."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from synapse_workflows.constants import FILE, FOLDER, PROJECT, MiB
from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.settings import Settings

PART = 5 * MiB


class Clock:
    """A clock that a test can advance."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class RestUser:
    """Requests to the service with the token of one user."""

    def __init__(self, session: requests.Session, base_url: str, token: str | None) -> None:
        self.session = session
        self.base_url = base_url
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        more = {"allow_redirects": False, "timeout": 30, **more}
        url = self.base_url + path
        return self.session.request(method, url, json=body, headers=self.headers, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.request("POST", path, body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.request("PUT", path, body, **more)

    def delete(self, path: str, **more: Any) -> requests.Response:
        return self.request("DELETE", path, **more)

    def project(self, name: str) -> str:
        return ok(self.post("/repo/v1/entity", {"concreteType": PROJECT, "name": name}))["id"]

    def folder(self, name: str, parent: str) -> str:
        body = {"concreteType": FOLDER, "name": name, "parentId": parent}
        return ok(self.post("/repo/v1/entity", body))["id"]

    def file(self, name: str, parent: str, handle: str) -> str:
        body = {"concreteType": FILE, "name": name, "parentId": parent, "dataFileHandleId": handle}
        return ok(self.post("/repo/v1/entity", body))["id"]

    def new_version(self, entity: str, handle: str) -> None:
        body = ok(self.get(f"/repo/v1/entity/{entity}"))
        body |= {"dataFileHandleId": handle, "versionLabel": None}
        ok(self.put(f"/repo/v1/entity/{entity}?newVersion=true", body))

    def start(self, data: bytes, *, part: int = PART, restart: bool = False, **more: Any) -> Any:
        query = "?forceRestart=true" if restart else ""
        return self.post(
            f"/file/v1/file/multipart{query}", multipart_request(data, part=part, **more)
        )

    def part_url(self, upload: str, number: int = 1, **more: Any) -> str:
        path = f"/file/v1/file/multipart/{upload}/presigned/url/batch"
        signed = ok(self.post(path, {"uploadId": upload, "partNumbers": [number], **more}))
        return signed["partPresignedUrls"][0]["uploadPresignedUrl"]

    def put_part(self, upload: str, number: int, data: Any) -> requests.Response:
        return self.session.put(self.part_url(upload, number), data=data, timeout=30)

    def add(self, upload: str, number: int, md5: str) -> Any:
        path = f"/file/v1/file/multipart/{upload}/add/{number}"
        return ok(self.put(f"{path}?partMD5Hex={md5}"))

    def complete(self, upload: str) -> requests.Response:
        return self.put(f"/file/v1/file/multipart/{upload}/complete")

    def upload(self, data: bytes, *, part: int = PART, **more: Any) -> str:
        """Upload bytes and return the ID of the file handle."""
        status = ok(self.start(data, part=part, **more))
        if status["state"] == "COMPLETED":
            return status["resultFileHandleId"]
        for number, begin in enumerate(range(0, len(data), part), 1):
            piece = data[begin : begin + part]
            assert self.put_part(status["uploadId"], number, piece).status_code == 200
            added = self.add(status["uploadId"], number, md5(piece))
            assert added["addPartState"] == "ADD_SUCCESS"
        return ok(self.complete(status["uploadId"]))["resultFileHandleId"]

    def batch(self, *associations: tuple[Any, str, str], **flags: bool) -> requests.Response:
        """Request file handles and URLs; an association is (handle, object ID, object type)."""
        files = [
            {"fileHandleId": handle, "associateObjectId": of, "associateObjectType": kind}
            for handle, of, kind in associations
        ]
        flags = flags or {"includeFileHandles": True, "includePreSignedURLs": True}
        return self.post("/file/v1/fileHandle/batch", {"requestedFiles": files, **flags})

    def url(self, handle: str) -> str:
        """Return a pre-signed URL of a file handle of this user."""
        return self.get(f"/file/v1/fileHandle/{handle}/url?redirect=false").text

    def read(self, handle: str, **headers: str) -> requests.Response:
        return self.session.get(self.url(handle), headers=headers, timeout=30)


class RestService:
    """A running service, its users' tokens and its clock."""

    def __init__(
        self, session: requests.Session, base_url: str, tokens: dict[str, str], clock: Clock
    ) -> None:
        self.session = session
        self.base_url = base_url
        self.tokens = tokens
        self.clock = clock

    def user(self, name: str | None) -> RestUser:
        token = None if name is None else self.tokens[name]
        return RestUser(self.session, self.base_url, token)


def ok(response: requests.Response) -> Any:
    """Assert success and return the JSON of a response."""
    assert response.ok, f"{response.request.method} {response.request.path_url}: {response.text}"
    return response.json()


def assert_error(response: requests.Response, status: int, words: str = "") -> dict[str, Any]:
    """Assert an error with a status and words in its reason; return its JSON."""
    assert response.status_code == status, response.text
    body = response.json()
    assert words in body["reason"]
    return body


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def multipart_request(data: bytes, *, part: int = PART, **more: Any) -> dict[str, Any]:
    """Return a MultipartUploadRequest for bytes."""
    return {
        "concreteType": "org.sagebionetworks.repo.model.file.MultipartUploadRequest",
        "fileName": "data.bin",
        "fileSizeBytes": len(data),
        "partSizeBytes": part,
        "contentMD5Hex": md5(data),
        "contentType": "text/plain",
        "generatePreview": False,
        **more,
    }


@contextmanager
def start_service(
    data_dir: Path, wrap: Callable[[Any], Any] = lambda app: app, **settings: Any
) -> Iterator[RestService]:
    """Start a service without a socket, with a clock that only the test advances."""
    clock = Clock()
    app = create_app(
        Settings(data_dir=data_dir, base_url=asgi_adapter.BASE_URL, clock=clock, **settings)
    )
    service = app.state.service
    tokens = {user.user_name: user.token for user in service.users}
    with asgi_adapter.create_session(wrap(app)) as session:
        yield RestService(session, asgi_adapter.BASE_URL, tokens, clock)
    service.close()


def bytes_on_disk(data_dir: Path) -> list[int]:
    """Return the sizes of all stored and partial files."""
    return sorted(
        path.stat().st_size for path in (data_dir / "blobs").rglob("*") if path.is_file()
    )
