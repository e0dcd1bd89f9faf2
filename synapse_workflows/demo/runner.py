"""The command `demo`: a local Synapse, Airflow and the example DAGs.

<folder>/synapse/       data of the local Synapse, its service.json and its log
<folder>/airflow/       AIRFLOW_HOME
<folder>/cache/         the worker's cache of downloads
<folder>/*.log          output of Airflow
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.synapse import Synapse
from synapse_workflows.demo.dag_selection import select_dags
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.demo.processes import ProcessError, run_process, run_service
from synapse_workflows.provenance.tree import render_tree


@dataclass(frozen=True)
class Example:
    """An example DAG.

    Args:
        dag_id: ID of the DAG.
        parameters: Parameter of its run -> key in the seed of service.json, or list of keys.
        results: Number of files and snapshots that it creates.
        seed: Name of the data set that it needs.
    """

    dag_id: str
    parameters: Mapping[str, str | list[str]]
    results: int
    seed: str = "demo"


#: Name of an example for the command line -> the example.
EXAMPLES: Final[dict[str, Example]] = {
    "summarise": Example(
        "synapse_01_summarise", {"entity_id": "data", "parent_id": "results"}, results=1
    ),
    "rank": Example(
        "synapse_02_rank_features",
        {"data_id": "data", "dictionary_id": "dictionary", "parent_id": "results"},
        results=1,
    ),
    "snapshots": Example(
        "synapse_03_nightly_snapshots", {"tables": ["measurements", "features"]}, results=2
    ),
    "sts": Example("synapse_06_sts_etl", {"folder_id": "sts_folder"}, results=3, seed="sts"),
}

#: Examples that need no S3 server.
DEFAULT_EXAMPLES: Final = ("summarise", "rank", "snapshots")


def echo(text: str = "") -> None:
    """Print a line without buffering."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print a description of the block, and then its duration or failure."""
    sys.stdout.write(f"  {text} ... ")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        echo("failed")
        raise
    echo(f"done ({time.monotonic() - began:.1f} s)")


def airflow_environment(
    folder: Path, service: dict[str, Any], dags: Path | None = None
) -> dict[str, str]:
    """Return the environment for Airflow with a DAG folder and a connection to the service.

    Args:
        folder: Directory for AIRFLOW_HOME and the worker's cache.
        service: The content of service.json.
        dags: Directory of the DAGs; the examples if None.
    """
    home = folder / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    return os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags or examples_dir()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__SYNAPSE__CACHE_DIR": str(folder / "cache"),
        "AIRFLOW_CONN_SYNAPSE_DEFAULT": service["airflow_connection"],
    }


def run_airflow_command(
    environment: dict[str, str], log: Path, *arguments: str, module: str = "airflow"
) -> None:
    """Run an Airflow command until it exits, with its output in a log file.

    Args:
        environment: Environment from `airflow_environment`.
        log: File for stdout and stderr.
        arguments: Arguments of the command.
        module: Module to run; Airflow's command line by default.

    Raises:
        ProcessError: The command failed; the message ends with the last lines of the log.
    """
    with (
        log.open("wb") as output,
        run_process([module, *arguments], environment, output) as process,
    ):
        status = process.wait()
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        command = " ".join([module, *arguments[:3]])
        raise ProcessError(f"`{command}` failed; the full log is {log}:\n{tail}")


def migrate_database(environment: dict[str, str], folder: Path) -> None:
    """Create Airflow's metadata database unless it exists."""
    migrated = folder / "airflow" / "migrated"
    if not migrated.exists():
        with step("creating Airflow's database (first run only)"):
            run_airflow_command(environment, folder / "migrate.log", "db", "migrate")
        migrated.touch()


def create_client(service: Mapping[str, Any], folder: Path) -> Synapse:
    """Return a client of alice.

    Args:
        service: The content of service.json.
        folder: Working directory, for the cache.
    """
    syn = Synapse(
        **{name: service[name] for name in service if name.endswith("Endpoint")},
        skip_checks=True,
        silent=True,
        configPath=str(folder / "no.synapseConfig"),
        cache_root_dir=str(folder / "cache"),
    )
    user = next(user for user in service["users"] if user["userName"] == "alice")
    syn.login(authToken=user["token"], silent=True)
    return syn


