"""What one running service is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synapse_workflows.local.domain.async_jobs import Pool
    from synapse_workflows.local.domain.rate_limit import RateLimiter
    from synapse_workflows.local.domain.signing import Signer
    from synapse_workflows.local.settings import Settings
    from synapse_workflows.local.storage.blobs import Blobs
    from synapse_workflows.local.storage.database import Database
    from synapse_workflows.local.storage.table_store import TableStore
    from synapse_workflows.local.storage.view_store import ViewFiles


@dataclass(frozen=True, kw_only=True)
class KnownUser:
    """A user of the settings, as others may log in as them.

    Args:
        user_name: the name.
        owner_id: principal id.
        token: what to log in with.
        certified: whether the user passed the certification quiz.
    """

    user_name: str
    owner_id: int
    token: str = field(repr=False)
    certified: bool


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts that requests work with.

    Args:
        settings: how the service runs.
        database: its tables.
        blobs: its bytes.
        tables: the rows of its tables.
        views: copies of the rows of its views.
        jobs: what runs its asynchronous jobs.
        signer: signs tokens and URLs.
        rate_limiter: rate limits per user.
        users: the users of the settings, in their order, with tokens.
    """

    settings: Settings
    database: Database
    blobs: Blobs
    tables: TableStore
    views: ViewFiles
    jobs: Pool
    signer: Signer
    rate_limiter: RateLimiter
    users: tuple[KnownUser, ...]

    def now(self) -> int:
        """Tell the time in milliseconds since the epoch."""
        return int(self.settings.clock().timestamp() * 1000)

    def close(self) -> None:
        """End what runs in the background, and let go of the files."""
        self.jobs.close()
        self.database.close()
