"""The official client in an environment of its own, and a service for it over a socket."""

import json
import os
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
DRIVERS = Path(__file__).parent
#: Each call has a cache of its own, as if it were another machine.
CACHES = count()

Official = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def peer_python() -> str:
    """The interpreter that has the official client; `make install-peer` makes it."""
    python = os.environ.get("SYNAPSE_PEER_PYTHON", str(REPO / ".venv-peer" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip("the official client is not installed: run `make install-peer`")
    return python


@pytest.fixture
def driven(peer_python, socket_service, tmp_path) -> Callable[[str], Official]:
    """Make what calls the verbs of a driver: `driven("official.py")("get", id="syn1")`."""
    home = tmp_path / "home"
    home.mkdir()

    def make(driver: str) -> Official:
        return lambda verb, /, user="alice", **arguments: call(driver, verb, user, arguments)

    def call(driver: str, verb: str, user: str, arguments: dict[str, Any]) -> dict[str, Any]:
        config = home / f"{user}.synapseConfig"
        config.write_text(socket_service.synapse_config(user))
        done = subprocess.run(
            [peer_python, str(DRIVERS / driver), verb],
            input=json.dumps(
                arguments | {"config": str(config), "cache": f"{home}/cache-{next(CACHES)}"}
            ),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, f"{verb}: {done.stderr[-3000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    return make


@pytest.fixture
def official(driven) -> Official:
    """Call a verb of official.py as a user: `official("get", id="syn1")`."""
    return driven("official.py")


@pytest.fixture
def official_tables(driven) -> Official:
    """Call a verb of official_tables.py as a user."""
    return driven("official_tables.py")
