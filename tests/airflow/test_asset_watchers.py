"""Watchers of queues under Airflow's scheduler and triggerer, which is killed."""

import json
import re
import time
from collections import Counter
from itertools import pairwise
from string import Template

import pytest
from support.submission_queue import SubmissionQueue

from synapse_workflows import SynapseSubmissionTrigger, synapse_submissions_asset

DAG_FILE = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from synapse_workflows import SynapseClaimSubmissionsOperator, synapse_submissions_asset

claimed = synapse_submissions_asset("$claimed", poll_interval=1, repeat_interval=5)
with DAG("watch_claim", schedule=claimed, max_active_runs=1) as claim:
    SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id="$claimed")

for name in ("left", "right"):
    watched = synapse_submissions_asset("$watched", name=name, poll_interval=1)
    for number in (1, 2):
        with DAG(f"watch_{name}_{number}", schedule=watched) as dag:
            EmptyOperator(task_id="nothing")
        globals()[dag.dag_id] = dag
"""
DAG_IDS = ("watch_claim", "watch_left_1", "watch_left_2", "watch_right_1", "watch_right_2")
QUEUED = "select 1 from asset_dag_run_queue where target_dag_id like 'watch%'"
TIMEOUT = 90


class Watch:
    """The events of the watched assets.

    Args:
        scheduler: the running scheduler.
    """

    def __init__(self, scheduler):
        self.scheduler = scheduler

    def events(self, asset):
        """Return the payloads of the events of an asset."""
        rows = self.scheduler.query(
            "select e.extra from asset_event e join asset a on a.id = e.asset_id "
            "where a.name = ? order by e.id",
            asset,
        )
        return [json.loads(extra)["payload"] for (extra,) in rows]

    def announced(self, asset):
        """Return how often each submission was announced."""
        return Counter(one for event in self.events(asset) for one in event["submission_ids"])

    def wait(self, condition):
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            log = (self.scheduler.folder / "triggerer.log").read_text(errors="replace")
            assert time.monotonic() < deadline, log[-5000:]
            time.sleep(0.1)

    def wait_for_announcements(self, ids):
        """Wait until both assets have events of all submissions."""
        for asset in ("left", "right"):
            self.wait(lambda asset=asset: set(ids) <= set(self.announced(asset)))


@pytest.fixture
def queues(alice, tmp_path):
    """Function that creates a queue."""

    def create(name):
        (tmp_path / name).mkdir()
        return SubmissionQueue(alice, tmp_path / name)

    return create


@pytest.fixture
def polls_of(caplog):
    """Function that returns the times of the polls of a queue, in seconds, from the log."""

    def list_polls(queue):
        polled = re.compile(rf"GET \S+/{queue}/submission/status/all \d+ (\S+) ms")
        lines = [(record.created, polled.match(record.getMessage())) for record in caplog.records]
        return [end - float(match[1]) / 1000 for end, match in lines if match]

    return list_polls


def check_polls(times):
    """Check that a queue is polled once per second by all watchers."""
    delays = [later - earlier for earlier, later in pairwise(times)]
    assert len(delays) >= 3
    assert min(delays) > 0.8


@pytest.mark.timeout(400)
def test_submissions_are_announced_although_the_triggerer_is_killed(queues, scheduler, polls_of):
    claimed, watched = queues("claimed"), queues("watched")
    source = Template(DAG_FILE).substitute(claimed=claimed.id, watched=watched.id)
    watch = Watch(scheduler)
    first = watched.submit(3)
    with scheduler.run_dags(source, *DAG_IDS):
        watch.wait_for_announcements(first)
        to_claim = claimed.submit(5)
        watch.wait(lambda: not claimed.with_status("RECEIVED"))
        check_polls(polls_of(watched.id))
        scheduler.kill_triggerer()
        (withdrawn,) = watched.submit(1)
        later = watched.submit(2)
        watched.update(withdrawn, status="INVALID")
        start = len(polls_of(watched.id))
        scheduler.start_triggerer()
        watch.wait(lambda: len(polls_of(watched.id)) > start)
        later += watched.submit(2)
        time.sleep(0.3)  # events may be on their way to the database
        scheduler.kill_triggerer()
        scheduler.start_triggerer()
        later += watched.submit(1)
        watch.wait_for_announcements(later)
        watch.wait(lambda: not scheduler.query(QUEUED))
        check_events(watch, watched, first, withdrawn)
        check_runs(scheduler)
    assert claimed.with_status("EVALUATION_IN_PROGRESS") == set(to_claim)


def check_events(watch, watched, first, withdrawn):
    """Check that no event is empty, repeated without reason, or names a withdrawn submission."""
    for asset in ("left", "right"):
        for event in watch.events(asset):
            assert event["submission_ids"]
            assert event["submissions"] >= len(event["submission_ids"])
            assert event["evaluation_id"] == watched.id
            assert event["status"] == "RECEIVED"
        announced = watch.announced(asset)
        assert [announced[one] for one in first] == [1] * len(first)
        assert withdrawn not in announced


def check_runs(scheduler):
    """Check that both DAGs of an asset ran, and that events triggered every run."""
    rows = scheduler.query(
        "select r.dag_id, r.run_type, count(e.event_id) from dag_run r "
        "left join dagrun_asset_event e on e.dag_run_id = r.id "
        "where r.dag_id like 'watch%' group by r.id"
    )
    assert {dag_id for dag_id, _, _ in rows} == set(DAG_IDS)
    assert all(kind == "asset_triggered" and events for _, kind, events in rows)


def test_asset_of_a_queue():
    asset = synapse_submissions_asset("syn9600001", poll_interval=30, group="challenge")
    assert asset.name == asset.uri == "syn://evaluation/9600001/RECEIVED"
    assert asset.group == "challenge"
    (watcher,) = asset.watchers
    path, arguments = watcher.trigger.serialize()
    assert path == "synapse_workflows.triggers.submissions.SynapseSubmissionTrigger"
    assert arguments == {
        "evaluation_id": "9600001",
        "status": "RECEIVED",
        "synapse_conn_id": "synapse_default",
        "poll_interval": 30,
        "repeat_interval": 900.0,
        "asset_name": asset.name,
    }
    assert SynapseSubmissionTrigger(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("evaluation_id", "queue"),
        ("status", "received"),
        ("poll_interval", 0),
        ("repeat_interval", -1),
        ("synapse_conn_id", None),
        ("synapse_conn_id", ""),
        ("name", ""),
        ("name", 5),
    ],
)
def test_invalid_argument_fails_when_the_dag_is_parsed(argument, value):
    with pytest.raises(ValueError, match=argument.removesuffix("_id")):
        synapse_submissions_asset(**({"evaluation_id": "1"} | {argument: value}))
