"""Sessions of boto3 and aiobotocore with STS credentials that are renewed before they expire."""

import asyncio
from typing import Any, Final, NoReturn

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.session import Session as BotocoreSession

from synapse_workflows.aws_service_data import share_service_data
from synapse_workflows.hooks.sts_connections import record_access
from synapse_workflows.hooks.sts_credentials import StsCredentialSource
from synapse_workflows.hooks.sts_environment import DEFAULT_REGION
from synapse_workflows.lineage.s3_access import S3AccessRecorder

_METHOD: Final = "synapse-sts"
#: The profile in the environment of the worker is not used.
_NO_PROFILE: Final = {"profile": (None, None, None, None)}
#: Position of `endpoint_url` among the arguments of `Session.client`, after the service.
_ENDPOINT_POSITION: Final = 5


class SynapseStsSession(boto3.session.Session):  # type: ignore[misc]
    """Session of boto3 for the storage of a Synapse folder.

    The credentials are renewed before they expire. The worker's own AWS profile and endpoints are
    ignored. Clients of S3 use the endpoint of the storage.

    Args:
        source: Source of the credentials.
        region_name: AWS region of the bucket.
        recorder: Recorder of what is read and written; None for none.
    """

    def __init__(
        self,
        source: StsCredentialSource,
        region_name: str | None = None,
        recorder: S3AccessRecorder | None = None,
    ) -> None:
        core = _configure(BotocoreSession(session_vars=_NO_PROFILE), source, region_name, recorder)
        core._credentials = RefreshableCredentials.create_from_metadata(  # noqa: SLF001 - no setter
            _to_metadata(source), lambda: _to_metadata(source), _METHOD
        )
        super().__init__(botocore_session=core)
        self.location = source.location
        self.source = source

    @property
    def bucket(self) -> str:
        """Bucket of the storage."""
        return self.location.bucket

    @property
    def prefix(self) -> str:
        """Prefix of all keys of the storage, without a slash at the end; may be empty."""
        return self.location.prefix

    @property
    def url(self) -> str:
        """URL of the storage, such as `s3://bucket/prefix`."""
        return self.location.url

    def key(self, path: str) -> str:
        """Return the key of an object, given its path below the prefix of the storage."""
        return f"{self.prefix}/{path.lstrip('/')}".lstrip("/")

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Create a client, as `boto3.session.Session.client` does."""
        if service_name == "s3" and len(args) < _ENDPOINT_POSITION:
            kwargs["endpoint_url"] = kwargs.get("endpoint_url") or self.location.endpoint_url
        return super().client(service_name, *args, **kwargs)

    def serialize(self) -> NoReturn:
        """Raise an error: a session holds credentials, which must not be stored in an XCom.

        Raises:
            TypeError: Always.
        """
        raise TypeError("A task cannot return an STS session. Return keys of objects instead.")


def create_session(
    source: StsCredentialSource, region_name: str | None, *, deferrable: bool
) -> Any:
    """Create a session that records what the running task reads and writes.

    Args:
        source: Source of the credentials.
        region_name: AWS region of the bucket.
        deferrable: Whether to create a session of aiobotocore instead of boto3.
    """
    create = create_async_session if deferrable else SynapseStsSession
    return create(source, region_name, record_access(source))


def create_async_session(
    source: StsCredentialSource,
    region_name: str | None = None,
    recorder: S3AccessRecorder | None = None,
) -> Any:
    """Create a session of aiobotocore for the storage of a Synapse folder.

    Args:
        source: Source of the credentials.
        region_name: AWS region of the bucket.
        recorder: Recorder of what is read and written; None for none.
    """
    from aiobotocore.credentials import AioRefreshableCredentials
    from aiobotocore.session import AioSession

    class AioStsSession(AioSession):  # type: ignore[misc]
        """Session whose clients of S3 use the endpoint of the storage."""

        def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
            if service_name == "s3" and not args:
                kwargs["endpoint_url"] = kwargs.get("endpoint_url") or source.location.endpoint_url
            return super().create_client(service_name, *args, **kwargs)

    async def renew() -> dict[str, str]:
        return await asyncio.to_thread(_to_metadata, source)

    session = _configure(AioStsSession(session_vars=_NO_PROFILE), source, region_name, recorder)
    session._credentials = AioRefreshableCredentials.create_from_metadata(  # noqa: SLF001 - no setter
        _to_metadata(source), renew, _METHOD
    )
    return session


def _configure(
    session: Any, source: StsCredentialSource, region_name: str | None, recorder: Any
) -> Any:
    share_service_data(session)
    session.set_config_variable("region", region_name or DEFAULT_REGION)
    session.set_config_variable("ignore_configured_endpoint_urls", True)
    if source.location.endpoint_url is not None:
        session.set_default_client_config(Config(s3={"addressing_style": "path"}))
    if recorder is not None:
        recorder.register(session.get_component("event_emitter"))
    return session


def _to_metadata(source: StsCredentialSource) -> dict[str, str]:
    """Return valid credentials in the form that botocore expects."""
    credentials = source.get()
    return {
        "access_key": credentials.access_key_id,
        "secret_key": credentials.secret_access_key,
        "token": credentials.session_token,
        "expiry_time": credentials.expiration.isoformat(),
    }
