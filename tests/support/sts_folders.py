"""Folders with STS storage locations, Airflow connections and a recording Execution API."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from support.execution_api import ExecutionApi, Run
from support.s3_service import S3Service
from synapse_workflows import Folder, Synapse
from synapse_workflows.testing import SynapseService

_numbers = count(1)


@dataclass
class StsFolder:
    """A folder whose storage is a prefix of a bucket on a real S3 server."""

    id: str
    bucket: str
    prefix: str
    s3: S3Service

    def put(self, path: str, text: str = "a,b\n1,2\n") -> str:
        """Store an object as the administrator and return its URL."""
        key = f"{self.prefix}/{path}"
        self.s3.store.put(self.bucket, key, text.encode())
        return f"s3://{self.bucket}/{key}"

    def read(self, path: str) -> str:
        """Return the content of an object as the administrator."""
        return b"".join(self.s3.store.read(self.bucket, f"{self.prefix}/{path}")).decode()

    def url(self, path: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}/{path}"

    def recorded_url(self, path: str) -> str:
        """Return the URL under which lineage records the object: the bucket has no versions."""
        return f"{self.url(path)}#etag={hashlib.md5(self.read(path).encode()).hexdigest()}"


@dataclass
class StsSetup:
    """Folders of alice, and tasks that use them.

    Args:
        s3: S3 server.
        service: service of the folders.
        alice: client of the owner of the folders.
        api: execution API with the connection of alice.
        project: ID of a project of alice.
    """

    s3: S3Service
    service: SynapseService
    alice: Synapse
    api: ExecutionApi
    project: str

    def folder(self, *, own_bucket: bool = True, name: str | None = None) -> StsFolder:
        """Create a folder with an STS storage location."""
        number = next(_numbers)
        bucket, prefix = f"sts-bucket-{number}", f"data/{number}"
        folder = self.alice.store(Folder(name or f"sts {number}", parent=self.project))
        if not own_bucket:
            self.alice.create_s3_storage_location(folder=folder, sts_enabled=True)
            return StsFolder(folder.id, "", "", self.s3)
        self.s3.store.create_bucket(bucket)
        owner = self.alice.getUserProfile()["ownerId"]
        self.s3.store.put(bucket, f"{prefix}/owner.txt", owner.encode())
        self.alice.create_s3_storage_location(
            folder=folder, bucket_name=bucket, base_key=prefix, sts_enabled=True
        )
        return StsFolder(folder.id, bucket, prefix, self.s3)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Refuse all new and existing connections to the service inside this block."""
        with pytest.MonkeyPatch.context() as patch:

            def refuse(*_: Any, **__: Any) -> None:
                raise requests.ConnectionError("The service is unavailable")

            patch.setattr(requests.adapters.HTTPAdapter, "send", refuse)
            yield

    def run(self, dag: Any, **instances: int) -> Run:
        """Run all tasks of a DAG."""
        return Run(self.api, dag, f"run_{next(_numbers)}").all(**instances)

    def start(self, dag: Any, **options: Any) -> Run:
        return Run(self.api, dag, f"run_{next(_numbers)}", **options)


def secret_forms(*secrets: str) -> set[str]:
    """Return secrets, their parts, and their forms in URLs, JSON and base64."""
    forms: set[str] = set()
    for secret in secrets:
        raw = secret.encode()
        # base64 of a text that contains the secret at any of the three alignments
        forms |= {base64.b64encode(b"x" * n + raw).decode()[6:-6] for n in range(3)}
        forms |= {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
        forms |= {part for part in secret.split(".") if len(part) >= 16}
        forms |= {secret[:20], secret[-20:], raw.hex()}
    return {form for form in forms if len(form) >= 12}


def find_secrets(texts: dict[str, str], secrets: list[str]) -> list[str]:
    """Return the names of the texts in which a form of a secret occurs."""
    forms = secret_forms(*secrets)
    return [name for name, text in texts.items() if any(form in text for form in forms)]


def read_files(*folders: Path) -> dict[str, str]:
    """Return the content of all files below directories, by path."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes().decode(errors="replace") for path in files}
