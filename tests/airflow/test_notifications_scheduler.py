"""SynapseNotifier under a scheduler: callbacks of a task and of a DAG, and a missed deadline."""

from string import Template

import pytest
from support.waiting import wait_until

DAG_FILE = """
import time
from datetime import datetime, timedelta
from pathlib import Path
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
        while not Path("$missed").exists():
            time.sleep(0.1)
        raise ValueError("too late")

    fail()
"""


@pytest.mark.timeout(240)
def test_task_dag_and_deadline_are_reported(tmp_path, scheduler, socket_service):
    marker, missed = f"marker-{tmp_path.name}", tmp_path / "missed"

    def find_messages():
        return [each for each in socket_service.inbox("bob") if marker in each.body]

    source = Template(DAG_FILE).substitute(marker=marker, missed=missed)
    with scheduler.run_dags(source, "late"):
        wait_until(find_messages, 120)  # about the deadline
        missed.touch()
        assert scheduler.wait_for_runs("late", 1, 120) == {"failed": 1}
        ((run_id,),) = scheduler.query("select run_id from dag_run where dag_id = 'late'")
        wait_until(lambda: len(find_messages()) == 3)
    assert {each.subject: each.body for each in find_messages()} == {
        "Task late.fail failed": f"{marker} too late",
        "DAG late failed": f"{marker} task_failure {run_id}",
        "DAG late missed its deadline": f"{marker} {run_id}",
    }
