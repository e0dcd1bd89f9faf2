"""The service over a socket: in this thread until a signal, or in a thread beside a test.

<data_dir>/service.json      written once the service answers, removed when it ends in order
<data_dir>/service.lock      held while it runs: one service to a directory
"""

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import uvicorn

from synapse_workflows.local import seed
from synapse_workflows.local.app import create_app
from synapse_workflows.local.data_dir_lock import lock_data_dir
from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.service_file import (
    SERVICE_FILE,
    describe_service,
    get_endpoints,
    write_private_file,
)
from synapse_workflows.local.settings import DEFAULT_USERS, Settings, UserSeed

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import KnownUser, Service

LOOPBACK: Final = "127.0.0.1"
#: Seconds that requests under way have to end once the service is to stop.
_GRACE_SECONDS: Final = 5
_TEST_GRACE_SECONDS: Final = 1


class AddressError(RuntimeError):
    """The service cannot listen where it was told to."""


def bind_socket(host: str, port: int) -> socket.socket:
    """Take an address, not listening yet.

    Args:
        host: name or address of an interface.
        port: 0 takes a free one.

    Raises:
        AddressError: It is taken, or there is no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise AddressError(f"cannot listen on {host} port {port}: {error}") from None
    return bound


def get_url(bound: socket.socket) -> str:
    """Give the URL by which clients on this machine reach a bound socket."""
    host, port = bound.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = LOOPBACK
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that leaves signals to us and says when it answers."""

    def __init__(self, app: Any, ready: Callable[[], None], grace: int = _GRACE_SECONDS) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=grace,
            )
        )
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `serve` has its own, and a thread can have none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        self._ready()

    def stop(self) -> None:
        """Ask it to end; asked again, it waits for nothing."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(
    settings: Settings,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    base_url: str | None = None,
    seed_name: str | None = None,
    announce: Callable[[dict[str, Any]], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT. Needs the main thread.

    Args:
        settings: of the service; its base_url is filled in here.
        host: interface to listen on.
        port: 0 takes a free one.
        base_url: how clients reach the service when not by host and port.
        seed_name: what to fill it with before it answers, if anything.
        announce: called with the content of service.json before that is written.

    Raises:
        DataDirInUseError: Another running service has the data directory.
        AddressError: The address is taken.
        seed.SeedError: What it should be filled with was refused.
    """
    data_dir = settings.data_dir
    with lock_data_dir(data_dir), bind_socket(host, port) as bound:
        (data_dir / SERVICE_FILE).unlink(missing_ok=True)
        settings = replace(settings, base_url=(base_url or get_url(bound)).rstrip("/"))
        app = create_app(settings)
        service: Service = app.state.service
        file_handles.delete_orphaned_files(service)
        told = describe_service(service, seed.seed_app(app, seed_name) if seed_name else None)

        def ready() -> None:
            announce(told)
            write_private_file(data_dir / SERVICE_FILE, json.dumps(told, indent=2) + "\n")

        server = _Server(app, ready)
        try:
            with _handle_signals(server.stop):
                server.run([bound])
        finally:
            (data_dir / SERVICE_FILE).unlink(missing_ok=True)
            service.close()


@contextmanager
def _handle_signals(stop: Callable[[], None]) -> Iterator[None]:
    def stopped(_number: int, _frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stopped) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class LocalService:
    """A service in a thread of this process, over a socket on the loopback, for tests.

        with LocalService(tmp_path) as service:
            syn = Synapse(**service.endpoints)
            syn.login(authToken=service.token("alice"))

    Args:
        data_dir: holds all it keeps; the next service in the same place goes on from there.
        users: who exists; the first is the administrator.
        settings: more fields of Settings (clock, lives of URLs).
        wrap: puts something in front of the application, as a recorder of what it is asked.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        users: tuple[UserSeed, ...] = DEFAULT_USERS,
        wrap: Callable[[Any], Any] = lambda app: app,
        **settings: Any,
    ) -> None:
        self._settings = Settings(data_dir=Path(data_dir), users=users, **settings)
        self._wrap = wrap
        self._held = lock_data_dir(Path(data_dir))

    def __enter__(self) -> Self:
        self._held.__enter__()
        try:
            self._bound = bind_socket(LOOPBACK, 0)
            self.base_url = get_url(self._bound)
            self.app = create_app(replace(self._settings, base_url=self.base_url))
            self.service: Service = self.app.state.service
            file_handles.delete_orphaned_files(self.service)
            self._start()
        except BaseException:
            self._held.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        answers = threading.Event()
        self._server = _Server(self._wrap(self.app), answers.set, _TEST_GRACE_SECONDS)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._bound],), name="local-synapse", daemon=True
        )
        self._thread.start()
        while not answers.wait(0.05):
            if not self._thread.is_alive():
                raise RuntimeError("the service did not start")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._thread.join(_GRACE_SECONDS + 10)
        self._bound.close()
        self.service.close()
        self._held.__exit__(None, None, None)

    @property
    def users(self) -> dict[str, "KnownUser"]:
        """The users by name, with their tokens; the first is the administrator."""
        return {user.user_name: user for user in self.service.users}

    @property
    def endpoints(self) -> dict[str, str]:
        """The arguments by which a client is pointed at the service."""
        return get_endpoints(self.base_url)

    @property
    def repo_endpoint(self) -> str:
        """Where entities are."""
        return self.endpoints["repoEndpoint"]

    @property
    def auth_endpoint(self) -> str:
        """Where tokens are."""
        return self.endpoints["authEndpoint"]

    @property
    def file_endpoint(self) -> str:
        """Where file handles are."""
        return self.endpoints["fileHandleEndpoint"]

    @property
    def portal_endpoint(self) -> str:
        """What links to web pages begin with."""
        return self.endpoints["portalEndpoint"]

    def token(self, user_name: str) -> str:
        """Give the token of a user."""
        return self.users[user_name].token

    def describe(self) -> dict[str, Any]:
        """Tell what `serve` would write into service.json."""
        return describe_service(self.service)

    def seed(self, name: str = "demo") -> dict[str, str]:
        """Fill the service; give the entity ids."""
        return seed.seed_app(self.app, name)
