"""Deferred sensors over a killed triggerer: none is lost, and none reports an event twice."""

import pytest
from distributed.cluster import Cluster
from distributed.waiting_sensors import RUNS

SENSORS = ("files", "change", "rows", "submissions")
TIMEOUT = 600


def count_deferred(cluster: Cluster, runs) -> int:
    tasks = [one for run in runs for one in cluster.tasks(*run).values()]
    return sum(task["state"] == "deferred" for task in tasks)


def list_triggerers(cluster: Cluster) -> list[int]:
    """Return the number of deferred tasks of each running triggerer, the oldest first."""
    rows = cluster.query(
        "select count(task_instance.id) from job "
        "left join trigger on trigger.triggerer_id = job.id "
        "left join task_instance on task_instance.trigger_id = trigger.id "
        "where job_type = 'TriggererJob' and latest_heartbeat > now() - interval '3 seconds' "
        "group by job.id order by job.id"
    )
    return [number for (number,) in rows]


def count_late_heartbeats(cluster: Cluster, run) -> int:
    """Return the number of tries that Airflow ended because their process was too slow."""
    event = "heartbeat timeout"
    sql = "select count(*) from log where dag_id = %s and run_id = %s and event = %s"
    ((number,),) = cluster.query(sql, *run, event)
    return int(number)


@pytest.mark.timeout(1500)
def test_sensors_resume_after_triggerers_were_killed(cluster, sensors):
    """First one of two triggerers is killed, then the other one, and one is started again."""
    worlds, confs, runs = sensors.worlds, sensors.confs, sensors.runs
    total = len(SENSORS) * len(runs)
    numbers = []

    def are_shared():
        numbers[:] = list_triggerers(cluster)
        return len(numbers) == 2 and sum(numbers) == count_deferred(cluster, runs) == total

    cluster.wait_until(are_shared, TIMEOUT, lambda: str(numbers))
    first = numbers.index(max(numbers))
    files = []
    for index, (world, conf) in enumerate(zip(worlds, confs, strict=True)):
        cluster.kill_triggerer(1 - first if index else first)
        world.queue.submit()
        world.append(conf["table"], [["b", 7]])
        files.append(world.put("new.txt", parent=conf["project"]))
        if index:
            cluster.start_triggerer()
        cluster.wait_for_runs(runs[index * RUNS : (index + 1) * RUNS], TIMEOUT)
    for index, run in enumerate(runs):
        results = cluster.list_xcoms(*run)
        found = [one["id"] for one in results["files", -1]["files"]]
        assert found == [files[index // RUNS]]
        assert results["rows", -1]["rows"] == 1
        assert results["submissions", -1]["submissions"] == 1
        assert results["change", -1]["id"] == confs[index // RUNS]["table"]
        tries = [one["try_number"] for one in cluster.tasks(*run).values()]
        assert sum(tries) == len(tries) + count_late_heartbeats(cluster, run)