def show_results(service: dict[str, Any], folder: Path) -> list[str]:
    """Print the stored files and table snapshots with their provenance; return their IDs."""
    seed = service["seed"]
    syn = create_client(service, folder)
    stored = list(_list_files(syn, seed))
    echo("")
    if stored:
        echo("Files in the results folders:\n")
    for header in stored:
        echo(f"  {header['id']}.{header['versionNumber']}  {header['name']}")
    if stored:
        echo("\nTheir provenance (recorded automatically):\n")
    for header in stored:
        echo(render_tree(syn, header["id"]) + "\n")
    snapshots = list(_list_snapshots(syn, seed)) if "measurements" in seed else []
    if snapshots:
        echo("Table snapshots (created nightly where a scheduler runs):\n")
    for snapshot in snapshots:
        echo(render_tree(syn, snapshot) + "\n")
    return [header["id"] for header in stored] + snapshots


def _list_files(syn: Synapse, seed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the headers of the files in the results folders of the seeds."""
    folders = [seed.get("results")]
    if "sts_folder" in seed:
        folders.append(syn.findEntityId("results", seed["sts_folder"]))
    for folder in filter(None, folders):
        yield from syn.getChildren(folder, includeTypes=["file"])


def _list_snapshots(syn: Synapse, seed: dict[str, Any]) -> Iterator[str]:
    """Yield the snapshots of the seed's tables, as `syn123.4`."""
    for key in EXAMPLES["snapshots"].parameters["tables"]:
        current = syn.get(seed[key])
        for number in range(1, current.versionNumber):
            yield f"{current.id}.{number}"


def run_demo(folder: Path, names: Iterable[str] = DEFAULT_EXAMPLES) -> None:
    """Start a local Synapse, run examples under Airflow and show what they stored.

    Args:
        folder: Working directory of the demo; a second run continues with its content.
        names: Names of the examples, of `EXAMPLES`.

    Raises:
        ProcessError: A process failed, or results are missing.
    """
    examples = [EXAMPLES[name] for name in names]
    seeds = list(dict.fromkeys(("demo", *(one.seed for one in examples))))
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    echo("A demo of synapse-workflows: no account, no network.\n")
    s3 = "auto" if "sts" in seeds else "off"
    with run_service(folder / "synapse", seeds=seeds, s3=s3) as service:
        echo(f"  the local Synapse runs at {service['repoEndpoint']}")
        environment = airflow_environment(folder, service)
        environment |= select_dags(one.dag_id for one in examples)
        migrate_database(environment, folder)
        with step(f"running {', '.join(one.dag_id for one in examples)} under Airflow"):
            run_airflow_command(
                environment,
                folder / "dags.log",
                *_dag_runs(service["seed"], examples),
                module="synapse_workflows.demo.run_dags",
            )
        results = show_results(service, folder)
    expected = sum(one.results for one in examples)
    if len(results) < expected:
        raise ProcessError(
            f"Only {len(results)} of {expected} results were stored; see the logs in {folder}"
        )
    show_next_steps(folder)


def show_next_steps(folder: Path) -> None:
    """Print what to do after a demo."""
    echo("Next steps:\n")
    echo("  make airflow      the same in Airflow's web interface")
    echo("  make serve        keep a local Synapse running, for Python and the official client")
    echo(f"  {examples_dir()}\n                    the DAGs that were run")
    echo(f"  {folder}\n                    the logs of Airflow")


def _dag_runs(seed: dict[str, str], examples: Iterable[Example]) -> Iterator[str]:
    """Yield the arguments of `run_dags`: each DAG ID and the parameters of its run."""
    for example in examples:
        yield example.dag_id
        yield json.dumps({name: _look_up(seed, key) for name, key in example.parameters.items()})


def _look_up(seed: dict[str, str], key: str | list[str]) -> str | list[str]:
    return seed[key] if isinstance(key, str) else [seed[each] for each in key]
