"""The whole of it on one machine: a local Synapse, real Airflow, the examples, what came of them.

<folder>/synapse/       the local Synapse's data, its service.json and its log
<folder>/airflow/       AIRFLOW_HOME
<folder>/cache/         the worker's cache of downloads
<folder>/*.log          what Airflow said
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.synapse import Synapse
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.demo.processes import ProcessError, running, running_service
from synapse_workflows.provenance.tree import render_tree

#: DAG id -> parameters of the run -> key, or keys, of the seed (service.json).
EXAMPLES: Final[dict[str, dict[str, str | list[str]]]] = {
    "synapse_01_summarise": {"entity_id": "data", "parent_id": "results"},
    "synapse_02_rank_features": {
        "data_id": "data",
        "dictionary_id": "dictionary",
        "parent_id": "results",
    },
    "synapse_03_nightly_snapshots": {"tables": ["measurements", "features"]},
}
#: Files and snapshots that the examples leave.
RESULTS: Final = 4


def say(text: str = "") -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is going on and how long it took."""
    sys.stdout.write(f"  {text} ... ")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say("failed")
        raise
    say(f"done ({time.monotonic() - began:.1f} s)")


def airflow_environment(
    folder: Path, service: dict[str, Any], dags: Path | None = None
) -> dict[str, str]:
    """Give the environment in which Airflow finds DAGs and the local Synapse.

    Args:
        folder: where Airflow and the worker's cache keep their things.
        service: the content of service.json.
        dags: the folder of DAGs; the examples if None.
    """
    home = folder / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    return os.environ | {
        "AIRFLOW__API__HOST": "127.0.0.1",  # whoever reaches it is an administrator
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags or examples_dir()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__SYNAPSE__CACHE_DIR": str(folder / "cache"),
        "AIRFLOW_CONN_SYNAPSE_DEFAULT": service["airflow_connection"],
        # `airflow standalone` starts its components by the name `airflow`
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def airflow(environment: dict[str, str], log: Path, *words: str, module: str = "airflow") -> None:
    """Run one command of Airflow to its end, its words in a log of its own.

    Args:
        environment: where Airflow finds its things.
        log: gets what it says.
        words: the command.
        module: whose command; Airflow's own command line if not said.

    Raises:
        ProcessError: The command failed; the message ends with the last lines of the log.
    """
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-m", module, *words],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        command = " ".join([module, *words[:3]])
        raise ProcessError(f"`{command}` failed; all of it is in {log}:\n{tail}")


def prepare_database(environment: dict[str, str], folder: Path) -> None:
    """Make Airflow's own database, once."""
    ready = folder / "airflow" / "migrated"
    if not ready.exists():
        with step("making Airflow's database (once)"):
            airflow(environment, folder / "migrate.log", "db", "migrate")
        ready.touch()


def show_results(service: dict[str, Any], folder: Path) -> list[str]:
    """Print what lies in the results folder, and where each piece came from."""
    seed = service["seed"]
    syn = Synapse(
        **{name: service[name] for name in service if name.endswith("Endpoint")},
        skip_checks=True,
        silent=True,
        configPath=str(folder / "no.synapseConfig"),
        cache_root_dir=str(folder / "cache"),
    )
    user = next(user for user in service["users"] if user["userName"] == "alice")
    syn.login(authToken=user["token"], silent=True)
    stored = list(syn.getChildren(seed["results"], includeTypes=["file"]))
    say("\nIn the folder of results:\n")
    for header in stored:
        say(f"  {header['id']}.{header['versionNumber']}  {header['name']}")
    say("\nWhere they came from (nobody typed any of this):\n")
    for header in stored:
        say(render_tree(syn, header["id"]) + "\n")
    frozen = list(_snapshots(syn, seed))
    say("Tables as they were frozen (every night, where a scheduler runs):\n")
    for snapshot in frozen:
        say(render_tree(syn, snapshot) + "\n")
    return [header["id"] for header in stored] + frozen


def _snapshots(syn: Synapse, seed: dict[str, Any]) -> Iterator[str]:
    """Give the snapshots of the seed's tables, as `syn123.4`."""
    for key in EXAMPLES["synapse_03_nightly_snapshots"]["tables"]:
        current = syn.get(seed[key])
        for number in range(1, current.versionNumber):
            yield f"{current.id}.{number}"


def run_demo(folder: Path) -> None:
    """Start a local Synapse, run the examples under Airflow, show what was stored and why.

    Args:
        folder: where everything lies that the demo makes; a second run finds it there again.

    Raises:
        ProcessError: A part did not run.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    say("A demo of synapse-workflows: no account, no network.\n")
    with running_service(folder / "synapse", seed="demo") as service:
        say(f"  the local Synapse answers at {service['repoEndpoint']}")
        environment = airflow_environment(folder, service)
        prepare_database(environment, folder)
        with step(f"running {', '.join(EXAMPLES)} under Airflow"):
            words = _runs(service["seed"])
            airflow(
                environment,
                folder / "dags.log",
                *words,
                module="synapse_workflows.demo.run_dags",
            )
        results = show_results(service, folder)
    if len(results) < RESULTS:
        raise ProcessError(f"only {len(results)} results were stored; see the logs in {folder}")
    say("To look further:\n")
    say("  make airflow      the same in Airflow's own pages, to click through")
    say("  make serve        leave the local Synapse running, for Python and the official client")
    say(f"  {examples_dir()}\n                    the DAGs that just ran")
    say(f"  {folder}\n                    what Airflow said while they ran")


def _runs(seed: dict[str, str]) -> Iterator[str]:
    """Give each example and the parameters of its run, as `run_dags` takes them."""
    for dag_id, parameters in EXAMPLES.items():
        yield dag_id
        yield json.dumps({name: _seeded(seed, key) for name, key in parameters.items()})


def _seeded(seed: dict[str, str], key: str | list[str]) -> str | list[str]:
    return seed[key] if isinstance(key, str) else [seed[each] for each in key]


def run_airflow(folder: Path) -> None:
    """Run `airflow standalone` beside a local Synapse until Ctrl-C or SIGTERM; leave none behind.

    Args:
        folder: where everything lies that the two make; a second run finds it there again.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running_service(folder / "synapse", seed="demo") as service:
        environment = airflow_environment(folder, service)
        say(f"The local Synapse answers at {service['repoEndpoint']}.")
        say("Airflow starts (half a minute the first time); then look at http://127.0.0.1:8080")
        say("and trigger synapse_01_summarise. Ctrl-C ends both.\n")
        with running(["airflow", "standalone"], environment) as standalone:
            try:
                code = standalone.wait()
            except KeyboardInterrupt:
                say("\nEnding Airflow and the local Synapse.")
                return
        raise ProcessError(f"Airflow ended by itself, with status {code}")
