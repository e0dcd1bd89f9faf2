"""Lineage of a backfill: tasks of several days store one file, on two machines and deferred."""

from pathlib import Path

import pytest
from distributed.backfill import DAYS, list_runs

TIMEOUT = 600


@pytest.mark.timeout(1500)
def test_each_day_of_a_backfill_has_a_version_and_an_activity(cluster, client, backfill):
    cluster.wait_until(lambda: len(list_runs(cluster)) == len(DAYS), TIMEOUT)
    runs = list_runs(cluster)
    cluster.wait_for_runs([("backfilled", run_id) for run_id, _ in runs], TIMEOUT)
    entity = client.findEntityId("result.txt", backfill.project)
    days = {day: run_id for run_id, day in runs}
    assert sorted(days) == list(DAYS)
    found = {}
    for version in range(1, len(DAYS) + 1):
        stored = client.get(entity, version=version)
        text, day = Path(stored.path).read_text().split()
        assert text == "raw"
        activity = client.getProvenance(entity, version)
        (used,) = [item["reference"] for item in activity["used"] if "reference" in item]
        assert (used["targetId"], used["targetVersionNumber"]) == (backfill.raw, 1)
        assert days[day] in activity["description"]
        found[day] = activity["id"]
    assert len(set(found.values())) == len(DAYS)
    assert client.restGET(f"/entity/{entity}/version")["totalNumberOfResults"] == len(DAYS)
