"""Deferred sensors over a killed triggerer: none is lost, and none reports an event twice."""

import pytest
from distributed.cluster import Cluster
from distributed.waiting_sensors import RUNS


def count_late_heartbeats(cluster: Cluster, run) -> int:
    """Return the number of tries that Airflow ended because their process was too slow."""
    event = "heartbeat timeout"
    sql = "select count(*) from log where dag_id = %s and run_id = %s and event = %s"
    ((number,),) = cluster.query(sql, *run, event)
    return int(number)


@pytest.mark.timeout(1500)
def test_sensors_resume_after_triggerers_were_killed(cluster, sensors):
    """First one of two triggerers is killed, then the other one, and one is started again."""
    waiting = sensors.result()
    for index, run in enumerate(waiting.runs):
        results = cluster.list_xcoms(*run)
        found = [one["id"] for one in results["files", -1]["files"]]
        assert found == [waiting.files[index // RUNS]]
        assert results["rows", -1]["rows"] == 1
        assert results["submissions", -1]["submissions"] == 1
        assert results["change", -1]["id"] == waiting.confs[index // RUNS]["table"]
        tries = [one["try_number"] for one in cluster.tasks(*run).values()]
        assert sum(tries) == len(tries) + count_late_heartbeats(cluster, run)
