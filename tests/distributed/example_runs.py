"""Runs of the example DAGs on the cluster: their inputs, parameters and connections."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
from distributed.cluster import Cluster
from distributed.comparison import normalize_activities, sort_versions
from distributed.dag_tests import DagTest, DagTests
from support.challenge import Challenge
from support.examples import install_nextflow
from support.image_challenge import CONNECTION, ImageChallenge
from support.kill_matrix import World

from synapse_workflows import Dataset, File
from synapse_workflows.demo.paths import examples_dir

#: Example -> the test that runs it, if that is not the comparison with `dag.test`.
OTHERS = {4: "events", 5: "events", 8: "model", 13: "approval", 16: "events"}
#: Examples that `dag.test` cannot run: in Airflow 3.3 it reads no DAG with a deadline.
NO_DAG_TEST = ("synapse_17_alerts",)
#: Tasks of example 5 -> the worker that runs them.
QUEUES = {"claim": "a", "score": "b"}
#: The logical dates of the runs. The data interval of example 10 begins on the day before.
DAYS = ("2024-11-21", "2024-11-22", "2024-11-23", "2024-11-24")
#: Number of runs of each example, or of the events that start them.
ROUNDS = len(DAYS) - 1
_numbers = count(7000)

Prepare = Callable[["Inputs", World], dict[str, Any]]


@dataclass(frozen=True)
class Inputs:
    """What all runs share.

    Args:
        seed: IDs of the seed of the local Synapse, by name.
        shared: a folder that all machines share.
    """

    seed: dict[str, str]
    shared: Path


def read_seed(inputs: Inputs, world: World) -> dict[str, Any]:
    return {"entity_id": inputs.seed["data"], "parent_id": world.project}


def rank(inputs: Inputs, world: World) -> dict[str, Any]:
    seed = {"data_id": inputs.seed["data"], "dictionary_id": inputs.seed["dictionary"]}
    return seed | {"parent_id": world.project}


def snapshot(_: Inputs, world: World) -> dict[str, Any]:
    return {"tables": [world.table([["a", 1]])]}


def create_sts_folder(world: World, **objects: str) -> str:
    """Create a folder whose files are objects in a bucket; return its ID."""
    folder, place = world.container("objects"), {"bucket_name": "examples", "base_key": world.salt}
    world.syn.create_s3_storage_location(folder=folder, sts_enabled=True, **place)
    credentials = world.syn.get_sts_storage_token(folder, "read_write", output_format="boto")
    url = world.service.service_info["s3Url"]
    s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **credentials)
    for name, text in objects.items():
        s3.put_object(Bucket="examples", Key=f"{world.salt}/raw/{name}.csv", Body=text.encode())
    s3.close()
    return folder


def summarize(_: Inputs, world: World) -> dict[str, Any]:
    header = "diagnosis,mean_radius,mean_texture,mean_concavity\n"
    rows = {"one": "benign,1,2,3\nbenign,3,4,5\n", "two": "malignant,1,1,1\n"}
    objects = {name: header + text for name, text in rows.items()}
    return {"folder_id": create_sts_folder(world, **objects)}


def run_pipeline(inputs: Inputs, world: World) -> dict[str, Any]:
    sample = world.put("sample.fastq", "ACGT")
    sheet = world.put("samples.csv", f"sample,fastq\na,syn://{sample}.1")
    world.replace(sample, "{sample}")
    ids = {"folder_id": create_sts_folder(world), "sample_sheet": f"{sheet}.1"}
    return ids | {"work": str(inputs.shared / f"work-{world.salt}")}


def report(_: Inputs, world: World) -> dict[str, Any]:
    path = world.csv("data.csv", [["a", 1], ["b", 2], ["c", 2]])
    file = world.syn.store(File(path, parent=world.project))
    return {"file_id": file.id, "column": "n", "project_id": world.project}


def in_project(name: str) -> Prepare:
    return lambda _, world: {name: world.project}


def export(inputs: Inputs, world: World) -> dict[str, Any]:
    target = inputs.shared / f"exports {world.salt}"
    target.mkdir()
    return {"tables": {"one": world.table([["a", 1], ["b", 2]])}, "target": str(target)}


def alert(_: Inputs, world: World) -> dict[str, Any]:
    return {"table": world.table([["a", 1]]), "min_rows": 1}


def grant(_: Inputs, world: World) -> dict[str, Any]:
    """Submit as another user, and store a folder for the results."""
    world.syn.setPermissions(world.project, "bob", ["READ", "DOWNLOAD"])
    world.syn.setPermissions(world.syn.getEvaluation(world.queue.id), "bob", ["READ", "SUBMIT"])
    cache = str(world.folder / "cache of bob")
    with world.service.client("bob", cache_root_dir=cache) as bob:
        (submission,) = world.queue.submit(syn=bob)
    world.queue.update(submission, status="SCORED")
    world.replace(submission, "{submission}")
    world.container(submission)
    return {"queue": world.queue.id, "results_id": world.project}


def describe_dataset(_: Inputs, world: World) -> dict[str, Any]:
    items = [{"entityId": world.put("data.csv"), "versionNumber": 1}]
    dataset = Dataset("Measurements", parent=world.project, dataset_items=items)
    return {"dataset_id": world.syn.store(dataset).id, "parent_id": world.project}


#: DAG ID -> its preparation.
COMPARED: dict[str, Prepare] = {
    "synapse_01_summarise": read_seed,
    "synapse_02_rank_features": rank,
    "synapse_03_nightly_snapshots": snapshot,
    "synapse_06_sts_etl": summarize,
    "synapse_07_clean": read_seed,
    "synapse_09_run_report": report,
    "synapse_10_warehouse_metrics": in_project("parent_id"),
    "synapse_11_tables_to_parquet": export,
    "synapse_12_nextflow": run_pipeline,
    "synapse_14_catalogue": in_project("project_id"),
    "synapse_15_sync": in_project("folder_id"),
    "synapse_17_alerts": alert,
    "synapse_18_private_results": grant,
    "synapse_19_croissant": describe_dataset,
    "synapse_20_stage_between_workers": read_seed,
}


def _find_file(dag_id: str) -> str:
    """Return the name of the file of an example."""
    number = dag_id.split("_")[1]
    (path,) = examples_dir().glob(f"{number}_*.py")
    return path.name


def create_challenge(world: World) -> tuple[dict[str, str], str]:
    """Create a queue and its gold standard; return replacements of IDs in example 4.

    Returns:
        The replacements, and the path of a file to submit.
    """
    truth, predictions = (world.folder / "files" / name for name in ("truth.csv", "mine.csv"))
    truth.write_text("id,diagnosis\n1,malignant\n2,benign\n")
    predictions.write_text("id,probability\n1,0.9\n2,0.1\n")
    goldstandard = world.syn.store(File(str(truth), parent=world.project)).id
    world.syn.setPermissions(world.syn.getEvaluation(world.queue.id), "bob", ["READ", "SUBMIT"])
    ids = {
        "9600001": world.queue.id,
        "syn10000009": goldstandard,
        "syn10000010": world.container("results"),
    }
    return ids, str(predictions)


def install_examples(cluster: Cluster, replacements: Mapping[str, Mapping[str, str]]) -> None:
    """Copy the examples to the DAG folder of each machine, with other texts in their files.

    Args:
        cluster: the cluster.
        replacements: number of an example -> replacements in its files.
    """
    folder = examples_dir()
    for path in sorted(folder.rglob("*"), reverse=True):  # the DAG files last
        name = path.relative_to(folder)
        if not path.is_file() or "__pycache__" in name.parts:
            continue
        text = path.read_text()
        for old, new in replacements.get(name.name[:2], {}).items():
            text = text.replace(old, new)
        cluster.add_file(str(name), text)


def create_warehouse(path: Path) -> dict[str, Any]:
    """Create the database of example 10; return the connection."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table downloads (day text, project text, bytes integer)")
        days = ("2024-11-20", *DAYS)
        rows = [(day, name, size) for day in days for name, size in (("a", 5), ("a", 7), ("b", 1))]
        database.executemany("insert into downloads values (?, ?, ?)", rows)
    return {"conn_type": "sqlite", "host": str(path)}


