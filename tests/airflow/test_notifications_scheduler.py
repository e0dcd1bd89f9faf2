"""SynapseNotifier under a scheduler: callbacks of a task and of a DAG, and a missed deadline."""

import time
from string import Template

import pytest

DAG_FILE = """
import time
from datetime import datetime, timedelta
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, task
from synapse_workflows import SynapseNotifier

with DAG(
    "late",
    schedule="@once",
    start_date=datetime(2026, 1, 1),
    on_failure_callback=SynapseNotifier(to="bob", body="$marker {{ reason }} {{ run_id }}"),
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=1),
        callback=AsyncCallback(
            SynapseNotifier, kwargs={"to": ["bob"], "body": "$marker {{ dag_run.dag_run_id }}"}
        ),
    ),
) as dag:

    @task(on_failure_callback=SynapseNotifier(to="bob", body="$marker {{ exception }}"))
    def fail():
        time.sleep(5)
        raise ValueError("too late")

    fail()
"""


@pytest.mark.timeout(240)
def test_task_dag_and_deadline_are_reported(tmp_path, scheduler, socket_service):
    marker = f"marker-{tmp_path.name}"
    with scheduler.run_dags(Template(DAG_FILE).substitute(marker=marker), "late"):
        assert scheduler.wait_for_runs("late", 1, 120) == {"failed": 1}
        ((run_id,),) = scheduler.query("select run_id from dag_run where dag_id = 'late'")
        deadline = time.monotonic() + 60
        while True:
            found = [each for each in socket_service.inbox("bob") if marker in each.body]
            if len(found) == 3:
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.5)
    assert {each.subject: each.body for each in found} == {
        "Task late.fail failed": f"{marker} too late",
        "DAG late failed": f"{marker} task_failure {run_id}",
        "DAG late missed its deadline": f"{marker} {run_id}",
    }
