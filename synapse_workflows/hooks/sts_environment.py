"""Environment variables with STS credentials for child processes."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from synapse_workflows.hooks.sts_credentials import (
    StsCredentials,
    StsCredentialSource,
    StsLocation,
)

_log: Final = logging.getLogger(__name__)
#: Region of the S3 service, unless the storage is in another one. Amazon S3 redirects.
DEFAULT_REGION: Final = "us-east-1"
#: Variables that would lead the child process to other credentials or to another service.
_CONFLICTING: Final = (
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_SECURITY_TOKEN",
)


class StsEnvironment(Mapping[str, str]):
    """Environment of a child process with STS credentials: a mapping for `subprocess.run(env=)`.

    It is the environment of this process with the `variables`, without variables of AWS that
    contradict them. Its text never shows a value, and a task cannot return it.

    Args:
        source: The source of the credentials.
        region_name: AWS region of the bucket.
    """

    def __init__(self, source: StsCredentialSource, region_name: str = DEFAULT_REGION) -> None:
        self.location = source.location
        self.permission = source.permission
        self.credentials: StsCredentials = source.get()
        self.variables: Mapping[str, str] = create_variables(
            self.location, self.credentials, region_name
        )
        self._all = self.merge(os.environ)

    def merge(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return another environment with the credentials."""
        kept = {name: value for name, value in base.items() if name not in _CONFLICTING}
        return {**kept, **self.variables}

    def serialize(self) -> NoReturn:
        """Raise an error: credentials must not be stored in an XCom.

        Raises:
            TypeError: Always.
        """
        raise TypeError("A task cannot return STS credentials. Return keys of objects instead.")

    def __getitem__(self, name: str) -> str:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __or__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**self, **other}

    def __repr__(self) -> str:
        return f"<StsEnvironment of {self.location.folder_id} ({self.permission})>"


def create_variables(
    location: StsLocation, credentials: StsCredentials, region_name: str = DEFAULT_REGION
) -> dict[str, str]:
    """Return the variables of AWS clients for credentials, and `SYNAPSE_STS_S3_LOCATION`."""
    variables = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_REGION": region_name,
        "AWS_DEFAULT_REGION": region_name,
        "SYNAPSE_STS_S3_LOCATION": location.url,
    }
    if location.endpoint_url is None:
        # the credentials must not be sent to an endpoint that is configured on the worker
        return {**variables, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    return {**variables, "AWS_ENDPOINT_URL_S3": location.endpoint_url}


@contextmanager
def export(environment: StsEnvironment) -> Iterator[None]:
    """Set the credentials in `os.environ` inside this block, if no other code can be affected.

    `os.environ` belongs to the process. Only the main thread, outside an event loop, changes it:
    there, blocks can only be nested, so each of them restores what it has found. In other
    threads, and in coroutines, the block changes nothing.
    """
    if not _owns_process():
        _log.info(
            "Not the main thread: os.environ is unchanged. Pass the environment to child "
            "processes: subprocess.run(..., env=env)"
        )
        yield
        return
    names = {*_CONFLICTING, *environment.variables}
    before = {name: os.environ.get(name) for name in names}
    session = _replace_clients(None)
    _set_variables(dict.fromkeys(names) | dict(environment.variables))
    try:
        yield
    finally:
        _set_variables(before)
        _replace_clients(session)


def _replace_clients(session: Any) -> Any:
    """Set the default session of boto3 and return its former one; forget file systems of s3fs.

    Both keep the credentials that `os.environ` had when they were used first.
    """
    boto3: Any = sys.modules.get("boto3")
    before = getattr(boto3, "DEFAULT_SESSION", None)
    if boto3 is not None:
        boto3.DEFAULT_SESSION = session
    file_systems: Any = getattr(sys.modules.get("s3fs"), "S3FileSystem", None)
    if file_systems is not None:
        file_systems.clear_instance_cache()
    return before


def _set_variables(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _owns_process() -> bool:
    """Return whether the caller is the code of the main thread, outside an event loop."""
    if threading.current_thread() is not threading.main_thread():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
