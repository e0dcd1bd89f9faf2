"""Two DAGs claim from one queue under Airflow's scheduler, and share it."""

from string import Template

import pytest
from support.airflow_scheduler import Backfill, run_scheduler
from support.submission_queue import SubmissionQueue

DAG_FILE = """
from datetime import datetime
from airflow.sdk import DAG, task
from synapse_workflows import SynapseClaimSubmissionsOperator, SynapseHook
from synapse_workflows.challenge.claims import Claim, finish_claim

for name in ("left", "right"):
    with DAG(
        f"challenge_{name}",
        schedule="@daily",
        start_date=datetime(2026, 1, 1),
        end_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=8,
    ) as dag:
        claim = SynapseClaimSubmissionsOperator(
            task_id="claim", evaluation_id="$queue", max_claims=$max_claims
        )

        @task
        def score(claims):
            client = SynapseHook().client
            for one in claims:
                finish_claim(
                    client,
                    Claim.from_json(one),
                    status="SCORED",
                    annotations={"scored_by": "{dag_id}/{run_id}".format(**one_run())},
                )

        def one_run():
            from airflow.sdk import get_current_context

            ti = get_current_context()["ti"]
            return {"dag_id": ti.dag_id, "run_id": ti.run_id}

        score(claim.output)
    globals()[dag.dag_id] = dag
"""


def run_dags(folder, queue, connection, *, days, max_claims, timeout):
    """Run both DAGs for several days; return the states of the runs and the claims of each."""
    (folder / "dags").mkdir()
    source = Template(DAG_FILE).substitute(queue=queue.id, max_claims=max_claims)
    (folder / "dags" / "challenge.py").write_text(source)
    last = f"2026-01-{days:02}"
    backfills = [Backfill(f"challenge_{name}", "2026-01-01", last) for name in ("left", "right")]
    with run_scheduler(folder, folder / "dags", connection, 8, backfills) as scheduler:
        states = scheduler.wait_for_runs(2 * days, timeout)
        return states, scheduler.results("claim")


@pytest.mark.timeout(300)
def test_dags_share_a_queue(tmp_path, alice, connection):
    queue = SubmissionQueue(alice, tmp_path)
    submissions = queue.submit(24)
    states, claims = run_dags(tmp_path, queue, connection, days=3, max_claims=4, timeout=200)
    assert set(states) == {"success"}
    assert {dag_id for dag_id, _ in claims} == {"challenge_left", "challenge_right"}
    claimed = [one["submission_id"] for run in claims.values() for one in run]
    assert sorted(claimed, key=int) == submissions
    assert queue.with_status("SCORED") == set(submissions)
    for (dag_id, run_id), run in claims.items():
        for one in run:
            assert one["claimed_by"] == f"{dag_id}/{run_id}/claim"
            scored_by = queue.annotations(one["submission_id"])["scored_by"]
            assert scored_by == f"{dag_id}/{run_id}"
