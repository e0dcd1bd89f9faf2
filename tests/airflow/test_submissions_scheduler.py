"""Two DAGs claim from one queue under Airflow's scheduler, and share it."""

from string import Template

import pytest
from support.submission_queue import SubmissionQueue

DAG_FILE = """
from datetime import datetime
from airflow.sdk import DAG, task
from synapse_workflows import SynapseClaimSubmissionsOperator, SynapseHook
from synapse_workflows.challenge.claims import Claim, finish_claim

for name in ("left", "right"):
    with DAG(
        f"claims_{name}",
        schedule=None,
        start_date=datetime(2026, 1, 1),
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


@pytest.mark.timeout(300)
def test_dags_share_a_queue(tmp_path, alice, scheduler):
    queue = SubmissionQueue(alice, tmp_path)
    submissions = queue.submit(24)
    source = Template(DAG_FILE).substitute(queue=queue.id, max_claims=4)
    dag_ids = ("claims_left", "claims_right")
    with scheduler.run_dags(source, *dag_ids):
        for dag_id in dag_ids:
            scheduler.create_runs(dag_id, ("2026-01-01", "2026-01-02", "2026-01-03"))
        states = scheduler.wait_for_runs("claims%", 6, 200)
    claims = scheduler.results("claims%", "claim")
    assert states == {"success": 6}
    assert {dag_id for dag_id, _ in claims} == set(dag_ids)
    claimed = [one["submission_id"] for run in claims.values() for one in run]
    assert sorted(claimed, key=int) == submissions
    assert queue.with_status("SCORED") == set(submissions)
    for (dag_id, run_id), run in claims.items():
        for one in run:
            assert one["claimed_by"] == f"{dag_id}/{run_id}/claim"
            scored_by = queue.annotations(one["submission_id"])["scored_by"]
            assert scored_by == f"{dag_id}/{run_id}"
