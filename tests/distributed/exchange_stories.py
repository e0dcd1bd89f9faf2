"""Runs of the DAGs whose tasks exchange files and rows between two machines."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from distributed.cluster import Cluster
from distributed.comparison import normalize_activities, sort_versions
from distributed.dag_tests import DagTest, DagTests
from distributed.environment import Options
from support.kill_matrix import World

from synapse_workflows import Column, Schema

DAGS = Path(__file__).with_name("dags")
DAG_FILE = "exchange.py"
_numbers = count(9000)
MiB = 2**20
LARGE = 200 * MiB
ROWS = [["a", 1], ["b", 2], ["c", 3]]


def put_sources(number: int) -> Callable[[World], dict[str, Any]]:
    def prepare(world: World) -> dict[str, Any]:
        names = [f"source {n:02}.txt" for n in range(number)]
        return {"source_ids": [world.put(name, f"text of {name}") for name in names]}

    return prepare


def create_table(world: World, name: str) -> str:
    columns = [Column(name="name", columnType="STRING", maximumSize=50)]
    columns.append(Column(name="n", columnType="INTEGER"))
    return str(world.syn.store(Schema(name, columns, parent=world.project)).id)


def create_tables(world: World) -> dict[str, Any]:
    tables = [world.table(ROWS), *(create_table(world, name) for name in ("csv", "parquet"))]
    return {"table_ids": tables}


def append(world: World) -> dict[str, Any]:
    return put_sources(12)(world) | {"table_ids": [create_table(world, "rows")]}


def put_large(world: World) -> dict[str, Any]:
    source = world.put("large.bin", size=LARGE)
    path = world.folder / "files" / "large.bin"
    edited = hashlib.md5(b"edited" + path.read_bytes()[6:], usedforsecurity=False).hexdigest()
    world.replace(edited, "{edited}")
    return {"source_ids": [source], "dir": str(world.targets)}


@dataclass
class Story:
    """A DAG, and the number of its runs in parallel.

    Args:
        name: the DAG ID without the prefix.
        prepare: prepares a world and returns the parameters of the runs.
        numbers: the parameter `number` of each run.
    """

    name: str
    prepare: Callable[[World], dict[str, Any]]
    numbers: tuple[str, ...] = ("00",)
    worlds: list[World] = field(default_factory=list)

    @property
    def dag_id(self) -> str:
        return f"exchange_{self.name}"


STORIES = [
    Story("file", put_sources(1)),
    Story("rows", create_tables),
    Story("mapped", put_sources(Options().concurrency + 1)),  # too many tasks for one worker
    Story("large", put_large),
    Story("caches", put_sources(2)),
    Story("appends", append),
    Story("stores", lambda _: {}),
    Story("versions", put_sources(1), tuple(f"{number:02}" for number in range(6))),
]


class Exchange:
    """All runs on the cluster and with `dag.test`."""

    def __init__(self, cluster: Cluster, client: Any, folder: Path) -> None:
        self.cluster, self.client, self.folder = cluster, client, folder
        self.runs: dict[str, list[tuple[str, str]]] = {}

    def start(self) -> DagTests:
        """Start all runs; return the process of the runs with `dag.test`."""
        for number in range(32):
            self.cluster.add_file(f"exchange_data/{number:02}.txt", f"content {number}\n")
        self.cluster.add_file(DAG_FILE, (DAGS / DAG_FILE).read_text())
        connection = self.cluster.synapse.airflow_connection
        dags = self.cluster.folder / "dags"
        self.tests = DagTests(self.folder, dags, connection, self.cluster.process_environment)
        dag_tests, confs = [], {}
        for story in STORIES:
            for _ in range(2):
                story.worlds.append(self._create_world())
            confs[story.name], tested = [
                {"parent_id": world.project, **story.prepare(world)} for world in story.worlds
            ]
            dag_tests += [
                DagTest(story.dag_id, DAG_FILE, tested | {"number": number})
                for number in story.numbers
            ]
        self.cluster.wait_for_dags(*(story.dag_id for story in STORIES))
        for story in STORIES:
            self.runs[story.name] = [
                (
                    story.dag_id,
                    self.cluster.run(story.dag_id, confs[story.name] | {"number": number}),
                )
                for number in story.numbers
            ]
        self.tests.start(dag_tests)
        return self.tests

    def _create_world(self) -> World:
        number = next(_numbers)
        folder = self.cluster.folder / "tmp" / f"world-{number}"  # a path of all machines
        folder.mkdir()
        world = World(self.cluster.synapse, self.client, folder, number)
        world.replace(world.salt.upper(), "{SALT}")
        return world


def describe(story: Story, world: World) -> dict[str, Any]:
    """Describe what the runs of a story have left in Synapse."""
    entities = normalize_activities(world.contents().entities)
    for version in entities["rows"]["versions"] if story.name == "appends" else ():
        for name in ("name", "description"):  # those of the last of the parallel tasks
            del version["activity"][name]
    return sort_versions(entities)


@contextmanager
def run_stories(cluster: Cluster, client: Any, folder: Path) -> Iterator[Exchange]:
    """Start the runs of the stories; end those with `dag.test` after the block."""
    exchange = Exchange(cluster, client, folder)
    with exchange.start():
        yield exchange
