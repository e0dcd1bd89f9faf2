"""What a local service is started with: values only, no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from synapse_workflows.constants import GiB


def utc_now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(tz=UTC)


@dataclass(frozen=True, kw_only=True)
class UserSeed:
    """One user that the service knows from its first start.

    Args:
        user_name: unique among users and teams, ignoring case and punctuation.
        token: a token of one's own choice; None lets the service make a JWT.
        certified: whether the user passed the certification quiz.
        admin: whether the user administers this Synapse.
        first_name: shown in the profile.
        last_name: shown in the profile.
        email: None means `<user_name>@synapse.local`.
        owner_id: the principal id; None takes the next free one.
    """

    user_name: str
    token: str | None = None
    certified: bool = True
    admin: bool = False
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    owner_id: int | None = None

    def __repr__(self) -> str:
        """Show the user without the token."""
        return f"UserSeed(user_name={self.user_name!r}, owner_id={self.owner_id!r})"


#: The first is the administrator; dave has not passed the certification quiz.
DEFAULT_USERS = (
    UserSeed(user_name="admin", admin=True, first_name="Ada", last_name="Admin", owner_id=1),
    UserSeed(user_name="alice", first_name="Alice", last_name="Archer"),
    UserSeed(user_name="bob", first_name="Bob", last_name="Baker"),
    UserSeed(user_name="carol", first_name="Carol", last_name="Carter"),
    UserSeed(user_name="dave", certified=False, first_name="Dave", last_name="Dyer"),
)


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """What one user may ask of the service before it answers 429.

    Args:
        concurrent: requests at a time.
        requests: requests within `seconds`.
        seconds: the time in which requests are counted.
        columns: requests for the columns of tables within `seconds`.
    """

    concurrent: int = 3
    requests: int = 600
    seconds: float = 60
    columns: int = 6


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one local service runs.

    Args:
        data_dir: directory that holds everything the service keeps.
        base_url: how clients reach the service, without a path.
        users: who exists from the first start; later starts add those that are missing.
        download_url_seconds: life of a pre-signed download URL.
        upload_url_seconds: life of a pre-signed upload URL.
        throttle: what one user may ask; None, as by default, bounds nothing.
        job_workers: asynchronous jobs that run at a time.
        job_wait_seconds: how long the answer of a job waits for its end.
        processing_answers: how often every job is said to be under way before its result is
            given, whether it is or not: to test those who poll.
        query_seconds: how long a query of a table may take.
        archive_bytes: of all files in one archive of a bulk download.
        clock: tells the time, in UTC.
    """

    data_dir: Path
    base_url: str = "http://127.0.0.1:0"
    users: tuple[UserSeed, ...] = DEFAULT_USERS
    download_url_seconds: int = 30
    upload_url_seconds: int = 900
    throttle: Throttle | None = None
    job_workers: int = 4
    job_wait_seconds: float = 0.5
    processing_answers: int = 0
    query_seconds: float = 300
    archive_bytes: int = GiB
    clock: Callable[[], datetime] = utc_now
