"""Python interpreter of the official client, which has a separate environment."""

import os
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


def find_official_python() -> str:
    """Return the path of the interpreter; skip the test if it is not installed."""
    python = os.environ.get("SYNAPSE_PEER_PYTHON", str(REPO / ".venv-peer" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip("the official client is not installed: run `make install-peer`")
    return python
