"""Components of Airflow in processes that are forked from one, which has imported their modules.

The components start sooner. The processes that they fork themselves inherit the modules as well:
those of tasks, of parsed DAG files and of triggers.

python -m synapse_workflows.demo.preloaded_airflow FOLDER COMMANDS

COMMANDS is a JSON object: the name of each process -> the arguments of `airflow`, or the module
`uvicorn` and its arguments. The output of a process is added to FOLDER/<name>.log. When a process
ends, its name and exit status are written to FOLDER/ended.json; the others go on. SIGINT and
SIGTERM are passed on to the processes.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

#: File in the folder with the name and the exit status of the first process that has ended.
ENDED_FILE: Final = "ended.json"
#: Modules that the components and the tasks import anyway.
_MODULES: Final = (
    "airflow.api_fastapi.auth.tokens",
    "airflow.api_fastapi.execution_api.app",
    "airflow.api_fastapi.execution_api.routes",
    "airflow.dag_processing.manager",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.standard.operators.python",
    "airflow.cli.cli_parser",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "jinja2.ext",
    "airflow.utils.serve_logs",
    "alembic.command",
    "synapse_workflows.plugin",
)


def preload(modules: Iterable[str] = ()) -> None:
    """Import the modules of Airflow and of this package.

    The default thresholds of the garbage collector spend a quarter of the time on collections
    among modules, which all stay. Forked processes never collect them: that would copy the memory.

    Args:
        modules: Names of further modules.
    """
    gc.set_threshold(50_000, 20, 100)
    import synapse_workflows

    for module in (*_MODULES, *modules):
        importlib.import_module(module)
    for name in synapse_workflows.__all__:
        getattr(synapse_workflows, name)
    gc.freeze()


def fork_process(log: Path, run: Callable[[], object]) -> int:
    """Call a function in a forked process, in a session of its own; return the process ID.

    The exit status of the process is the result of the function if it is an integer, the argument
    of SystemExit, or 1 after another exception.

    Args:
        log: File to which the output is added.
        run: The function.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 1024)
        result = run()
        status = result if isinstance(result, int) else 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - to the log
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def run_command(arguments: list[str]) -> None:
    """Run a command of Airflow, or uvicorn, in this process.

    Args:
        arguments: Arguments of `airflow`, or `uvicorn` and its arguments.
    """
    if arguments[0] == "uvicorn":
        from uvicorn.main import main as run_uvicorn

        run_uvicorn(arguments[1:])
        return
    from airflow.cli.cli_parser import get_parser

    sys.argv = ["airflow", *arguments]
    command = get_parser().parse_args(arguments)
    command.func(command)


def main(folder: Path, commands: Mapping[str, list[str]]) -> None:
    """Run processes until all have ended.

    Args:
        folder: Directory of the logs.
        commands: Name of each process -> its command, see `run_command`.
    """
    ended = folder / ENDED_FILE
    preload()
    running: dict[int, str] = {}
    is_stopping = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    for name, arguments in commands.items():
        if not is_stopping:
            pid = fork_process(folder / f"{name}.log", partial(run_command, arguments))
            running[pid] = name
    while running:
        pid, status = os.wait()
        name = running.pop(pid)
        if not (is_stopping or ended.exists()):
            new = ended.with_suffix(".new")
            new.write_text(json.dumps({name: os.waitstatus_to_exitcode(status)}))
            new.replace(ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
