"""The command `airflow`: Airflow's web interface and scheduler with a local Synapse.

The components of Airflow run as child processes. `airflow standalone` is not used, because its
log servers listen on all interfaces.

<folder>/synapse/       data of the local Synapse, its service.json and its log
<folder>/airflow/       AIRFLOW_HOME
<folder>/cache/         the worker's cache of downloads
<folder>/port           port of the web interface
<folder>/*.log          output of the components
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from synapse_workflows.demo import preloaded_airflow
from synapse_workflows.demo.processes import (
    ProcessError,
    run_process,
    run_service,
)
from synapse_workflows.demo.runner import (
    airflow_environment,
    echo,
    migrate_database,
    run_airflow_command,
    step,
)
from synapse_workflows.free_ports import LOOPBACK, find_free_port, is_free_port

if TYPE_CHECKING:
    import subprocess

_PORT: Final = "AIRFLOW__API__PORT"
_LOG_PORT: Final = "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"
_TRIGGER_LOG_PORT: Final = "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"
_EXECUTION_URL: Final = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
_CONNECTION: Final = "AIRFLOW_CONN_SYNAPSE_DEFAULT"
_DEFAULT_PORT: Final = 8080
#: Maximum time for Airflow to start, in seconds.
_START_TIMEOUT: Final = 240.0
#: Maximum number of tasks that run at once.
_MAX_TASKS: Final = 4

#: Component -> arguments of `airflow`.
_COMPONENTS: Final[dict[str, list[str]]] = {
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "api-server": ["api-server", "--apps", "core"],
}


def run_airflow(folder: Path, port: int | None = None, dags: Path | None = None) -> None:
    """Run Airflow and a local Synapse until Ctrl-C or SIGTERM, then stop both.

    Args:
        folder: Working directory of Airflow and the service; a second run continues with its
            content.
        port: TCP port of the web interface. None for `AIRFLOW__API__PORT` if that variable is
            set, otherwise for the first free port of: the port of the last start, 8080, any port.
        dags: Directory of the DAGs. None for the examples, which start unpaused.

    Raises:
        ProcessError: The port is in use, a component of Airflow exited, or the service
            did not start.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    port = choose_port(folder, port)
    try:
        with run_service(folder / "synapse", seeds=["demo", "challenge"]) as service:
            echo(f"The local Synapse runs at {service['repoEndpoint']}.")
            environment = create_environment(folder, service, port, dags)
            migrate_database(environment, folder)
            with step("creating the connection synapse_default"):
                _import_connection(environment, folder, service)
            with run_components(environment, folder) as airflow:
                with step("starting Airflow"):
                    wait_until_healthy(environment, airflow, folder)
                (folder / "port").write_text(str(port))
                echo(f"\nOpen http://{LOOPBACK}:{port} and trigger a DAG.")
                echo(f"What the tasks store: {service['signInUrls']['alice']}")
                echo(f"Its endpoints and tokens: {folder}/synapse/service.json")
                echo("The connection is under Admin > Connections. Ctrl-C ends all.")
                echo(f"Logs: {folder}/*.log")
                _wait_for_exit(airflow, folder)
    except KeyboardInterrupt:
        echo("\nStopped Airflow and the local Synapse.")


def choose_port(folder: Path, port: int | None) -> int:
    """Return the port of the web interface.

    Args:
        folder: Working directory.
        port: The port that the user has chosen; None if the user has not chosen a port.

    Raises:
        ProcessError: The chosen port is in use or invalid.
    """
    chosen = port if port is not None else os.environ.get(_PORT)
    if chosen:
        try:
            number = int(chosen)
        except ValueError:
            raise ProcessError(f"Invalid {_PORT}={chosen!r}: expected a port number") from None
        if not is_free_port(number):
            raise ProcessError(
                f"Port {number} is in use. Choose another one with --port, or {_PORT}, or leave "
                "both out to get a free one"
            )
        return number
    file = folder / "port"
    last = int(file.read_text()) if file.exists() else _DEFAULT_PORT
    return next((one for one in (last, _DEFAULT_PORT) if is_free_port(one)), find_free_port())


