"""Hand-written provenance is kept or replaced, which is logged."""

import pytest
from airflow.sdk import DAG, get_current_context, task
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    File,
    SynapseHook,
    SynapseTableStoreOperator,
)

BY_HAND = "https://example.org/by-hand"


class TryFailedError(RuntimeError):
    """Failure after the work of the task."""


@pytest.fixture
def append(api, table, write_csv):
    """Function that runs a task that appends a row to the table."""

    def run(dag_id, used, **options):
        with DAG(dag_id, schedule=None) as dag:
            SynapseTableStoreOperator(
                task_id="store", table_id=table, rows=write_csv(["a", 1]), used=used, **options
            )
        Run(api, dag).all()

    return run


@pytest.mark.parametrize(("mode", "is_kept"), [("merge", True), ("replace", False)])
def test_hand_written_activity_of_a_table(
    append, table, alice, put, sources_of, caplog, mode, is_kept
):
    activity = Activity("By hand", "Measured in Oslo", used=BY_HAND)
    by_hand = alice.setProvenance(table, activity)
    source = put()
    append("first", source, lineage_mode=mode)
    used, _ = sources_of(table)
    description = alice.getProvenance(table)["description"]
    assert source in used
    assert (BY_HAND in used) is is_kept
    assert ("Measured in Oslo" in description) is is_kept
    assert f"Activity {by_hand['id']}" in caplog.text
    assert alice.restGET(f"/activity/{by_hand['id']}")["name"] == "By hand"


def test_text_of_a_person_stays_after_further_tasks(append, table, alice, put, sources_of):
    alice.setProvenance(table, Activity("By hand", "Measured in Oslo", used=BY_HAND))
    for number in range(3):
        append(f"dag{number}", put(f"raw{number}.txt"))
    description = alice.getProvenance(table)["description"]
    assert description.count("Measured in Oslo") == 1
    assert len(sources_of(table)[0]) == 4


@pytest.mark.parametrize(("mode", "is_kept"), [("merge", True), ("replace", False)])
def test_changes_of_a_person_between_two_tries(
    api, project, put, alice, sources_of, tmp_path, caplog, mode, is_kept
):
    raw, path = put(), tmp_path / "out.txt"
    with DAG(f"changed_{mode}", schedule=None) as dag:

        @task(retries=1)
        def work():
            syn = SynapseHook(lineage_mode=mode).client
            syn.get(raw)
            path.write_text("out")
            syn.store(File(str(path), parent=project), forceVersion=False)
            if get_current_context()["ti"].try_number == 1:
                raise TryFailedError

        work()
    run = Run(api, dag)
    run.task("work", max_tries=1)
    entity = alice.findEntityId("out.txt", project)
    activity = alice.getProvenance(entity)
    activity.used(BY_HAND)
    activity["name"] = "Better name"
    activity["description"] += "\nMeasured in Oslo"
    alice.updateActivity(activity)
    assert run.task("work", max_tries=1).state == "success"
    after = alice.getProvenance(entity)
    assert after["id"] == activity["id"]
    assert (BY_HAND in sources_of(entity)[0]) is is_kept
    assert (after["name"] == "Better name") is is_kept
    assert ("Measured in Oslo" in after["description"]) is is_kept
    assert raw in sources_of(entity)[0]
    assert ("Keeping" if is_kept else "replacing") in caplog.text


def test_hand_written_activity_of_an_unchanged_file_stays(
    api, project, put, alice, tmp_path, caplog
):
    raw, path = put(), tmp_path / "raw.csv"
    path.write_text("a,b\n1,2\n")
    by_hand = alice.setProvenance(raw.split(".")[0], Activity("By hand", used=BY_HAND))
    with DAG("unchanged", schedule=None) as dag:

        @task
        def work():
            SynapseHook().client.store(File(str(path), parent=project), forceVersion=False)

        work()
    Run(api, dag).all()
    assert alice.getProvenance(raw.split(".")[0]) == by_hand
    assert "is left as it is" in caplog.text


@pytest.mark.parametrize("mode", ["merge", "replace", "declared"])
def test_sources_of_other_tasks_stay_in_each_mode(append, table, put, sources_of, mode):
    """Their rows are in the table, too."""
    sources = [put(f"raw{number}.txt") for number in range(2)]
    for number, source in enumerate(sources):
        append(f"dag{number}", source, lineage_mode=mode)
    assert sorted(sources_of(table)[0]) == sorted(sources)


@pytest.mark.parametrize("has_id", [True, False])
def test_declared_activity_replaces_the_activity_of_a_table(
    append, table, alice, put, sources_of, caplog, has_id
):
    alice.setProvenance(table, Activity("By hand", "Measured in Oslo", used=BY_HAND))
    if has_id:
        existing = alice.restPOST("/activity", '{"name": "Existing", "used": []}')
        append("declared", None, activity={"id": existing["id"]})
        assert alice.getProvenance(table)["name"] == "Existing"
    else:
        source = put()
        append("declared", source, lineage_mode="off")
        assert sources_of(table)[0] == [source]
    assert "Replacing the Activity" in caplog.text
    assert f"used {BY_HAND}" in caplog.text
