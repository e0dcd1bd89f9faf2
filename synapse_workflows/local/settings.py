"""Settings of the local service."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from synapse_workflows.constants import GiB
from synapse_workflows.local.s3.credentials import MAX_SECONDS
from synapse_workflows.local.s3.endpoint import EndpointProvider


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(tz=UTC)


@dataclass(frozen=True, kw_only=True)
class UserSeed:
    """A user that the service creates when it starts.

    Args:
        user_name: User name. It is unique, ignoring case and punctuation.
        token: Personal access token; None generates a token.
        certified: Whether the user passed the certification quiz.
        admin: Whether the user is an administrator.
        first_name: First name of the profile.
        last_name: Last name of the profile.
        email: E-mail address; None for `<user_name>@synapse.local`.
        owner_id: Principal ID; None selects the next free ID.
        password: Password for logins; None for a user without a password.
        api_key: API key in Base64; None lets the service generate one on request.
        orcid: URL of the user's ORCID record, `https://orcid.org/0000-0002-1825-0097`.
        accepts_terms_of_use: Whether the user has agreed to the terms of use when the service
            creates the user.
    """

    user_name: str
    token: str | None = None
    certified: bool = True
    admin: bool = False
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    owner_id: int | None = None
    password: str | None = None
    api_key: str | None = None
    orcid: str | None = None
    accepts_terms_of_use: bool = True

    def __repr__(self) -> str:
        """Return a representation without the token, the password and the API key."""
        return f"UserSeed(user_name={self.user_name!r}, owner_id={self.owner_id!r})"


#: Default users: an administrator, three certified users and one who is not certified.
DEFAULT_USERS = (
    UserSeed(user_name="admin", admin=True, first_name="Ada", last_name="Admin", owner_id=1),
    UserSeed(user_name="alice", first_name="Alice", last_name="Archer"),
    UserSeed(user_name="bob", first_name="Bob", last_name="Baker"),
    UserSeed(user_name="carol", first_name="Carol", last_name="Carter"),
    UserSeed(user_name="dave", certified=False, first_name="Dave", last_name="Dyer"),
)


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """Rate limits per user. A request that exceeds a limit fails with status 429.

    Args:
        concurrent: Maximum number of concurrent requests (default 3).
        requests: Maximum number of requests within `seconds` (default 600).
        seconds: Length of the time window in seconds (default 60).
        columns: Maximum number of requests for the columns of tables within `seconds`
            (default 6).
        messages: Maximum number of messages that a user may send within `seconds` (default 10).
            Administrators and trusted message senders have no limit.
        retry_after: Whether a response with status 429 has the header Retry-After (default False:
            Synapse does not send it).
    """

    concurrent: int = 3
    requests: int = 600
    seconds: float = 60
    columns: int = 6
    messages: int = 10
    retry_after: bool = False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a local service.

    Args:
        data_dir: Data directory.
        base_url: URL of the service for clients, without a path.
        users: Users of the service. Missing users are created at each start.
        download_url_seconds: Validity of pre-signed download URLs in seconds (default 30).
        upload_url_seconds: Validity of pre-signed upload URLs in seconds (default 900).
        throttle: Rate limits per user; None for no limits (default).
        job_workers: Maximum number of asynchronous jobs of one user that run in parallel
            (default 4). The limit applies separately to jobs that change tables and to all
            other jobs. The limit for all users together is four times as high; users take
            turns.
        job_wait_seconds: Maximum time in seconds that a poll for the result of a job waits
            before it returns status 202 (default 0.5).
        processing_answers: Number of polls per job that return status 202 even if the job has
            finished (default 0). For tests of clients that poll.
        query_seconds: Maximum duration of a table query in seconds (default 30).
        archive_bytes: Maximum total size of the files of a bulk download in bytes
            (default 1 GiB).
        s3: Returns the S3 server for storage locations in buckets; None without such a server.
        sts_seconds: Validity of temporary credentials in seconds (default 12 hours).
        durable: Whether committed changes survive a power failure (default). A service that is
            not durable is faster; its changes survive the end of its process, however it ends.
        clock: Returns the current time in UTC. Tests replace it.

    Raises:
        TypeError: `users` contains something else than `UserSeed`.
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
    query_seconds: float = 30
    archive_bytes: int = GiB
    s3: EndpointProvider | None = None
    sts_seconds: int = MAX_SECONDS
    durable: bool = True
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        for number, user in enumerate(self.users):
            if not isinstance(user, UserSeed):  # its value may contain a password
                raise TypeError(
                    f"Invalid users[{number}] of type {type(user).__name__}: expected a UserSeed "
                    "of synapse_workflows.local.settings, for example "
                    "UserSeed(user_name='alice', certified=True)."
                )
