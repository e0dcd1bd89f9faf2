"""A conversation with Synapse under one identity: the one seam through which all HTTP leaves."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import tenacity

from synapse_workflows.client.core import config, flows, http_errors, http_request, log, transport
from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.events import Event, Listener
from synapse_workflows.client.core.flows import Call, Flow, Pause, Reply
from synapse_workflows.client.core.http_request import OWN, Endpoints, HttpRequest
from synapse_workflows.client.core.retry import Outcome, RetryPolicy, RetryState
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
#: Seconds to connect, and seconds between two reads of an answer.
TIMEOUT: Final = (10.0, 60.0)
MAX_THREADS: Final = 128
DEFAULT_CACHE: Final = "~/.synapseCache"


class Session:
    """What the functions of `client.api` speak through.

    Args:
        endpoints: ``repoEndpoint``, ``authEndpoint``, ``fileHandleEndpoint``, ``portalEndpoint``;
            production where missing.
        credentials: Whose requests these are; None for nobody.
        requests_session: Used for all calls; one of our own when None.
        config_path: The configuration file, read when something of it is needed.
        cache_root: Directory of the local cache; ``~/.synapseCache`` when None.
        cache_limit: Bytes the cache may hold; None for no limit.
        max_threads: Threads for transfers, 1 to 128.
        use_boto_sts: Transfer with temporary AWS credentials where storage allows it.
        silent: Say nothing, draw no progress.
        debug: Log each request; let HTTP errors carry request and response.
        retry: How patiently calls are made again.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
    """

    def __init__(
        self,
        *,
        endpoints: Mapping[str, str] = PRODUCTION_ENDPOINTS,
        credentials: Token | None = None,
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
    ) -> None:
        at = {**PRODUCTION_ENDPOINTS, **endpoints}
        self.repoEndpoint = at["repoEndpoint"]
        self.authEndpoint = at["authEndpoint"]
        self.fileHandleEndpoint = at["fileHandleEndpoint"]
        self.portalEndpoint = at["portalEndpoint"]
        self.credentials = credentials
        self.retry = retry or RetryPolicy()
        self.timeout = timeout
        self.silent = silent
        self.debug = debug
        self.skip_unchanged = False
        self.table_query_sleep = 2.0
        self.table_query_backoff = 1.1
        self.table_query_max_sleep = 20.0
        self.table_query_timeout = 600.0
        self.configPath = config.expand(config_path)
        self.cache = Cache(cache_root or DEFAULT_CACHE, cache_limit)
        self.max_threads = max_threads
        self.multi_threaded = True
        self.use_boto_sts_transfers = use_boto_sts
        self._given_session = requests_session
        self._start()

    def _start(self) -> None:
        """Make what lives in this process only."""
        self._requests = self._given_session or transport.new_session()
        self._listeners: tuple[Listener, ...] = ()
        self._owned: dict[str, Any] = {}
        self._lock = threading.RLock()
        self.logger = log.client_logger(self)

    @property
    def username(self) -> str | None:
        """User name of the credentials; None when nobody is logged in."""
        return self.credentials.username if self.credentials else None

    @property
    def max_threads(self) -> int:
        """Threads for transfers; set values are brought into 1 to 128."""
        return self._max_threads

    @max_threads.setter
    def max_threads(self, value: int) -> None:
        self._max_threads = min(max(value, 1), MAX_THREADS)

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens to what is announced."""
        return bool(self._listeners)

    @property
    def endpoints(self) -> Endpoints:
        """The base URLs as they are set now."""
        return Endpoints(self.repoEndpoint, self.authEndpoint, self.fileHandleEndpoint)

    def own(self, key: str, make: Callable[[], T]) -> T:
        """Keep one thing for the life of this client; make it when first asked for.

        What has a ``close`` is closed with the session. It stays behind in pickling.
        """
        with self._lock:
            if key not in self._owned:
                self._owned[key] = make()
            found: T = self._owned[key]
            return found

    def disown(self, key: str) -> None:
        """Forget what `own` kept under this key."""
        with self._lock:
            self._owned.pop(key, None)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on; the result ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def announce(self, event: Event) -> None:
        """Tell all listeners, in the order they came; what they raise is raised here."""
        for listener in self._listeners:
            listener(event)

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
        auth: Any = OWN,
        repeatable: bool | None = None,
        stream: bool = False,
        timeout: Any = None,
        retry: RetryPolicy | None = None,
        requests_session: "requests.Session | None" = None,
        options: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Ask and wait for the answer; all HTTP of the client leaves here.

        Args:
            method: ``GET``, ``POST``, ``PUT``, ``DELETE``.
            path: Below the endpoint, or a whole URL (a pre-signed one: with ``auth=None``).
            endpoint: ``repo``, ``auth``, ``file``, or the base URL of another one.
            params: The query.
            json: Body, to be written as JSON.
            data: Body as it is, instead of `json`.
            headers: Sent instead of the usual ones, with nothing added but who asks.
            auth: A `Token`, None for nobody, or what requests takes; else the credentials of the
                session, which go to its endpoints only, never to another host.
            repeatable: Whether a second execution does no harm; see `Call`.
            stream: Leave the body unread: ``reply.response`` is open and the caller's to close.
            timeout: Seconds, or (seconds to connect, seconds between reads).
            retry: Another policy than that of the session.
            requests_session: Another session of requests than the client's own.
            options: Further arguments for requests (``verify``, ``proxies``, ...).

        Raises:
            SynapseHTTPError: Another status than 2xx, of the class of that status.
            SynapseAuthenticationError: 401 or 403 while not logged in.
            SynapseConnectionError: No connection, or an answer that broke off.
            SynapseTimeoutError: No answer in time.
        """
        call = Call(
            method, path, endpoint, params, json if data is None else data, headers, repeatable
        )
        letter = self._address(call, auth, stream=stream, timeout=timeout, options=options or {})
        outcome = self._persist(
            call, letter, retry or self.retry, requests_session or self._requests
        )
        if outcome.succeeded and outcome.reply is not None:
            return outcome.reply
        nobody = auth is OWN and self.credentials is None
        raise http_errors.error(
            call,
            outcome,
            secrets=self.secrets(auth),
            anonymous=nobody and self.endpoints.include(letter.url),
            debug=self.debug,
        )

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its result."""
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
                reply = self._step(step)
            except Exception as failed:  # noqa: BLE001 - the flow decides, in its own words
                error = failed

    def each(self, call: Call, turn: flows.Turn = flows.offset_page) -> Iterator[Any]:
        """Go through the items of a paged list, fetching each page when it is reached."""
        following: Call | None = call
        while following is not None:
            page = self.run(turn(following))
            yield from page.items
            following = page.following

    def secrets(self, auth: Any = OWN) -> tuple[str, ...]:
        """Tokens that must not be shown."""
        return tuple(one.secret for one in (self.credentials, auth) if isinstance(one, Token))

    def close(self) -> None:
        """Close connections and what the client owns; a given requests session stays open."""
        with self._lock:
            owned, self._owned = self._owned, {}
        for one in owned.values():
            getattr(one, "close", lambda: None)()
        if self._given_session is None:
            self._requests.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.repoEndpoint}, username={self.username})"

    def __getstate__(self) -> dict[str, Any]:
        local = {"_requests", "_listeners", "_owned", "_lock", "logger"}
        return {key: value for key, value in self.__dict__.items() if key not in local}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def _step(self, step: Call | Pause) -> Reply | None:
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

    def _address(self, call: Call, auth: Any, **settings: Any) -> HttpRequest:
        settings["timeout"] = settings.get("timeout") or self.timeout
        return http_request.write(call, self.endpoints, self.credentials, auth, **settings)

    def _persist(
        self,
        call: Call,
        letter: HttpRequest,
        policy: RetryPolicy,
        session: "requests.Session",
    ) -> Outcome:
        tries = RetryState(call, policy, self.logger.log)
        retrying = tenacity.Retrying(**tries.settings())
        started = time.monotonic()
        outcome = tries.settle(retrying(transport.send, session, letter))
        self.logger.debug(
            "%s %s -> %s (%.0f ms)",
            letter.method,
            letter.url,
            outcome.status or outcome.reason,
            1000 * (time.monotonic() - started),
        )
        return outcome
