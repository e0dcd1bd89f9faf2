"""HTTP session for one Synapse identity. Every request goes through `Session.call`."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import tenacity

from synapse_workflows.client.core import (
    config,
    flows,
    http_errors,
    http_request,
    interruption,
    log,
    request_limiter,
    transport,
)
from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.credentials import Credentials
from synapse_workflows.client.core.default_cache import find_default_cache
from synapse_workflows.client.core.events import Event, Listener, Wrote
from synapse_workflows.client.core.flows import Call, Flow, Pause, Reply
from synapse_workflows.client.core.http_request import SESSION_AUTH, Endpoints, HttpRequest
from synapse_workflows.client.core.lineage_file import get_lineage_file, report_event
from synapse_workflows.client.core.lineage_variable import LINEAGE_FILE
from synapse_workflows.client.core.redaction import redact, redact_url
from synapse_workflows.client.core.request_limiter import RequestLimiter
from synapse_workflows.client.core.retry import Outcome, RetryPolicy, RetryState
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
#: Seconds to connect, and seconds between two reads of a response.
TIMEOUT: Final = (10.0, 60.0)
MAX_THREADS: Final = 128


class Session:
    """HTTP session with the settings of one client.

    A session is the first argument of all functions in `client.api`.

    Args:
        endpoints: Base URLs by name: ``repoEndpoint``, ``authEndpoint``, ``fileHandleEndpoint``,
            ``portalEndpoint``. A missing endpoint defaults to production.
        credentials: Credentials of the user; None for anonymous requests.
        requests_session: Session of requests used for all calls; created if None.
        config_path: Path of the configuration file. The file is read when a setting is needed.
        cache_root: Directory of the local file cache; that of `find_default_cache` if None.
        cache_limit: Maximum size of the cache in bytes; None for no limit.
        max_threads: Threads for transfers, 1 to 128.
        use_boto_sts: Whether to use temporary AWS credentials for transfers if the storage
            supports them.
        silent: Whether to disable log messages and progress bars.
        debug: Whether to log each request, and to append request and response to HTTP errors.
        retry: Retry and backoff settings.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
        limit_requests: Whether to share a `RequestLimiter` with the other processes that use the
            same cache.
    """

    def __init__(
        self,
        *,
        endpoints: Mapping[str, str] = PRODUCTION_ENDPOINTS,
        credentials: Credentials | None = None,
        requests_session: "requests.Session | None" = None,
        config_path: str = config.DEFAULT_PATH,
        cache_root: str | None = None,
        cache_limit: int | None = None,
        max_threads: int = 8,
        use_boto_sts: bool = False,
        silent: bool | None = None,
        debug: bool = False,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] = TIMEOUT,
        limit_requests: bool = True,
    ) -> None:
        base_urls = {**PRODUCTION_ENDPOINTS, **endpoints}
        self.repoEndpoint = base_urls["repoEndpoint"]
        self.authEndpoint = base_urls["authEndpoint"]
        self.fileHandleEndpoint = base_urls["fileHandleEndpoint"]
        self.portalEndpoint = base_urls["portalEndpoint"]
        self.credentials = credentials
        self.retry = retry or RetryPolicy()
        self.timeout = timeout
        self.limit_requests = limit_requests
        self.silent = silent
        self.debug = debug
        self.skip_unchanged = False
        self.table_query_sleep = 2.0
        self.table_query_backoff = 1.1
        self.table_query_max_sleep = 20.0
        self.table_query_timeout = 600.0
        #: Maximum time of a whole job, in seconds; None for 24 times `table_query_timeout`.
        self.job_timeout: float | None = None
        self.configPath = config.expand_path(config_path)
        #: File with the credentials of buckets and SFTP servers; None for `configPath`.
        self.storage_config_path: str | None = None
        self.cache = Cache(cache_root or find_default_cache(), cache_limit)
        self.max_threads = max_threads
        self.multi_threaded = True
        self.use_boto_sts_transfers = use_boto_sts
        self._given_session = requests_session
        self._create_process_state()

    def _create_process_state(self) -> None:
        """Create the attributes that cannot be pickled because they belong to one process."""
        self._requests = self._given_session or transport.new_session()
        self._listeners: tuple[Listener, ...] = (
            (self._report_event,) if get_lineage_file() is not None else ()
        )
        self._resources: dict[str, Any] = {}
        self._lock = threading.RLock()
        self.logger = log.create_client_logger(self)

    @property
    def username(self) -> str | None:
        """User name of the credentials; None if not logged in."""
        return self.credentials.username if self.credentials else None

    @property
    def max_threads(self) -> int:
        """Number of threads for transfers. A new value is clamped to the range 1 to 128.

        Raises:
            ValueError: A new value is not a whole number.
        """
        return self._max_threads

    @max_threads.setter
    def max_threads(self, value: int) -> None:
        given: Any = value  # also an integer of NumPy
        is_whole = hasattr(given, "__index__") and not isinstance(given, bool)
        if not is_whole:
            raise ValueError(
                f"Invalid max_threads {value!r}: expected a whole number from 1 to {MAX_THREADS}."
            )
        self._max_threads = min(max(int(given), 1), MAX_THREADS)

    @property
    def has_listeners(self) -> bool:
        """Whether a listener is subscribed to events."""
        return bool(self._listeners)

    @property
    def endpoints(self) -> Endpoints:
        """The current base URLs."""
        return Endpoints(self.repoEndpoint, self.authEndpoint, self.fileHandleEndpoint)

    def get_or_create(self, key: str, create: Callable[[], T]) -> T:
        """Return the resource of this session with this key; create it on first use.

        A resource with a ``close`` method is closed with the session. Resources are not pickled.
        """
        with self._lock:
            if key not in self._resources:
                self._resources[key] = create()
            resource: T = self._resources[key]
            return resource

    def forget(self, key: str) -> None:
        """Remove the resource with this key."""
        with self._lock:
            self._resources.pop(key, None)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each later event; return a function that ends the subscription."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Call all listeners in the order of their subscription; raise an error of a listener."""
        for listener in self._listeners:
            listener(event)

    def emit_table_change(self, table_id: str, **details: Any) -> Mapping[str, Any]:
        """Emit a `Wrote` event of a table whose rows have changed; return the JSON of the table.

        Args:
            table_id: ``syn123``.
            details: Further fields of the event.

        Source:
            GET /entity/{id}
            https://rest-docs.synapse.org/rest/GET/entity/id.html
        """
        entity = self.call("GET", f"/entity/{table_id}").object
        self.emit(Wrote.from_entity(entity, properties=entity, **details))
        return entity

    def _report_event(self, event: Event) -> None:
        """Report an event to the Airflow task that started this process."""
        try:
            report_event(event, self.repoEndpoint)
        except OSError as error:
            self.logger.warning("Lineage cannot be reported in %s: %s", LINEAGE_FILE, error)

    def call(
        self,
        method: str,
        path: str,
        *,
        endpoint: str = "repo",
        params: Any = None,
        json: Any = None,
        data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = SESSION_AUTH,
        repeatable: bool | None = None,
        stream: bool = False,
        timeout: Any = None,
        retry: RetryPolicy | None = None,
        requests_session: "requests.Session | None" = None,
        options: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Send a request and return its response. Every request of the client is sent here.

        Args:
            method: ``GET``, ``POST``, ``PUT``, ``DELETE``.
            path: Path below the endpoint, or an absolute URL (with ``auth=None`` if pre-signed).
            endpoint: ``repo``, ``auth``, ``file``, or another base URL.
            params: Query parameters.
            json: Body to serialize as JSON.
            data: Encoded body, instead of `json`.
            headers: Headers that replace the default ones. Only credentials are added.
            auth: `Credentials`, None for an anonymous request, or any ``auth`` of requests.
                Defaults to the credentials of the session, which are sent to its endpoints only.
            repeatable: Whether executing the call twice is harmless; see `Call`.
            stream: Whether to leave the body unread. The caller has to close ``reply.response``.
            timeout: Seconds, or (seconds to connect, seconds between reads).
            retry: Retry settings to use instead of those of the session.
            requests_session: Session of requests to use instead of the one of this client.
            options: Further arguments for requests (``verify``, ``proxies``, ...).

        Raises:
            SynapseHTTPError: A status other than 2xx, as the subclass for that status.
            SynapseAuthenticationError: 401 or 403 while not logged in.
            SynapseConnectionError: No connection, or it was interrupted.
            SynapseTimeoutError: No response within the timeout.
        """
        call = Call(
            method, path, endpoint, params, json if data is None else data, headers, repeatable
        )
        request = http_request.build_request(
            call,
            self.endpoints,
            self.credentials,
            auth,
            stream=stream,
            timeout=timeout or self.timeout,
            options=options or {},
        )
        outcome = self._send_with_retries(
            call, request, retry or self.retry, requests_session or self._requests
        )
        if outcome.succeeded and outcome.reply is not None:
            return outcome.reply
        is_anonymous = auth is SESSION_AUTH and self.credentials is None
        is_synapse = self.endpoints.include(request.url)
        raise http_errors.error_of(
            call,
            outcome,
            secrets=self.secrets(auth),
            is_anonymous=is_anonymous and is_synapse,
            is_storage=not is_synapse,
            debug=self.debug,
        )

    def run(self, flow: Flow[T]) -> T:
        """Execute a flow and return its result."""
        reply: Reply | None = None
        error: Exception | None = None
        while True:
            try:
                step = flows.advance(flow, reply, error)
            except StopIteration as done:
                result: T = done.value
                return result
            reply, error = None, None
            try:
                reply = self._execute(step)
            except Exception as failed:  # noqa: BLE001 - raised in the flow, which may handle it
                error = failed

    def iter_items(
        self, call: Call, fetch_page: flows.PageFetcher = flows.fetch_offset_page
    ) -> Iterator[Any]:
        """Iterate over the items of a paged list; each page is fetched when it is reached."""
        next_call: Call | None = call
        guard = flows.PageGuard()
        while next_call is not None:
            page = self.run(fetch_page(next_call))
            guard.check(page)
            yield from page.items
            next_call = page.next_call

    def secrets(self, auth: Any = SESSION_AUTH) -> tuple[str, ...]:
        """Return the secrets that must not appear in logs and errors."""
        used = (self.credentials, auth)
        return tuple(one.secret for one in used if isinstance(one, Credentials))

    def close(self) -> None:
        """Close connections and resources; a requests session that was passed in stays open."""
        with self._lock:
            resources, self._resources = self._resources, {}
        for resource in resources.values():
            getattr(resource, "close", lambda: None)()
        if self._given_session is None:
            self._requests.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        endpoint = redact_url(self.repoEndpoint)  # it may contain a password
        return f"{type(self).__name__}({endpoint}, username={self.username})"

    def __getstate__(self) -> dict[str, Any]:
        # A pickled client must not contain a secret. The unpickled client has to log in again.
        not_pickled = {"_requests", "_listeners", "_resources", "_lock", "logger"}
        state = {key: value for key, value in self.__dict__.items() if key not in not_pickled}
        return state | {"credentials": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._create_process_state()

    def _execute(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        return self.call(
            step.method,
            step.path,
            endpoint=step.endpoint,
            params=step.params,
            json=step.body,
            headers=step.headers,
            repeatable=step.repeatable,
        )

    def _send_with_retries(
        self,
        call: Call,
        request: HttpRequest,
        policy: RetryPolicy,
        session: "requests.Session",
    ) -> Outcome:
        # The credentials of the request may be others than those of the session.
        credentials = getattr(request.auth, "credentials", None)
        secrets = self.secrets(credentials)
        state = RetryState(
            call, policy, lambda level, text: self.logger.log(level, redact(text, secrets))
        )
        retrying = tenacity.Retrying(sleep=interruption.sleep, **state.tenacity_arguments())
        started = time.monotonic()
        limiter = self._create_limiter(request, credentials)

        def attempt() -> Outcome:
            send = functools.partial(transport.send, session, request)
            if limiter is None:
                return send()
            return request_limiter.run_blocking(limiter.attempt(state), send, interruption.sleep)

        outcome = state.resolve(retrying(attempt))
        self.logger.debug(
            "%s %s -> %s (%.0f ms)",
            request.method,
            request.url,
            outcome.status or outcome.reason,
            1000 * (time.monotonic() - started),
        )
        return outcome

    def _create_limiter(self, request: HttpRequest, credentials: Any) -> RequestLimiter | None:
        """Return the limiter of a request; None for requests that Synapse does not limit."""
        is_account = self.limit_requests and isinstance(credentials, Credentials)
        if not is_account or not self.endpoints.include(request.url):
            return None
        return RequestLimiter(self.cache.cache_root_dir, self.repoEndpoint, credentials)
