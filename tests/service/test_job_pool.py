"""Tests of the fair distribution of jobs to users, and of cancelling them."""

import threading
import time

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.long_queries import LongQueries
from support.table_api import TableClient

from synapse_workflows.local.domain.job_pool import JobPool
from synapse_workflows.local.settings import Settings


@pytest.fixture
def pool():
    opened = JobPool(2)
    yield opened
    opened.close()


class Jobs:
    """Jobs that run until `release` is set. `started` holds their IDs in order."""

    def __init__(self, pool):
        self.pool = pool
        self.release = threading.Event()
        self.started = []

    def submit(self, job_id, user, key=None):
        def run(_progress):
            self.started.append(job_id)
            self.release.wait(60)

        self.pool.submit(job_id, user, run, key)

    def wait_for(self, count):
        deadline = time.monotonic() + 60
        while len(self.started) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)


@pytest.mark.parametrize("key", [None, "t{}"])
def test_jobs_of_one_user_do_not_delay_those_of_others(pool, key):
    jobs = Jobs(pool)
    for job_id in range(20):
        jobs.submit(job_id, 1, key and key.format(job_id))
    for user in (2, 3):
        jobs.submit(100 * user, user, key and key.format(100 * user))
    jobs.wait_for(4)
    assert sorted(jobs.started) == [0, 1, 200, 300]
    jobs.release.set()
    jobs.wait_for(22)
    assert len(jobs.started) == 22


def test_users_take_turns_when_all_threads_are_busy(pool):
    busy, jobs = Jobs(pool), Jobs(pool)
    for user in range(1, 5):
        for number in range(2):
            busy.submit(user * 10 + number, user)
    busy.wait_for(8)
    for user in (11, 12, 13):
        for number in range(3):
            jobs.submit(user * 10 + number, user)
    jobs.release.set()
    busy.release.set()
    jobs.wait_for(9)
    assert sorted(jobs.started) == [user * 10 + n for user in (11, 12, 13) for n in range(3)]


def test_jobs_with_one_key_run_one_after_another_and_in_turn(pool):
    jobs = Jobs(pool)
    jobs.release.set()
    first = Jobs(pool)
    first.submit(1, 1, "table")
    first.wait_for(1)
    for job_id in (2, 3, 4):
        jobs.submit(job_id, 1, "table")
    jobs.submit(9, 2, "table")
    jobs.wait_for(0)
    assert jobs.started == []
    first.release.set()
    jobs.wait_for(4)
    assert [each for each in jobs.started if each != 9] == [2, 3, 4]
    assert jobs.started.index(9) <= 1


def test_default_time_limit_of_queries(tmp_path):
    assert Settings(data_dir=tmp_path).query_seconds == 30


def test_long_queries_do_not_delay_another_user(tmp_path):
    with start_service(tmp_path, job_workers=2) as rest_service:
        long = LongQueries(rest_service, "alice")
        other = TableClient(Author(rest_service, "bob"))
        table = other.create_table(("a", "STRING"))["id"]
        tokens = [long.start() for _ in range(6)]
        begin = time.monotonic()
        other.append(table, ["x"])
        assert other.query(f"select a from {table}") == [["x"]]
        assert time.monotonic() - begin < 25
        assert long.get(tokens[0]).status_code == 202
        for token in tokens:
            assert long.author.get(f"{REPO}/asynchronous/job/{token}/cancel").ok


def test_cancelled_query_ends(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        long = LongQueries(rest_service, "alice")
        token = long.start()
        cancel = f"{REPO}/asynchronous/job/{token}/cancel"
        assert_error(Author(rest_service, "bob").get(cancel), 403)
        assert long.get(token).status_code == 202
        assert long.author.get(cancel).status_code == 200
        assert_error(long.wait(token), 400, "The job was cancelled")
        status = ok(long.author.get(f"{REPO}/asynchronous/job/{token}"))
        assert status["jobState"] == "FAILED"
        assert long.author.get(cancel).status_code == 200


def test_query_beyond_the_time_limit_names_the_way_out(tmp_path):
    with start_service(tmp_path, query_seconds=0.3) as rest_service:
        long = LongQueries(rest_service, "alice")
        assert_error(long.wait(long.start()), 400, "raise query_seconds")
