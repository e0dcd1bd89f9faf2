"""Services for the tests: in-process and over a socket, everything on the wire recorded."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.wire_recorder import Recorder, load_validator

from synapse_workflows import Synapse
from synapse_workflows.testing import SynapseService, in_process, over_socket

# A machine that is busy makes data slowly, and nothing is wrong with that.
settings.register_profile(
    "no-deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")
# A shell that runs the tests behind itself has them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes what the person at this machine has at home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNAPSE_AUTH_TOKEN", raising=False)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield


@pytest.fixture(scope="session")
def recorders() -> list[Recorder]:
    """What was seen on the wire, a recorder for each service that was started."""
    return []


@pytest.fixture(scope="session")
def recording(recorders):
    """Put a recorder in front of a service."""
    validate = load_validator()

    def wrap(app):
        recorders.append(Recorder(app, validate))
        return recorders[-1]

    return wrap


@pytest.fixture(autouse=True)
def wire_matches_contract(recorders):
    """Whatever crossed the wire in a test fits the published schemas."""
    yield
    problems = [problem for recorder in recorders for problem in recorder.problems]
    for recorder in recorders:
        recorder.problems.clear()
    assert not problems


@pytest.fixture(scope="session")
def socket_service(tmp_path_factory, recording) -> Iterator[SynapseService]:
    """A service over a socket, for the whole session."""
    with over_socket(tmp_path_factory.mktemp("socket"), wrap=recording) as service:
        yield service


@pytest.fixture(scope="session")
def in_process_service(tmp_path_factory, recording) -> Iterator[SynapseService]:
    """A service without a socket, for the whole session."""
    with in_process(tmp_path_factory.mktemp("in-process"), wrap=recording) as service:
        yield service


@pytest.fixture(params=["in-process", "socket"])
def service(request) -> SynapseService:
    """The service, twice: every test with it runs in-process and over a socket."""
    name = {"in-process": "in_process_service", "socket": "socket_service"}[request.param]
    return request.getfixturevalue(name)


@pytest.fixture
def client_of(service, tmp_path):
    """Make clients of the service, by user name, all with one cache of this test."""
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
    """A client of bob, who is certified too."""
    return client_of("bob")


@pytest.fixture
def dave(client_of) -> Synapse:
    """A client of dave, who is not certified."""
    return client_of("dave")


@pytest.fixture
def socket_client(socket_service, tmp_path) -> Iterator[Synapse]:
    """A client of alice over a socket, whatever else the test runs in."""
    with socket_service.client(cache_root_dir=str(tmp_path / "cache")) as syn:
        yield syn
