"""Runs with deferred sensors of each kind; the triggerers are killed, and the worlds change."""

from itertools import count
from pathlib import Path
from typing import Any

from distributed.cluster import Cluster
from support.kill_matrix import World

DAG_FILE = Path(__file__).with_name("dags") / "waiting.py"
#: Numbers of worlds, and of the runs that wait in each.
WORLDS, RUNS = 2, 2
SENSORS = ("files", "change", "rows", "submissions")
TIMEOUT = 600
_numbers = count(8000)


class WaitingSensors:
    """Started runs with sensors.

    Args:
        cluster: the cluster.
        client: a client of its Synapse.
        folder: folder for files.

    Attributes:
        runs: DAG and run IDs.
        confs: parameters of the runs in each world.
        files: IDs of the files that `kill_triggerers` has put into each world.
    """

    def __init__(self, cluster: Cluster, client: Any, folder: Path) -> None:
        self.cluster, self.files = cluster, list[str]()
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

    def kill_triggerers(self) -> None:
        """Kill each of two triggerers, start one again, and wait until all runs have ended.

        After each kill, the sensors of one world have something to find.
        """
        cluster = self.cluster
        cluster.wait_until(self._are_shared, TIMEOUT, lambda: str(self._count_triggers()))
        numbers = self._count_triggers()
        first = numbers.index(max(numbers))
        for index, (world, conf) in enumerate(zip(self.worlds, self.confs, strict=True)):
            cluster.kill_triggerer(1 - first if index else first)
            world.queue.submit()
            world.append(conf["table"], [["b", 7]])
            self.files.append(world.put("new.txt", parent=conf["project"]))
            if index:
                cluster.start_triggerer()
            cluster.wait_for_runs(self.runs[index * RUNS : (index + 1) * RUNS], TIMEOUT)

    def _are_shared(self) -> bool:
        """Return whether two triggerers run and all sensors are deferred."""
        numbers = self._count_triggers()
        tasks = [one for run in self.runs for one in self.cluster.tasks(*run).values()]
        deferred = sum(task["state"] == "deferred" for task in tasks)
        return len(numbers) == 2 and deferred == len(SENSORS) * len(self.runs) <= sum(numbers)

    def _count_triggers(self) -> list[int]:
        """Return the number of deferred tasks of each running triggerer, the oldest first."""
        rows = self.cluster.query(
            "select count(task_instance.id) from job "
            "left join trigger on trigger.triggerer_id = job.id "
            "left join task_instance on task_instance.trigger_id = trigger.id "
            "where job_type = 'TriggererJob' and latest_heartbeat > now() - interval '3 seconds' "
            "group by job.id order by job.id"
        )
        return [number for (number,) in rows]