def create_environment(
    folder: Path, service: dict[str, Any], port: int, dags: Path | None
) -> dict[str, str]:
    """Return the environment variables of the components.

    If the user has set variables for the number of tasks or the log server, their values are
    kept.

    Args:
        folder: Working directory.
        service: The content of service.json.
        port: Port of the web interface.
        dags: Directory of the DAGs; the examples if None.
    """
    url, log_port = f"http://{LOOPBACK}:{port}", str(find_free_port())
    defaults = {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": str(dags is not None),
        "AIRFLOW__CORE__PARALLELISM": str(min(_MAX_TASKS, os.cpu_count() or 1)),
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        _LOG_PORT: log_port,
    }
    environment = defaults | airflow_environment(folder, service, dags)
    # The web interface shows connections of the database only, see `_import_connection`.
    del environment[_CONNECTION]
    return environment | {
        _PORT: str(port),
        "AIRFLOW__API__HOST": LOOPBACK,  # no login: all users are administrators
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{__name__}.get_hostname",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        _EXECUTION_URL: f"http://{LOOPBACK}:{find_free_port()}/execution/",
        _TRIGGER_LOG_PORT: environment[_LOG_PORT],  # one server for all logs
    }


def get_hostname() -> str:
    """Return the host name by which Airflow requests the logs of running tasks."""
    return LOOPBACK


@contextmanager
def run_components(
    environment: dict[str, str], folder: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run Airflow's components and the log server during the block, each with a log file.

    The API of the tasks has a process of its own. In the process of the web interface, a request
    that waits for SQLite's lock in the event loop would block the task's request that has the
    lock, until one of them fails.

    Yields:
        The process from which they are forked.
    """
    log_server = ["uvicorn", "airflow.utils.serve_logs.log_server:get_app", "--factory"]
    log_server += ["--host", LOOPBACK, "--port", environment[_LOG_PORT]]
    execution_port = str(urlsplit(environment[_EXECUTION_URL]).port)
    execution_api = ["api-server", "--apps", "execution", "--port", execution_port]
    commands = {"log-server": log_server, "execution-api": execution_api} | _COMPONENTS
    (folder / preloaded_airflow.ENDED_FILE).unlink(missing_ok=True)
    for name in commands:
        (folder / f"{name}.log").write_bytes(b"")
    arguments = [preloaded_airflow.__name__, str(folder), json.dumps(commands)]
    with (
        (folder / "airflow.log").open("wb") as output,
        run_process(arguments, environment, output) as process,
    ):
        yield process


def wait_until_healthy(
    environment: dict[str, str], airflow: "subprocess.Popen[bytes]", folder: Path
) -> None:
    """Wait until all components of Airflow are healthy.

    Args:
        environment: Environment of the components.
        airflow: The process of `run_components`.
        folder: Working directory.

    Raises:
        ProcessError: A component exited, or Airflow did not start in time.
    """
    deadline = time.monotonic() + _START_TIMEOUT
    while not _is_healthy(environment):
        check_running(airflow, folder)
        if time.monotonic() > deadline:
            raise ProcessError(f"Airflow did not start; see {folder}/*.log")
        time.sleep(0.5)


def _is_healthy(environment: dict[str, str]) -> bool:
    url = f"http://{LOOPBACK}:{environment[_PORT]}/api/v2/monitor/health"
    try:
        states = requests.get(url, timeout=5).json()
        execution_api = requests.get(f"{environment[_EXECUTION_URL]}health", timeout=5)
    except (requests.RequestException, ValueError):
        return False
    names = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    healthy = (states.get(name, {}).get("status") == "healthy" for name in names)
    return execution_api.ok and all(healthy)


def _wait_for_exit(airflow: "subprocess.Popen[bytes]", folder: Path) -> None:
    while True:
        check_running(airflow, folder)
        time.sleep(0.5)


def check_running(airflow: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Check that all components of Airflow run.

    Args:
        airflow: The process of `run_components`.
        folder: Working directory.

    Raises:
        ProcessError: A component exited.
    """
    ended = folder / preloaded_airflow.ENDED_FILE
    if airflow.poll() is not None:
        name, code = "airflow", airflow.returncode
    elif ended.exists():
        ((name, code),) = json.loads(ended.read_text()).items()
    else:
        return
    tail = (folder / f"{name}.log").read_text(errors="replace")[-2000:]
    raise ProcessError(f"Airflow's {name} ended with status {code}:\n{tail}")


def _import_connection(environment: dict[str, str], folder: Path, service: dict[str, Any]) -> None:
    """Store the connection to the service in Airflow's database.

    The port is a separate field, because the test button of the web interface requires it.
    """
    connection = json.loads(service["airflow_connection"])
    connection["port"] = urlsplit(connection["host"]).port
    file = folder / "connection.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"synapse_default": connection}))
    try:
        arguments = ("connections", "import", "--overwrite", str(file))
        run_airflow_command(environment, folder / "connection.log", *arguments)
    finally:
        file.unlink()