@contextmanager
def serve_catalogue(folder: Path) -> Iterator[dict[str, Any]]:
    """Serve the catalogue of example 14; yield the connection."""
    entries = [
        {"id": f"entry-{number}", "title": f"Title {number}", "url": "https://example.org"}
        | {"keywords": ["one", "two"]}
        for number in range(2)
    ]
    (folder / "catalogue.json").write_text(json.dumps(entries))
    handler = partial(_QuietHandler, directory=str(folder))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {"conn_type": "http", "host": f"http://127.0.0.1:{server.server_port}"}
        server.shutdown()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Examples:
    """Runs of the examples: on the cluster in rounds, and with `dag.test`."""

    def __init__(self, cluster: Cluster, client: Any, folder: Path) -> None:
        self.cluster, self.client, self.folder = cluster, client, folder
        shared = cluster.folder / "shared"
        install_nextflow(shared / "bin")
        self.inputs = Inputs(cluster.synapse.service_info["seed"], shared)
        self.worlds: dict[tuple[str, str], World] = {}
        self.inbox = self.create_world()
        self.folders = {name: self.inbox.container(name) for name in ("inbox", "quarantine")}
        ids = {"syn10000002": self.folders["inbox"], "syn10000005": self.folders["quarantine"]}
        self.challenge = self.create_world()
        queue, self.predictions = create_challenge(self.challenge)
        self.images = self._create_image_challenge(shared / "challenge")
        replacements = {
            "04": queue | {"poll_interval: 10": "poll_interval: 1"},
            "05": self.images.replacements
            | {"asset(QUEUE)": "asset(QUEUE, poll_interval=1)"}
            | {f'"{name}",': f'"{name}", queue="{one}",' for name, one in QUEUES.items()},
            "16": ids | {'"*.csv"': '"*.csv", poll_interval=2'},
        }
        install_examples(cluster, replacements)

    def create_world(self) -> World:
        number = next(_numbers)
        folder = self.folder / str(number)
        folder.mkdir()
        return World(self.cluster.synapse, self.client, folder, number)

    def _create_image_challenge(self, folder: Path) -> ImageChallenge:
        world = self.create_world()
        queue = Challenge(self.client, world.project, world.folder / "challenge")
        return ImageChallenge(queue, folder)

    def start(self, connections: Mapping[str, Mapping[str, Any]]) -> DagTests:
        """Start all runs; return the process of the runs with `dag.test`.

        Args:
            connections: further connections by ID.
        """
        for name, connection in connections.items():
            self.cluster.request("POST", "/connections", {"connection_id": name, **connection})
        runs = [self._prepare(dag_id, day) for dag_id in COMPARED for day in DAYS]
        self.cluster.wait_for_dags(*COMPARED, "synapse_08_model", "synapse_13_release")
        self.runs = [
            (dag_id, self.cluster.run(dag_id, conf, logical_date=f"{day}T00:00:00Z"))
            for dag_id, day, conf in runs
            if day != DAYS[0]
        ]
        self.releases = self._start_releases()
        self.tests = DagTests(
            self.folder / "dag.test",
            self.cluster.folder / "dags",
            self.cluster.synapse.airflow_connection,
            self.cluster.process_environment
            | {
                f"AIRFLOW_CONN_{name.upper()}": json.dumps(one)
                for name, one in connections.items()
            },
        )
        self.tests.start(
            DagTest(dag_id, _find_file(dag_id), conf, logical_date=f"{day}T00:00:00Z")
            for dag_id, day, conf in runs
            if day == DAYS[0] and dag_id not in NO_DAG_TEST
        )
        return self.tests

    def _start_releases(self) -> list[tuple[str, str]]:
        """Start runs that release the same tables at the same time."""
        world = self.create_world()
        ids = {f"{name}_id": world.container(name) for name in ("staging", "public")}
        name = "synapse_13_release"
        return [
            (name, self.cluster.run(name, ids | {"release": f"r{number}"}))
            for number in range(ROUNDS)
        ]

    def _prepare(self, dag_id: str, day: str) -> tuple[str, str, dict[str, Any]]:
        """Create a world; return the parameters of the run with DAG ID and day."""
        world = self.worlds[dag_id, day] = self.create_world()
        before = date.fromisoformat(day) - timedelta(days=1)
        world.replace(before.isoformat(), "{day before}")
        world.replace(day, "{day}")
        world.replace(f"world-{world.salt}", "{world}")
        return dag_id, day, COMPARED[dag_id](self.inputs, world)

    def describe(self, dag_id: str, day: str) -> dict[str, Any]:
        """Describe what a run has left in Synapse."""
        world = self.worlds[dag_id, day]
        contents = world.contents()
        entities = sort_versions(normalize_activities(contents.entities))
        return entities | {"wiki": normalize_activities(contents.describe_wiki(world.project))}


@contextmanager
def run_examples(cluster: Cluster, client: Any, folder: Path) -> Iterator[Examples]:
    """Start the runs of the examples; end those with `dag.test` after the block."""
    with serve_catalogue(folder) as catalogue:
        examples = Examples(cluster, client, folder)
        warehouse = create_warehouse(cluster.folder / "shared" / "warehouse.db")
        connections = {
            "warehouse": warehouse,
            "catalogue": catalogue,
            "docker_synapse": CONNECTION,
        }
        with examples.start(connections):
            yield examples
