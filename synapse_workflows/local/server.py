"""HTTP server of the local service.

`serve` runs the server in the main thread until a signal. `LocalService` runs the server in a
background thread, for tests.

<data_dir>/service.json      exists while the service accepts requests; removed on shutdown
<data_dir>/service.lock      locked while the service runs
"""

import gc
import ipaddress
import json
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import uvicorn

from synapse_workflows.free_ports import LOOPBACK
from synapse_workflows.local import seed
from synapse_workflows.local.app import create_app
from synapse_workflows.local.data_dir_lock import lock_data_dir
from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.s3.configuration import OFF, open_s3
from synapse_workflows.local.service_file import (
    SERVICE_FILE,
    describe_service,
    get_endpoints,
)
from synapse_workflows.local.settings import DEFAULT_USERS, Settings, UserSeed
from synapse_workflows.local.storage.private_file import write_private_file

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import KnownUser, Service

log = logging.getLogger("synapse_workflows.local")

#: Maximum time in seconds that a shutdown waits for running requests.
_GRACE_SECONDS: Final = 5
_TEST_GRACE_SECONDS: Final = 1


class AddressError(RuntimeError):
    """The service cannot listen on an address."""


def bind_socket(host: str, port: int) -> socket.socket:
    """Create a socket and bind it to an address. The socket does not listen yet.

    Args:
        host: Name or address of an interface.
        port: TCP port; 0 selects a free one.

    Raises:
        AddressError: The address is invalid or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise AddressError(
            f"Cannot listen on {host} port {port}: {error}. Use another address or port; port 0 "
            "selects a free one."
        ) from None
    return listener


def get_url(listener: socket.socket) -> str:
    """Return the URL of a bound socket for clients on this machine."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = LOOPBACK
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def warn_of_network_access(listener: socket.socket) -> None:
    """Log a warning if other machines can reach a bound socket."""
    host = listener.getsockname()[0]
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        log.warning(
            "The service listens on %s: other machines can reach it, without encryption. "
            "It is meant for development and tests; use --host %s unless others need it.",
            host,
            LOOPBACK,
        )


class _Server(uvicorn.Server):
    """Server that installs no signal handlers and calls `on_ready` when it accepts requests."""

    def __init__(
        self, app: Any, on_ready: Callable[[], None], grace: int = _GRACE_SECONDS
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=grace,
            )
        )
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing. `serve` handles signals, and only the main thread can install handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then call `on_ready`."""
        await super().startup(sockets)
        self._on_ready()

    def stop(self) -> None:
        """Request a graceful shutdown. A second call forces an immediate shutdown."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(
    settings: Settings,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    base_url: str | None = None,
    s3: str = OFF,
    seed_names: Sequence[str] = (),
    announce: Callable[[dict[str, Any]], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT. Call this in the main thread.

    Args:
        settings: Settings of the service; `base_url` is ignored.
        host: Name or address of the interface to listen on.
        port: TCP port; 0 selects a free one.
        base_url: Base URL for clients; None to build the URL from host and port.
        s3: S3 server: `auto` to start one if it is installed, `off`, or the URL of an external
            server.
        seed_names: Data sets to create before the service accepts requests.
        announce: Called with the content of service.json before the file is written.

    Raises:
        DataDirInUseError: Another running service uses the data directory.
        AddressError: The address is invalid or in use.
        S3ConfigurationError: The external S3 server cannot be used.
        ValueError: A data set does not exist.
        SeedError: A request of the seeder failed, or the service has too few users.
    """
    data_dir = settings.data_dir
    with (
        lock_data_dir(data_dir),
        bind_socket(host, port) as listener,
        open_s3(s3, data_dir) as get_endpoint,
    ):
        warn_of_network_access(listener)
        (data_dir / SERVICE_FILE).unlink(missing_ok=True)
        settings = replace(
            settings, base_url=(base_url or get_url(listener)).rstrip("/"), s3=get_endpoint
        )
        app = create_app(settings)
        service: Service = app.state.service
        file_handles.delete_orphaned_files(service)
        service_info = describe_service(
            service, seed.seed_app(app, *seed_names) if seed_names else None
        )

        def write_service_file() -> None:
            announce(service_info)
            write_private_file(data_dir / SERVICE_FILE, json.dumps(service_info, indent=2) + "\n")

        gc.freeze()  # exclude long-lived objects from garbage collection
        gc.enable()  # the command line disables it during the start
        server = _Server(app, write_service_file)
        try:
            with _handle_signals(server.stop):
                server.run([listener])
        finally:
            (data_dir / SERVICE_FILE).unlink(missing_ok=True)
            service.close()


@contextmanager
def _handle_signals(stop: Callable[[], None]) -> Iterator[None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


class LocalService:
    """Context manager that runs a service in a thread, on a loopback socket, for tests.

        with LocalService(tmp_path) as service:
            syn = Synapse(**service.endpoints)
            syn.login(authToken=service.token("alice"))

    Args:
        data_dir: Data directory. A later service with the same directory has the same data.
        users: Users of the service; the first is the administrator.
        wrap: Wraps the ASGI application, for example in a recorder of requests.
        durable: Whether committed changes survive a power failure.
        settings: More fields of `Settings`.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        users: tuple[UserSeed, ...] = DEFAULT_USERS,
        wrap: Callable[[Any], Any] = lambda app: app,
        durable: bool = False,
        **settings: Any,
    ) -> None:
        data = Path(data_dir)
        self._settings = Settings(data_dir=data, users=users, durable=durable, **settings)
        self._wrap = wrap
        self._lock = lock_data_dir(data)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._lock)
            listener = stack.enter_context(bind_socket(LOOPBACK, 0))
            self.base_url = get_url(listener)
            self.app = create_app(replace(self._settings, base_url=self.base_url))
            self.service: Service = self.app.state.service
            stack.callback(self.service.close)
            file_handles.delete_orphaned_files(self.service)
            self._start(listener)
            self._resources = stack.pop_all()
        return self

    def _start(self, listener: socket.socket) -> None:
        ready = threading.Event()
        self._server = _Server(self._wrap(self.app), ready.set, _TEST_GRACE_SECONDS)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="local-synapse", daemon=True
        )
        self._thread.start()
        while not ready.wait(0.05):
            if not self._thread.is_alive():
                raise RuntimeError("The service did not start; see its log.")

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._thread.join(_GRACE_SECONDS + 10)
        self._resources.close()

    @property
    def users(self) -> dict[str, "KnownUser"]:
        """The users by user name, with their tokens; the first is the administrator."""
        return {user.user_name: user for user in self.service.users}

    @property
    def endpoints(self) -> dict[str, str]:
        """The endpoint arguments of `Synapse`, for example `repoEndpoint`."""
        return get_endpoints(self.base_url)

    def token(self, user_name: str) -> str:
        """Return the token of a user."""
        return self.users[user_name].token

    def describe(self) -> dict[str, Any]:
        """Return the content of a service.json file."""
        return describe_service(self.service)

    def seed(self, *names: str) -> dict[str, str]:
        """Create data sets, by default `demo`, and return the IDs."""
        return seed.seed_app(self.app, *(names or ("demo",)))
