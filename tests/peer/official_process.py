"""Process that runs scripts of this directory in forks, so that the client is imported once.

It runs in the environment of the official client. Each line of the standard input is the JSON of a
call: `script`, `verb`, `environ`, and the files `input`, `output` and `errors`. The answer is a
line with the exit status of the script.
"""

import json
import os
import runpy
import signal
import sys
import threading
import traceback

import pandas as pd  # noqa: F401 - these are for the scripts
import synapseclient.models  # noqa: F401
import synapseutils  # noqa: F401

#: Maximum duration of a script, in seconds.
TIMEOUT = 100


def run_script(call: dict) -> int:
    """Run a script in this process as a new interpreter would; return its exit status."""
    signal.alarm(TIMEOUT)
    os.environ.clear()
    os.environ.update(call["environ"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(call["input"], os.O_RDONLY), 0)
    os.dup2(os.open(call["output"], flags), 1)
    os.dup2(os.open(call["errors"], flags), 2)
    sys.stdin = open(0)  # noqa: SIM115
    sys.argv = [call["script"], call["verb"]]
    try:
        runpy.run_path(call["script"], run_name="__main__")
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    assert threading.active_count() == 1, "a fork of a process with threads can block"
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = run_script(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        _, ended = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
