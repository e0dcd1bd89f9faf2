"""A real S3 server and a service that uses it, for tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synapse_workflows.constants import StsPermission
from synapse_workflows.local.s3.credentials import CredentialIssuer, TemporaryCredentials
from synapse_workflows.local.s3.endpoint import S3Endpoint
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.s3.server import S3Server, find_weed
from synapse_workflows.local.storage.secret import load_secret
from synapse_workflows.testing import SynapseService


def require_weed() -> None:
    """Skip the test if the S3 server is not installed; fail in continuous integration."""
    if find_weed() is None:
        reason = "The S3 server is not installed: pip install 'synapse-workflows[s3-server]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@contextmanager
def start_s3_server(folder: Path) -> Iterator[S3Server]:
    """Run an S3 server in a folder. It starts in the background."""
    require_weed()
    server = S3Server(folder, load_secret(folder))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class S3Service:
    """A service with an S3 server.

    Args:
        service: the service, over a socket; it stores the files of buckets in the S3 server.
        server: the S3 server.
        store: objects of the S3 server, as its administrator.
    """

    service: SynapseService
    server: S3Server
    store: ObjectStore

    @property
    def endpoint(self) -> S3Endpoint:
        """The URL of the S3 server and the credentials of its administrator."""
        return self.server.endpoint

    def issue(self, bucket: str, prefix: str, permission: str, seconds: int = 900) -> Any:
        """Return a boto3 client with temporary credentials."""
        issuer = CredentialIssuer(lambda: self.endpoint, seconds)
        return self.client(issuer.issue(bucket, prefix, StsPermission(permission), "a-test"))

    def client(self, credentials: TemporaryCredentials) -> Any:
        """Return a boto3 client of the S3 server, which does not retry."""
        return create_client(self.endpoint.url, credentials)


@contextmanager
def use_bucket(s3: S3Service, name: str) -> Iterator[Any]:
    """Create a bucket; provide a boto3 client of the administrator.

    Inside the block, the environment variables of AWS lead boto3 and s3fs to the server.

    Args:
        s3: the service with an S3 server.
        name: name of the bucket.
    """
    import boto3

    endpoint = s3.endpoint
    s3.store.create_bucket(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_access_key)
        patch.setenv("AWS_DEFAULT_REGION", endpoint.region)
        patch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        client = boto3.client("s3")
        yield client
        client.close()


def create_client(url: str, credentials: TemporaryCredentials) -> Any:
    """Return a boto3 client with temporary credentials, which does not retry."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        config=Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )
