"""The official client in an environment of its own, and a service for it over a socket."""

import itertools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("official.py")


@pytest.fixture(scope="session")
def peer_python() -> str:
    """The interpreter that has the official client; `make install-peer` makes it."""
    python = os.environ.get("SYNAPSE_PEER_PYTHON", str(REPO / ".venv-peer" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip("the official client is not installed: run `make install-peer`")
    return python


@pytest.fixture
def official(peer_python, socket_service, tmp_path) -> Callable[..., dict[str, Any]]:
    """Call a verb of official.py as a user: `official("get", id="syn1")`.

    Each call has a cache of its own, as if it were another machine.
    """
    home = tmp_path / "home"
    home.mkdir()

    elsewhere = itertools.count()

    def call(verb: str, /, user: str = "alice", **arguments: Any) -> dict[str, Any]:
        config = home / f"{user}.synapseConfig"
        config.write_text(socket_service.synapse_config(user))
        done = subprocess.run(
            [peer_python, str(DRIVER), verb],
            input=json.dumps(
                arguments | {"config": str(config), "cache": f"{home}/cache-{next(elsewhere)}"}
            ),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, f"{verb}: {done.stderr[-3000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    return call
