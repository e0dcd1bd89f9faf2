"""Tasks on two machines exchange files and rows; Synapse then contains what `dag.test` stores."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from distributed.comparison import find_differences, normalize_activities, sort_versions
from distributed.dag_tests import DagTest, DagTests
from support.kill_matrix import World

from synapse_workflows import Column, Schema

DAGS = Path(__file__).with_name("dags")
NUMBERS = count(9000)
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
    Story("mapped", put_sources(6)),
    Story("large", put_large),
    Story("caches", put_sources(2)),
    Story("appends", append),
    Story("stores", lambda _: {}),
    Story("versions", put_sources(1), tuple(f"{number:02}" for number in range(6))),
]


class Exchange:
    """All runs on the cluster and with `dag.test`."""

    def __init__(self, cluster: Any, client: Any, folder: Path) -> None:
        self.cluster, self.client, self.folder = cluster, client, folder
        self.runs: dict[str, list[tuple[str, str]]] = {}

    def start(self) -> None:
        for number in range(32):
            self.cluster.add_file(f"exchange_data/{number:02}.txt", f"content {number}\n")
        self.cluster.add_file("exchange.py", (DAGS / "exchange.py").read_text())
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
                DagTest(story.dag_id, tested | {"number": number}) for number in story.numbers
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

    def _create_world(self) -> World:
        number = next(NUMBERS)
        folder = self.cluster.folder / "tmp" / f"world-{number}"  # a path of all machines
        folder.mkdir()
        world = World(self.cluster.synapse, self.client, folder, number)
        world.replace(world.salt.upper(), "{SALT}")
        return world


@pytest.fixture(scope="module")
def exchange(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exchange")
    with cluster.synapse.client(cache_root_dir=str(folder / "cache")) as client:
        exchange = Exchange(cluster, client, folder)
        exchange.start()
        yield exchange
        exchange.tests.stop()


def describe(story: Story, world: World) -> dict[str, Any]:
    entities = normalize_activities(world.contents().entities)
    for version in entities["rows"]["versions"] if story.name == "appends" else ():
        for name in ("name", "description"):  # those of the last of the parallel tasks
            del version["activity"][name]
    return sort_versions(entities)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_machines_store_what_one_machine_stores(exchange, story):
    runs = exchange.runs[story.name]
    exchange.cluster.wait_for_runs(runs, 600)
    exchange.tests.wait()
    found, expected = (describe(story, world) for world in story.worlds)
    assert find_differences(found, expected) == []
    CHECKS.get(story.name, lambda *_: None)(exchange.cluster, runs[0], found)


def check_file(cluster, run, found):
    assert found["copy.txt"]["versions"][0]["activity"]["used"] == ["upper.txt.1"]
    assert found["upper.txt"]["versions"][0]["activity"]["used"] == ["source 00.txt.1"]


def check_rows(cluster, run, found):
    for name in ("csv", "parquet"):
        rows = [[f"{cell} {{salt}}", str(n)] for cell, n in ROWS]
        (version,) = found[name]["versions"]
        assert [[cell, str(n)] for cell, n in version["rows"]] == rows
        assert version["activity"]["used"] == ["Table.1"]


def check_mapped(cluster, run, found):
    machines = {cluster.xcom(*run, "read", map_index=index)["machine"] for index in range(6)}
    assert machines == {"a", "b"}
    sources = [f"source {number:02}.txt.1" for number in range(6)]
    assert found["joined.txt"]["versions"][0]["activity"]["used"] == sources


def check_large(cluster, run, found):
    size, _ = cluster.xcom(*run, "count")
    assert size == LARGE
    edited = cluster.xcom(*run, "get_edited")
    assert not Path(edited["path"]).exists()
    path = cluster.locate("a", edited["path"])
    assert path.stat().st_size == LARGE
    assert path.read_bytes()[:6] == b"edited"


def check_caches(cluster, run, found):
    texts = {cluster.xcom(*run, f"read_wiped_{queue}") for queue in "ab"}
    assert len(texts) == 1
    assert texts.pop().startswith("text of source 00.txt")
    texts = {cluster.xcom(*run, f"read_spoilt_{queue}") for queue in "ab"}
    assert len(texts) == 1
    assert texts.pop().startswith("text of source 01.txt")


def check_appends(cluster, run, found):
    (version,) = found["rows"]["versions"]
    assert sorted(int(n) for _, n in version["rows"]) == list(range(12))
    assert version["activity"]["used"] == [f"source {number:02}.txt.1" for number in range(12)]


def check_stores(cluster, run, found):
    files = {f"a/b/c/{number:02}.txt" for number in range(32)}
    assert set(found) == {"project", "a", "a/b", "a/b/c", *files}


def check_versions(cluster, run, found):
    versions = found["one.txt"]["versions"]
    assert sorted(one["content"] for one in versions) == sorted(
        f"content {number}\n" for number in range(6)
    )
    assert {tuple(one["activity"]["used"]) for one in versions} == {("source 00.txt.1",)}


CHECKS = {
    "file": check_file,
    "rows": check_rows,
    "mapped": check_mapped,
    "large": check_large,
    "caches": check_caches,
    "appends": check_appends,
    "stores": check_stores,
    "versions": check_versions,
}
