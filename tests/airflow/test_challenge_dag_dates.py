"""Start and end of a challenge: `start_date` and `end_date` of its file."""

from datetime import UTC, datetime, timedelta

import pytest
from support.execution_api import Run

from synapse_workflows import create_challenge_dag

FILE = """\
olfactory:
  evaluation_id: {challenge.id}
  goldstandard: {challenge.goldstandard}
  results: {challenge.project}
  scorer: score.py
  metrics: {{value: descending}}
  dag_config: {{{dates}}}
"""


@pytest.fixture
def start(api, challenge, tmp_path):
    """Function that starts a run of the DAG, without the tasks after the claim."""
    (tmp_path / "score.py").write_text("")

    def start_run(**days):
        now = datetime.now(UTC)
        dates = ", ".join(
            f"{key}: '{now + timedelta(days=value):%Y-%m-%d %H:%M}'" for key, value in days.items()
        )
        path = tmp_path / "challenges.yaml"
        path.write_text(FILE.format(challenge=challenge, dates=dates))
        run = Run(api, create_challenge_dag(path, "olfactory"))
        assert run.task("reap").state == "success"
        return run

    return start_run


@pytest.mark.parametrize("days", [{"end_date": -1}, {"start_date": 1}])
def test_no_submission_is_claimed_outside_the_dates(start, challenge, days):
    challenge.submit_text("id,value\n")
    run = start(**days)
    assert run.dag.get_task("claim").upstream_task_ids == {"check_dates"}
    assert run.task("check_dates").state == "skipped"
    assert len(challenge.with_status("RECEIVED")) == 1


def test_submissions_are_claimed_within_the_dates(start, challenge):
    challenge.submit_text("id,value\n")
    run = start(start_date=-1, end_date=1)
    assert run.task("check_dates").state == "success"
    assert run.task("claim").state == "success"
    assert not challenge.with_status("RECEIVED")


def test_a_challenge_without_dates_has_no_check(start):
    assert start().dag.get_task("claim").upstream_task_ids == {"reap"}
