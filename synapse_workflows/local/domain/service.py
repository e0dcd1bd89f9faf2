"""Components of a running service."""

import secrets
from dataclasses import dataclass, field
from typing import Final

from synapse_workflows.local.domain.job_pool import JobPool
from synapse_workflows.local.domain.rate_limit import RateLimiter
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.s3.credentials import CredentialIssuer
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.storage.blobs import BlobStore
from synapse_workflows.local.storage.database import Database
from synapse_workflows.local.storage.table_store import TableStore
from synapse_workflows.local.storage.view_store import ViewStore

_NO_S3_SERVER: Final = (
    "This service has no S3 server, so it neither issues temporary credentials nor stores files "
    "in buckets. Restart it with `synapse-workflows serve --s3 auto` (needs the extra s3-server: "
    "pip install 'synapse-workflows[s3-server]'), or with `--s3 URL` for a running S3 server."
)


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
        object_store: Objects in buckets; None if the service has no S3 server.
        credential_issuer: Issuer of temporary credentials; None if the service has no S3 server.
        run_id: Random text that differs at each start of the service.
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
    object_store: ObjectStore | None = None
    credential_issuer: CredentialIssuer | None = None
    run_id: str = field(repr=False, default_factory=lambda: secrets.token_hex(16))

    def require_object_store(self) -> ObjectStore:
        """Return the objects in buckets.

        Raises:
            BadRequest: The service has no S3 server.
        """
        if self.object_store is None:
            raise BadRequest(_NO_S3_SERVER)
        return self.object_store

    def require_credential_issuer(self) -> CredentialIssuer:
        """Return the issuer of temporary credentials.

        Raises:
            BadRequest: The service has no S3 server.
        """
        if self.credential_issuer is None:
            raise BadRequest(_NO_S3_SERVER)
        return self.credential_issuer

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self.settings.clock().timestamp() * 1000)

    def close(self) -> None:
        """Stop the jobs and close the files."""
        self.jobs.close()
        self.database.close()
