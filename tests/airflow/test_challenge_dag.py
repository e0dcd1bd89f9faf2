"""DAGs of a challenge under Airflow's scheduler and triggerer: a burst, and killed workers.

CHALLENGE_BURST sets the number of submissions of the burst; the default keeps the test short.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from string import Template

import pytest
from support.challenge import Challenge

BURST = int(os.environ.get("CHALLENGE_BURST", "6"))
#: Seconds for each submission on a busy machine.
SECONDS = 12
#: Of this many submissions, the worker of one is killed while the scorer runs.
KILLED = 5
DAG_FILE = """
from pathlib import Path
from airflow.sdk import DAG
from synapse_workflows import create_challenge_dag

left = create_challenge_dag(Path(__file__).with_name("left.yaml"))
right = create_challenge_dag(Path(__file__).with_name("right.yaml"))
"""
CHALLENGE_FILE = """
dag_id: $dag_id
queue: $queue
goldstandard: $goldstandard
results: $project
scorer: score.py
metrics: {value: descending}
quotas: {max_claims: $max_claims}
notification: {participants: false, organizers: alice}
leaderboard: {name: board.csv, best_per: all}
poll_interval: 1
schedule: $schedule
max_active_tasks: 4
retry_delay: 0
"""
#: Writes what it has scored; kills the worker, the parent of its supervisor, at some first tries.
SCORER = """
import json, os, signal, sys
from pathlib import Path

submission = os.environ["SUBMISSION_ID"]
if "fail" in Path(sys.argv[2]).read_text():
    sys.exit("a scorer that fails")
marker = Path("$markers", submission)
if int(submission) % $killed == 0 and not marker.exists():
    marker.touch()
    supervisor = Path("/proc", str(os.getppid()), "stat").read_text()
    os.kill(int(supervisor.rpartition(")")[2].split()[1]), signal.SIGKILL)
Path(sys.argv[-1]).write_text(json.dumps({"value": int(submission)}))
"""


def write_dags(folder, challenge, markers):
    """Write the files of two DAGs that run one challenge, without the DAG file."""
    folder.mkdir()
    markers.mkdir()
    scorer = Template(SCORER).substitute(markers=markers, killed=KILLED)
    (folder / "score.py").write_text(scorer)
    for name, schedule in (("left", "null"), ("right", "'* * * * *'")):
        text = Template(CHALLENGE_FILE).substitute(
            dag_id=f"challenge_{name}",
            queue=challenge.id,
            goldstandard=challenge.goldstandard,
            project=challenge.project,
            max_claims=max(2, BURST // 4),
            schedule=schedule,
        )
        (folder / f"{name}.yaml").write_text(text)


def submit_burst(challenge, number):
    """Submit one entity several times; return the duration in seconds."""
    entity = challenge.syn.get(challenge.put("predictions.csv", "id,value\n"), downloadFile=False)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: challenge.submit_entity(entity), range(number)))
    return time.monotonic() - began


def wait_for_end(airflow, challenge, number):
    """Wait until all submissions are scored and all runs have ended; return the states."""
    deadline = time.monotonic() + 120 + SECONDS * number
    while True:
        states = airflow.count_states("challenge%")
        scored = len(challenge.with_status("SCORED"))
        if scored == number and not states["queued"] + states["running"]:
            return states
        assert time.monotonic() < deadline, (scored, states)
        time.sleep(1)


@pytest.mark.timeout(300 + SECONDS * BURST)
def test_two_dags_score_a_burst_once_each_although_workers_are_killed(
    tmp_path, alice, project, scheduler, socket_service
):
    """Also two submissions that a lost task has claimed; each run takes a part of the queue.

    A submission for which the scorer fails makes its run fail, and the organizers get a message.
    """
    challenge = Challenge(alice, project, tmp_path / "files")
    submit_burst(challenge, 2)
    for submission in challenge.with_status("RECEIVED"):
        challenge.update(submission, status="EVALUATION_IN_PROGRESS")
        challenge.annotate(
            submission,
            claim_id=("STRING", "lost"),
            claimed_by=("STRING", "lost/run/task"),
            claim_expires_on=("TIMESTAMP_MS", "1000000000000"),
        )
    bad = challenge.submit_text("fail")
    write_dags(scheduler.dags / "challenge", challenge, tmp_path / "markers")
    dag_ids = ("challenge_left", "challenge_right")
    with scheduler.run_dags(DAG_FILE, *dag_ids, folder="challenge"):
        duration = submit_burst(challenge, BURST)
        states = wait_for_end(scheduler, challenge, BURST + 2)
    claims = scheduler.results("challenge%", "claim")
    kinds = scheduler.query(
        "select distinct dag_id, run_type from dag_run where dag_id like 'challenge%'"
    )
    retries = scheduler.query(
        "select count(*) from task_instance where dag_id like 'challenge%' "
        "and task_id = 'evaluate.score' and try_number > 1 and state = 'success'"
    )
    assert states["failed"] == 1
    assert set(kinds) == {
        ("challenge_left", "asset_triggered"),
        ("challenge_right", "asset_triggered"),
        ("challenge_right", "scheduled"),
    }
    status, annotations = challenge.get_status(bad)
    assert status["status"] == "OPEN"
    assert "scorer" in annotations["scoring_error"][1][0]
    messages = [one for one in socket_service.inbox("alice") if "evaluate.score" in one.subject]
    assert len(messages) == 1
    assert duration < 0.05 * BURST + 5
    claimed = [one["submission_id"] for run in claims.values() for one in run]
    scored = challenge.with_status("SCORED")
    assert sorted(claimed) == sorted([*scored, bad]), "each submission is claimed by one run"
    assert {dag_id for dag_id, _ in claims} <= {"challenge_left", "challenge_right"}
    assert len(claims) >= 4, "a run takes at most max_claims submissions"
    for submission in scored:
        assert challenge.list_files(submission) == {"results.json": 1, "log.txt": 1}
        annotations = challenge.annotations(submission)
        assert annotations["value"] == submission
        assert annotations["results_version"] == "1"
    killed = list((tmp_path / "markers").iterdir())
    assert len(killed) == sum(int(one) % KILLED == 0 for one in scored)
    assert retries == [(len(killed),)]
    board = challenge.read(alice.findEntityId("board.csv", project))
    assert len(board.splitlines()) == 1 + BURST + 2
