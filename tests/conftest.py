"""Services for the tests, in-process and over a socket, with every exchange validated."""

import gc
import logging
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings
from support.s3_service import S3Service, start_s3_server
from support.wire_facts import WireFacts
from support.wire_recorder import Recorder

from synapse_workflows import Synapse
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.testing import SynapseService, in_process, over_socket

# No deadline: data generation is slow on a busy machine.
settings.register_profile(
    "no-deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")
# A shell ignores SIGINT in background jobs, and nohup SIGHUP; child processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TRANSPORTS = ("in-process", "socket")
#: Modules about the transport itself; their tests run in-process and over a socket.
OF_TRANSPORTS = ("test_login", "test_table_file_download", "test_transfers")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs all tests of `service` over both transports."""
    parser.addoption(
        "--both-transports",
        action="store_true",
        help="run each test of the fixture `service` in-process and over a socket",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage among the modules and tests, which all stay: a third of the time.

    Afterwards, collect it seldom: the heap is large, and tests leave little garbage. Disable the
    log of uvicorn, which Airflow's log configuration enables: the service logs its requests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()
        logging.getLogger("uvicorn.access").disabled = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the longest tests first; select one transport of tests that prove the same over both.

    A worker of pytest-xdist that starts a long test at the end is the last one for minutes.
    """
    _sort_by_duration(items)
    if config.getoption("both_transports") or any("::" in name for name in config.args):
        return
    unneeded = [item for item in items if not _has_needed_transport(item)]
    if unneeded:
        config.hook.pytest_deselected(items=unneeded)
        items[:] = [item for item in items if _has_needed_transport(item)]


def _sort_by_duration(items: list[pytest.Item]) -> None:
    """Sort tests: those that share Airflow's scheduler, then modules by their longest timeout."""
    timeouts: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        timeouts[item.path] = max(timeouts.get(item.path, 0), mark.args[0] if mark else 0)
    items.sort(
        key=lambda item: (
            "scheduler" not in getattr(item, "fixturenames", ()),
            -timeouts[item.path],
        )
    )


def _has_needed_transport(item: pytest.Item) -> bool:
    """Return whether a test runs over its transport: a checksum of its name selects one."""
    callspec = getattr(item, "callspec", None)
    transport = callspec and callspec.params.get("service")
    if transport not in TRANSPORTS or item.path.stem.startswith(OF_TRANSPORTS):
        return True
    function = f"{item.path.stem}.{item.originalname}"  # type: ignore[attr-defined]
    return transport == TRANSPORTS[crc32(function.encode()) % 2]


@pytest.fixture(autouse=True, scope="session")
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate the tests from the user's home directory, token and keyring."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNAPSE_AUTH_TOKEN", raising=False)
        patch.delenv("SYNAPSE_PROFILE", raising=False)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        # the code of tests is identified by its hash, also in a checkout without changes
        patch.setenv("GIT_CEILING_DIRECTORIES", str(Path(__file__).parents[1]))
        yield


@pytest.fixture(scope="session")
def recorders() -> list[Recorder]:
    """The recorders, one for each service that was started."""
    return []


@pytest.fixture(scope="session")
def recording(recorders):
    """Return a function that puts a recorder in front of a service's application."""
    facts = WireFacts()

    def wrap(app):
        recorders.append(Recorder(app, facts))
        return recorders[-1]

    return wrap


@pytest.fixture(autouse=True)
def wire_matches_contract(recorders):
    """Fail a test during which an exchange broke the contract."""
    yield
    problems = [problem for recorder in recorders for problem in recorder.problems]
    for recorder in recorders:
        recorder.problems.clear()
    assert not problems


@pytest.fixture(scope="session")
def socket_service(tmp_path_factory, recording) -> Iterator[SynapseService]:
    """A service over a socket, shared by the session."""
    with over_socket(tmp_path_factory.mktemp("socket"), wrap=recording) as service:
        yield service


@pytest.fixture(scope="session")
def s3_service(tmp_path_factory, recording) -> Iterator[S3Service]:
    """A service over a socket with a real S3 server, shared by the session."""
    folder = tmp_path_factory.mktemp("s3")
    with (
        start_s3_server(folder) as server,
        over_socket(folder, wrap=recording, s3=server.wait_until_ready) as service,
    ):
        yield S3Service(service, server, ObjectStore(server.wait_until_ready))


@pytest.fixture(scope="session")
def in_process_service(tmp_path_factory, recording) -> Iterator[SynapseService]:
    """A service without a socket, shared by the session."""
    with in_process(tmp_path_factory.mktemp("in-process"), wrap=recording) as service:
        yield service


@pytest.fixture(params=TRANSPORTS)
def service(request) -> SynapseService:
    """The service, in-process or over a socket; see `pytest_collection_modifyitems`."""
    name = {"in-process": "in_process_service", "socket": "socket_service"}[request.param]
    return request.getfixturevalue(name)


@pytest.fixture
def client_of(service, tmp_path):
    """Return a function that creates clients by user name, with one cache per test."""
    made: list[Synapse] = []

    def make(user: str | None = "alice", **options) -> Synapse:
        options.setdefault("cache_root_dir", str(tmp_path / "cache"))
        made.append(service.client(user, **options))
        return made[-1]

    yield make
    for syn in made:
        syn.close()


@pytest.fixture
def syn(client_of) -> Synapse:
    """A client of alice, who is certified."""
    return client_of("alice")


@pytest.fixture
def bob(client_of) -> Synapse:
    """A client of bob, who is certified."""
    return client_of("bob")


@pytest.fixture
def dave(client_of) -> Synapse:
    """A client of dave, who is not certified."""
    return client_of("dave")


@pytest.fixture
def socket_client(socket_service, tmp_path) -> Iterator[Synapse]:
    """A client of alice over a socket, in tests that do not use `service`."""
    with socket_service.client(cache_root_dir=str(tmp_path / "cache")) as syn:
        yield syn
