"""Fixtures that run the official client in its own environment against a local service."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from support.official_client import OfficialProcess, find_official_python, start_official_process

from synapse_workflows.testing import SynapseService

DRIVERS = Path(__file__).parent
#: Number of the cache directory of the next call; no two calls share a cache.
CACHES = count()

Official = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def peer_python() -> str:
    """The interpreter with the official client, installed by `make install-peer`."""
    return find_official_python()


@pytest.fixture(scope="session")
def official_process(peer_python, tmp_path_factory) -> Iterator[OfficialProcess]:
    """The process that runs the driver scripts, each in a fork."""
    with start_official_process(
        peer_python, DRIVERS / "official_process.py", tmp_path_factory.mktemp("official")
    ) as process:
        yield process


@pytest.fixture
def driven(official_process, socket_service, tmp_path) -> Callable[..., Official]:
    """Return a function that runs a driver script: `driven("official.py")("get", id="syn1")`.

    `service=` selects another service than the shared one, `config=` is appended to the
    configuration file, and `environ=` has further environment variables. `settings=` of the
    function is the content of the configuration file; the default is that of the user.
    """
    home = tmp_path / "home"
    home.mkdir()

    def make(
        driver: str,
        service: SynapseService = socket_service,
        config: str = "",
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> Official:
        def official(
            verb: str, /, user: str = "alice", settings: str | None = None, **arguments: Any
        ) -> dict[str, Any]:
            text = f"{settings or service.synapse_config(user)}\n{config}"
            return call(driver, verb, text, arguments, environ)

        return official

    def call(
        driver: str,
        verb: str,
        settings: str,
        arguments: dict[str, Any],
        environ: Mapping[str, str],
    ) -> dict[str, Any]:
        config = home / "synapseConfig"
        config.write_text(settings)
        output = official_process.run(
            DRIVERS / driver,
            verb,
            arguments | {"config": str(config), "cache": f"{home}/cache-{next(CACHES)}"},
            {"HOME": str(home), "PATH": os.environ["PATH"], **environ},
        )
        return json.loads(output.splitlines()[-1])

    return make


@pytest.fixture
def official(driven) -> Official:
    """Run a command of official.py as a user: `official("get", id="syn1")`."""
    return driven("official.py")


@pytest.fixture
def official_tables(driven) -> Official:
    """Run a command of official_tables.py as a user."""
    return driven("official_tables.py")
