"""The official client, which has a separate environment, and a process that runs its scripts."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]


def find_official_python() -> str:
    """Return the path of the interpreter; skip the test if it is not installed."""
    python = os.environ.get("SYNAPSE_PEER_PYTHON", str(REPO / ".venv-peer" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip("the official client is not installed: run `make install-peer`")
    return python


class OfficialProcess:
    """Process that has imported the official client and runs scripts of it, one at a time.

    Args:
        process: the child process, which runs tests/peer/official_process.py.
        folder: directory for the input and the output of the scripts.
    """

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def run(
        self, script: Path, verb: str, arguments: Mapping[str, Any], environ: Mapping[str, str]
    ) -> str:
        """Run a script; return its output.

        Raises:
            AssertionError: The script fails; the message ends with its traceback.
        """
        files = {name: self._folder / name for name in ("input", "output", "errors")}
        files["input"].write_text(json.dumps(arguments))
        call = {"script": str(script), "verb": verb, "environ": dict(environ)}
        call |= {name: str(path) for name, path in files.items()}
        print(json.dumps(call), file=self._process.stdin, flush=True)
        status = self._process.stdout.readline()
        assert status == "0\n", f"{verb}: {status}{files['errors'].read_text()[-3000:]}"
        return files["output"].read_text()


@contextmanager
def start_official_process(python: str, script: Path, folder: Path) -> Iterator[OfficialProcess]:
    """Run the process during the block.

    Args:
        python: interpreter of the official client.
        script: the script official_process.py.
        folder: working directory, which is the home directory of the process as well.
    """
    with subprocess.Popen(
        [python, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
    ) as process:
        yield OfficialProcess(process, folder)
        process.stdin.close()
