"""S3 clients of boto3, with the credentials of a profile or of an STS token."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows.client.core import storage_config, sts_tokens
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.sts_tokens import StsPermission, StsToken
from synapse_workflows.client.errors import SynapseAuthenticationError, SynapseConfigError
from synapse_workflows.client.transfer import s3_interruption

_RESOURCE: Final = "S3 clients"
#: Host names of Amazon S3 without a region. boto3 finds the endpoint of the region itself.
_AMAZON_HOSTS: Final = frozenset({"s3.amazonaws.com"})
#: Remaining life at which botocore tries to refresh credentials, and at which it has to.
_REFRESH_LIFE: Final = timedelta(minutes=15)
_REQUIRED_LIFE: Final = timedelta(minutes=10)
#: Maximum number of attempts of one request to S3.
_MAX_ATTEMPTS: Final = 5
_MAX_CLIENTS: Final = 32


def get_profile_client(syn: Session, endpoint_url: str, bucket: str) -> Any:
    """Return an S3 client for a bucket of an object store that Synapse cannot access.

    The credentials are those of the AWS profile in section ``[endpoint/bucket]`` of the
    configuration file. Without a section, boto3 searches its usual sources.

    Raises:
        SynapseConfigError: boto3 is not installed, or the profile does not exist.
    """
    profile = storage_config.find_profile(syn, endpoint_url, bucket)

    def create() -> Any:
        try:
            session = require_boto3().Session(
                profile_name=profile, botocore_session=_create_botocore_session()
            )
        except _profile_not_found():
            raise SynapseConfigError(
                f"The AWS profile {profile!r} for {endpoint_url} does not exist. Add it to "
                "~/.aws/credentials, or correct profile_name in section "
                f"[{endpoint_url}/{bucket}] of {storage_config.get_path(syn)}."
            ) from None
        return _create_client(syn, session, endpoint_url)

    return _get_client(syn, ("profile", profile, endpoint_url), create)


def get_sts_client(
    syn: Session, entity_id: str, permission: StsPermission, endpoint_url: str | None
) -> Any:
    """Return an S3 client for the storage location of a folder or file.

    Args:
        syn: Session that requests STS tokens.
        entity_id: ID of the folder or file.
        permission: ``read_only`` or ``read_write``.
        endpoint_url: Endpoint of the S3 server; None for the default of boto3.

    Raises:
        SynapseConfigError: boto3 is not installed.
        SynapseBadRequestError: The entity has no STS-enabled storage location, or its storage does
            not allow this permission.
        SynapseForbiddenError: The caller lacks the permissions.
    """
    key = ("sts", syn.repoEndpoint, syn.credentials, entity_id, permission, endpoint_url)

    def create() -> Any:
        token = sts_tokens.get_sts_token(syn, entity_id, permission, _REFRESH_LIFE)
        session = create_sts_session(syn, entity_id, permission, token)
        # A local service says at which server its tokens are valid.
        return _create_client(syn, session, token.body.get("endpointUrl") or endpoint_url)

    return _get_client(syn, key, create)


def create_sts_session(
    syn: Session, entity_id: str, permission: StsPermission, token: StsToken
) -> Any:
    """Create a boto3 session whose credentials are STS tokens, which are replaced in time.

    Args:
        syn: Session that requests STS tokens, as long as the boto3 session is used.
        entity_id: ID of the folder or file.
        permission: ``read_only`` or ``read_write``.
        token: The first token.

    Returns:
        A `boto3.Session`.

    Raises:
        SynapseConfigError: boto3 is not installed.
    """
    boto3 = require_boto3()
    from botocore.credentials import RefreshableCredentials

    owner = syn.credentials

    def refresh() -> dict[str, str]:
        if syn.credentials != owner:
            raise SynapseAuthenticationError(
                f"The login of the client changed: no further credentials for {entity_id}. Create "
                "a new boto3 session."
            )
        return _to_metadata(sts_tokens.get_sts_token(syn, entity_id, permission, _REFRESH_LIFE))

    botocore_session = _create_botocore_session()
    botocore_session._credentials = RefreshableCredentials.create_from_metadata(  # noqa: SLF001 - there is no public way
        _to_metadata(token),
        refresh_using=refresh,
        method="synapse-sts",
        **_refresh_timeouts(token),
    )
    return boto3.Session(botocore_session=botocore_session)


def _create_botocore_session() -> Any:
    from botocore.session import Session as BotocoreSession

    from synapse_workflows.aws_service_data import share_service_data

    return share_service_data(BotocoreSession())


def discard_s3_clients(syn: Session) -> None:
    """Remove the S3 clients of a session, with their credentials, from memory."""
    syn.forget(_RESOURCE)


def require_boto3() -> Any:
    """Import boto3.

    Raises:
        SynapseConfigError: boto3 is not installed.
    """
    try:
        import boto3
    except ImportError:
        raise SynapseConfigError(
            "The storage location needs boto3, which is not installed: "
            "pip install 'synapse-workflows[s3]'"
        ) from None
    return boto3


def is_amazon(endpoint_url: str | None) -> bool:
    """Return whether an endpoint is Amazon S3 in general, and not an S3-compatible server."""
    return not endpoint_url or urlsplit(endpoint_url).hostname in _AMAZON_HOSTS


class _S3Clients:
    """The last used S3 clients, because the creation of a client takes about 50 ms."""

    def __init__(self) -> None:
        self._clients: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, create: Callable[[], Any]) -> Any:
        with self._lock:
            client = self._clients.get(key)
        if client is None:
            client = create()  # without the lock, because it may send a request
        with self._lock:
            client = self._clients.setdefault(key, client)
            self._clients.move_to_end(key)
            if len(self._clients) > _MAX_CLIENTS:
                self._clients.popitem(last=False)  # not closed: it may be in use
        return client

    def close(self) -> None:
        """Close the connections of all clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def _get_client(syn: Session, key: Hashable, create: Callable[[], Any]) -> Any:
    clients: _S3Clients = syn.get_or_create(_RESOURCE, _S3Clients)
    return clients.get(key, create)


def _create_client(syn: Session, session: Any, endpoint_url: str | None) -> Any:
    from botocore.config import Config

    connect, read = syn.timeout if isinstance(syn.timeout, tuple) else (syn.timeout,) * 2
    config = Config(
        signature_version="s3v4",  # pre-signed URLs use the outdated version 2 by default
        connect_timeout=connect,
        read_timeout=read,
        max_pool_connections=syn.max_threads,
        retries={"mode": "standard", "total_max_attempts": min(syn.retry.attempts, _MAX_ATTEMPTS)},
    )
    endpoint = None if is_amazon(endpoint_url) else endpoint_url
    client = session.client("s3", endpoint_url=endpoint, config=config)
    s3_interruption.make_interruptible(client)
    return client


def _to_metadata(token: StsToken) -> dict[str, str]:
    return {
        "access_key": token.body["accessKeyId"],
        "secret_key": token.body["secretAccessKey"],
        "token": token.body["sessionToken"],
        "expiry_time": token.expires_at.isoformat(),
    }


def _refresh_timeouts(token: StsToken) -> dict[str, int]:
    """Return the remaining lives at which to refresh; less for tokens with a short life."""
    life = token.remaining_life
    return {
        "advisory_timeout": int(min(_REFRESH_LIFE, life / 4).total_seconds()),
        "mandatory_timeout": int(min(_REQUIRED_LIFE, life / 8).total_seconds()),
    }


def _profile_not_found() -> type[Exception]:
    from botocore.exceptions import ProfileNotFound

    error: type[Exception] = ProfileNotFound
    return error
