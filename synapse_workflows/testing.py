"""A Synapse and clients of it, for tests: of this project, and of anybody's Synapse code.

In a `conftest.py`:

    pytest_plugins = ["synapse_workflows.testing"]

Then `synapse_service` is a local Synapse for the whole session, and `synapse_client` a client of
its user alice with a cache of its own.
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
from synapse_workflows.local.server import LocalService
from synapse_workflows.local.service_file import describe
from synapse_workflows.local.settings import Settings

if TYPE_CHECKING:
    import requests

#: Few and short tries: a test should fail soon.
IMPATIENT: Final = RetryPolicy(attempts=4, total=5.0, wait=0.01, max_wait=0.05)

Wrap = Callable[[Any], Any]


@dataclass(frozen=True)
class SynapseService:
    """A local Synapse, and clients of it.

    Args:
        facts: what service.json holds.
        folder: where its clients keep their caches.
        session: reaches a service that has no socket; None where it has one.
    """

    facts: Mapping[str, Any]
    folder: Path
    session: "requests.Session | None" = None

    @property
    def endpoints(self) -> dict[str, str]:
        """The four arguments that point a client here, as `repoEndpoint`."""
        return {name: url for name, url in self.facts.items() if name.endswith("Endpoint")}

    @property
    def airflow_connection(self) -> str:
        """A value for AIRFLOW_CONN_SYNAPSE_DEFAULT; only of use with a socket."""
        return str(self.facts["airflow_connection"])

    def _user(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            user for user in self.facts["users"] if user["userName"] == name
        )
        return found

    def token(self, user: str) -> str:
        """Give the token of a user."""
        return str(self._user(user)["token"])

    def owner_id(self, user: str) -> str:
        """Give the principal id of a user."""
        return str(self._user(user)["ownerId"])

    def synapse_config(self, user: str) -> str:
        """Give what a user's ~/.synapseConfig says, for the official client too."""
        lines = ["[endpoints]", *(f"{name} = {url}" for name, url in self.endpoints.items())]
        return "\n".join([*lines, "[authentication]", f"authtoken = {self.token(user)}", ""])

    def client(self, user: str | None = "alice", **options: Any) -> Synapse:
        """Make a client that is logged in as a user; None stays anonymous.

        Args:
            user: by name.
            options: more arguments of `Synapse`.
        """
        settings: dict[str, Any] = {
            **self.endpoints,
            "skip_checks": True,
            "silent": True,
            "configPath": str(self.folder / "no.synapseConfig"),
            "cache_root_dir": str(self.folder / "cache"),
            "requests_session": self.session,
            "retry": IMPATIENT,
        }
        syn = Synapse(**(settings | options))
        if user is not None:
            syn.login(authToken=self.token(user), silent=True)
        return syn


@contextmanager
def over_socket(
    folder: Path, *, wrap: Wrap = lambda app: app, **settings: Any
) -> Iterator[SynapseService]:
    """Run a service in a thread of this process, over a socket on the loopback.

    Args:
        folder: holds all that it and its clients keep.
        wrap: puts something in front of its application, as a recorder.
        settings: more fields of the service's `Settings`.
    """
    with LocalService(folder / "synapse", wrap=wrap, **settings) as service:
        yield SynapseService(service.describe(), folder)


@contextmanager
def in_process(
    folder: Path, *, wrap: Wrap = lambda app: app, **settings: Any
) -> Iterator[SynapseService]:
    """Make a service that is called without a socket; arguments as for `over_socket`."""
    app = create_app(
        Settings(data_dir=folder / "synapse", base_url=asgi_adapter.BASE_URL, **settings)
    )
    with asgi_adapter.session(wrap(app)) as session:
        yield SynapseService(describe(app.state.service), folder, session)
    app.state.service.close()


@pytest.fixture(scope="session")
def synapse_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SynapseService]:
    """A local Synapse over a socket, for the whole session."""
    with over_socket(tmp_path_factory.mktemp("synapse")) as service:
        yield service


@pytest.fixture
def synapse_client(synapse_service: SynapseService, tmp_path: Path) -> Iterator[Synapse]:
    """A client of alice with a cache of its own."""
    with synapse_service.client(cache_root_dir=str(tmp_path / "synapse-cache")) as syn:
        yield syn


@pytest.fixture
def synapse_connection(
    synapse_service: SynapseService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The Airflow connection `synapse_default` to the local Synapse; gives its id."""
    connection = json.loads(synapse_service.airflow_connection)
    connection["extra"]["cache_dir"] = str(tmp_path / "synapse-cache")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(connection))
    return "synapse_default"
