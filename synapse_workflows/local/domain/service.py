"""Components of a running service."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from synapse_workflows.constants import StsPermission
from synapse_workflows.local.domain.job_pool import JobPool
from synapse_workflows.local.domain.rate_limit import RateLimiter
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.storage.blobs import BlobStore
from synapse_workflows.local.storage.database import Database
from synapse_workflows.local.storage.table_store import TableStore
from synapse_workflows.local.storage.view_store import ViewStore


@dataclass(frozen=True, kw_only=True)
class KnownUser:
    """A user from the settings, with an access token.

    Args:
        user_name: User name.
        owner_id: Principal ID.
        token: Personal access token.
        certified: Whether the user passed the certification quiz.
        password: Password; None without.
        api_key: API key in the settings, or the key that replaced it; None without.
    """

    user_name: str
    owner_id: int
    token: str = field(repr=False)
    certified: bool
    password: str | None = field(repr=False, default=None)
    api_key: str | None = field(repr=False, default=None)


class StsIssuer(Protocol):
    """Issuer of temporary credentials for an S3 server."""

    def issue(
        self, bucket: str, base_key: str | None, permission: StsPermission, user: int
    ) -> dict[str, Any]:
        """Return credentials that the S3 server accepts.

        Args:
            bucket: Name of the bucket.
            base_key: The credentials are limited to keys below `<base_key>/`; None for the whole
                bucket.
            permission: Read access, or read and write access.
            user: Principal ID of the user of the credentials.

        Returns:
            accessKeyId, secretAccessKey, sessionToken, and expiration (ISO 8601, in UTC).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """Components of a running service that process requests.

    Args:
        settings: Settings of the service.
        database: Database of all data except the bytes of files and the rows of tables and views.
        blobs: Bytes of files.
        tables: Rows of tables.
        views: Copies of the rows of views.
        jobs: Thread pool of the asynchronous jobs.
        signer: Signer of tokens and URLs.
        rate_limiter: Rate limiter of the requests of each user.
        users: Users from the settings, in the order of the settings.
        sts: Issuer of temporary credentials; None if the service has no S3 server.
    """

    settings: Settings
    database: Database
    blobs: BlobStore
    tables: TableStore
    views: ViewStore
    jobs: JobPool
    signer: Signer
    rate_limiter: RateLimiter
    users: tuple[KnownUser, ...]
    sts: StsIssuer | None = None

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self.settings.clock().timestamp() * 1000)

    def close(self) -> None:
        """Stop the jobs and close the files."""
        self.jobs.close()
        self.database.close()
