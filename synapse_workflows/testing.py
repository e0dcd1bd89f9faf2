"""Pytest fixtures for code that uses Synapse: a local Synapse service and its clients.

In a `conftest.py`:

    pytest_plugins = ["synapse_workflows.testing"]

- `synapse_service`: a local Synapse for the whole test session.
- `synapse_client`: a client that is logged in to this service as the user alice.
- `synapse_connection`: the ID of an Airflow connection to this service.
- `synapse_inbox`: a function that returns the messages of a user of this service.
- `synapse_s3_service`: a local Synapse with an S3 server, for storage locations in buckets and
  temporary credentials.

The fixtures require the extra `synapse-workflows[local]`, the last one also
`synapse-workflows[s3-server]`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.inbox import ReceivedMessage, read_inbox
from synapse_workflows.local.s3.configuration import AUTO, open_s3
from synapse_workflows.local.server import LocalService
from synapse_workflows.local.service_file import describe_service
from synapse_workflows.local.settings import Settings

if TYPE_CHECKING:
    import requests

#: Few attempts with short waits, so that a test fails soon.
FAST_RETRY: Final = RetryPolicy(attempts=4, total=5.0, wait=0.01, max_wait=0.05)

Wrap = Callable[[Any], Any]


@dataclass(frozen=True)
class SynapseService:
    """A running local Synapse.

    Args:
        service_info: The content of service.json.
        folder: Directory for the caches of the clients of the service.
        session: HTTP session that calls a service without a socket; None if the service listens
            on a socket.
    """

    service_info: Mapping[str, Any]
    folder: Path
    session: "requests.Session | None" = None

    @property
    def endpoints(self) -> dict[str, str]:
        """The four endpoint arguments of `Synapse`, for example `repoEndpoint`."""
        return {name: url for name, url in self.service_info.items() if name.endswith("Endpoint")}

    @property
    def airflow_connection(self) -> str:
        """A value for AIRFLOW_CONN_SYNAPSE_DEFAULT; requires a service with a socket."""
        return str(self.service_info["airflow_connection"])

    def _user(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            user for user in self.service_info["users"] if user["userName"] == name
        )
        return found

    def token(self, user: str) -> str:
        """Return the token of a user."""
        return str(self._user(user)["token"])

    def password(self, user: str) -> str:
        """Return the password of a user whose seed in the setting `users` has one."""
        return str(self._user(user)["password"])

    def api_key(self, user: str) -> str:
        """Return the API key of a user whose seed in the setting `users` has one."""
        return str(self._user(user)["apiKey"])

    def owner_id(self, user: str) -> str:
        """Return the principal ID of a user."""
        return str(self._user(user)["ownerId"])

    def synapse_config(self, user: str) -> str:
        """Return the content of a ~/.synapseConfig file for a user."""
        lines = ["[endpoints]", *(f"{name} = {url}" for name, url in self.endpoints.items())]
        return "\n".join([*lines, "[authentication]", f"authtoken = {self.token(user)}", ""])

    def inbox(self, user: str) -> list[ReceivedMessage]:
        """Return the messages of a user, newest first.

        Args:
            user: User name or principal ID.

        Raises:
            InboxError: The service has no such user.
        """
        return read_inbox(get_data_dir(self.folder), user)

    def client(self, user: str | None = "alice", **options: Any) -> Synapse:
        """Create a client, logged in as a user unless `user` is None.

        Args:
            user: User name; None leaves the client anonymous.
            options: Further arguments of `Synapse`.
        """
        settings: dict[str, Any] = {
            **self.endpoints,
            "skip_checks": True,
            "silent": True,
            "configPath": str(self.folder / "no.synapseConfig"),
            "cache_root_dir": str(self.folder / "cache"),
            "requests_session": self.session,
            "retry": FAST_RETRY,
        }
        syn = Synapse(**(settings | options))
        if user is not None:
            syn.login(authToken=self.token(user), silent=True)
        return syn


def get_data_dir(folder: Path) -> Path:
    """Return the data directory of the service in a folder."""
    return folder / "synapse"


@contextmanager
def over_socket(
    folder: Path, *, wrap: Wrap = lambda app: app, **settings: Any
) -> Iterator[SynapseService]:
    """Run a service in a thread of this process, on a loopback socket.

    Args:
        folder: Directory for the data of the service and the caches of its clients.
        wrap: Function that wraps the ASGI application, for example in a recorder.
        settings: Further fields of the service's `Settings`.
    """
    with LocalService(get_data_dir(folder), wrap=wrap, **settings) as service:
        yield SynapseService(service.describe(), folder)


@contextmanager
def in_process(
    folder: Path, *, wrap: Wrap = lambda app: app, **settings: Any
) -> Iterator[SynapseService]:
    """Run a service without a socket; the arguments are those of `over_socket`."""
    defaults: dict[str, Any] = {"base_url": asgi_adapter.BASE_URL, "durable": False}
    app = create_app(Settings(data_dir=get_data_dir(folder), **(defaults | settings)))
    with asgi_adapter.create_session(wrap(app)) as session:
        yield SynapseService(describe_service(app.state.service), folder, session)
    app.state.service.close()


@pytest.fixture(scope="session")
def synapse_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SynapseService]:
    """A local Synapse on a loopback socket, for the whole session."""
    with over_socket(tmp_path_factory.mktemp("synapse")) as service:
        yield service


@pytest.fixture(scope="session")
def synapse_s3_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SynapseService]:
    """A local Synapse with an S3 server, for the whole session.

    `service_info["s3Url"]` is the URL of the S3 server.
    """
    folder = tmp_path_factory.mktemp("synapse-s3")
    with open_s3(AUTO, get_data_dir(folder)) as s3:
        if s3 is None:
            pytest.skip("There is no S3 server: pip install 'synapse-workflows[s3-server]'")
        with over_socket(folder, s3=s3) as service:
            yield service


@pytest.fixture
def synapse_client(synapse_service: SynapseService, tmp_path: Path) -> Iterator[Synapse]:
    """A client of the user alice, with a new cache."""
    with synapse_service.client(cache_root_dir=str(tmp_path / "synapse-cache")) as syn:
        yield syn


@pytest.fixture
def synapse_connection(
    synapse_service: SynapseService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The ID of an Airflow connection to the local Synapse."""
    connection = json.loads(synapse_service.airflow_connection)
    connection["extra"]["cache_dir"] = str(tmp_path / "synapse-cache")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(connection))
    return "synapse_default"


@pytest.fixture
def synapse_inbox(synapse_service: SynapseService) -> Callable[[str], list[ReceivedMessage]]:
    """A function that returns the messages of a user, newest first."""
    return synapse_service.inbox
