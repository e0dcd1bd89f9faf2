"""Deferred sensors over a killed triggerer: none is lost, and none reports an event twice."""

from itertools import count
from pathlib import Path

import pytest
from distributed.cluster import Cluster
from support.kill_matrix import World

DAG_FILE = Path(__file__).with_name("dags") / "waiting.py"
SENSORS = ("files", "change", "rows", "submissions")
RUNS = 3
NUMBERS = count(8000)


@pytest.fixture
def worlds(cluster, tmp_path):
    with cluster.synapse.client(cache_root_dir=str(tmp_path / "cache")) as client:
        found = []
        for number in [next(NUMBERS) for _ in range(2)]:
            folder = tmp_path / str(number)
            folder.mkdir()
            found.append(World(cluster.synapse, client, folder, number))
        yield found


def count_deferred(cluster: Cluster, runs) -> int:
    tasks = [one for run in runs for one in cluster.tasks(*run).values()]
    return sum(task["state"] == "deferred" for task in tasks)


@pytest.mark.timeout(600)
def test_sensors_resume_after_the_triggerer_was_killed(cluster, worlds):
    cluster.add_file("waiting.py", DAG_FILE.read_text())
    confs = [
        {"project": world.container("inbox"), "table": world.table([["a", 1]])}
        | {"queue": world.queue.id}
        for world in worlds
    ]
    cluster.wait_for_dags("waiting")
    runs = [("waiting", cluster.run("waiting", conf)) for conf in confs for _ in range(RUNS)]
    total = len(SENSORS) * len(runs)
    cluster.wait_until(lambda: count_deferred(cluster, runs) == total, 240)
    cluster.kill_triggerer()
    files = []
    for world, conf in zip(worlds, confs, strict=True):
        world.queue.submit()
        world.append(conf["table"], [["b", 7]])
        files.append(world.put("new.txt", parent=conf["project"]))
    cluster.start_triggerer()
    cluster.wait_for_runs(runs, 300)
    for index, run in enumerate(runs):
        results = cluster.list_xcoms(*run)
        found = [one["id"] for one in results["files", -1]["files"]]
        assert found == [files[index // RUNS]]
        assert results["rows", -1]["rows"] == 1
        assert results["submissions", -1]["submissions"] == 1
        assert results["change", -1]["id"] == confs[index // RUNS]["table"]
        assert {one["try_number"] for one in cluster.tasks(*run).values()} == {1}
