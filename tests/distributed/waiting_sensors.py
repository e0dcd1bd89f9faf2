"""Runs with deferred sensors of each kind, whose worlds are changed later."""

from itertools import count
from pathlib import Path
from typing import Any

from distributed.cluster import Cluster
from support.kill_matrix import World

DAG_FILE = Path(__file__).with_name("dags") / "waiting.py"
#: Numbers of worlds, and of the runs that wait in each.
WORLDS, RUNS = 2, 2
_numbers = count(8000)


class WaitingSensors:
    """Started runs with sensors.

    Args:
        cluster: the cluster.
        client: a client of its Synapse.
        folder: folder for files.
    """

    def __init__(self, cluster: Cluster, client: Any, folder: Path) -> None:
        cluster.add_file("waiting.py", DAG_FILE.read_text())
        self.worlds = []
        for number in [next(_numbers) for _ in range(WORLDS)]:
            (folder / str(number)).mkdir()
            self.worlds.append(World(cluster.synapse, client, folder / str(number), number))
        self.confs = [
            {"project": world.container("inbox"), "table": world.table([["a", 1]])}
            | {"queue": world.queue.id}
            for world in self.worlds
        ]
        cluster.wait_for_dags("waiting")
        confs = [conf for conf in self.confs for _ in range(RUNS)]
        self.runs = [("waiting", cluster.run("waiting", conf)) for conf in confs]
