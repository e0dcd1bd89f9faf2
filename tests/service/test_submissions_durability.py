"""Durability of submissions: restarts, crashes and concurrent requests."""

import itertools
import signal
import threading

import pytest
import requests
from support.entity_api import Author
from support.evaluation_api import SUBMISSION, Submitter
from support.file_api import ok, start_service
from support.service_process import start_service_process


def test_evaluation_data_survives_a_restart(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        project = alice.author.new_project()["id"]
        file = alice.author.new_file(project)
        created = alice.create_evaluation(project, quota={"submissionLimit": 3})
        alice.share(created["id"], {273949: ["READ"]})
        first = alice.submit(created["id"], file)
        alice.update_status(first["id"], status="SCORED", score=0.5)
        second = alice.submit(created["id"], file)
        body = {"statuses": [alice.get_status(second["id"])], "isFirstBatch": True,
                "isLastBatch": False}  # fmt: skip
        path = f"/repo/v1/evaluation/{created['id']}"
        token = ok(alice.author.put(f"{path}/statusBatch", body))["nextUploadToken"]
        bundles = alice.list(created["id"], "submission/bundle/all")
        acl = ok(alice.author.get(f"{path}/acl"))
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        assert alice.get(created["id"]) == created
        assert ok(alice.author.get(f"{path}/acl")) == acl
        assert alice.list(created["id"], "submission/bundle/all") == bundles
        body = {"statuses": [alice.get_status(second["id"])], "isFirstBatch": False,
                "isLastBatch": True, "batchToken": token}  # fmt: skip
        assert ok(alice.author.put(f"{path}/statusBatch", body)) == {}
        third = alice.submit(created["id"], file)
        assert int(third["id"]) == int(second["id"]) + 1
        assert alice.try_submit(created["id"], file).status_code == 403


def test_acknowledged_submissions_survive_sigkill(tmp_path):
    """A submission in progress is stored with its status, or not at all."""
    acknowledged: list[str] = []
    is_enough = threading.Event()

    def submit_until_killed(alice, queue, file):
        for number in itertools.count():
            try:
                created = alice.submit(queue, file, name=str(number))
                acknowledged.append(created["id"])
                alice.update_status(created["id"], status="SCORED", report=str(number))
            except requests.RequestException:
                return
            if number == 20:
                is_enough.set()

    with start_service_process(tmp_path) as (process, author):
        alice = Submitter(author)
        file = author.new_file(author.new_project()["id"])
        queue = alice.create_evaluation()["id"]
        thread = threading.Thread(target=submit_until_killed, args=(alice, queue, file))
        thread.start()
        assert is_enough.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        thread.join(30)
        assert not thread.is_alive()
    with start_service_process(tmp_path) as (_, author):
        alice = Submitter(author)
        offsets = itertools.count(step=100)
        pages = itertools.takewhile(
            bool, (alice.list(queue, query=f"?limit=100&offset={each}") for each in offsets)
        )
        stored = [each["id"] for page in pages for each in page]
        assert stored[: len(acknowledged)] == acknowledged
        assert len(stored) - len(acknowledged) in {0, 1}
        for number, each in enumerate(acknowledged[:-1]):
            status = alice.get_status(each)
            assert (status["status"], status["report"]) == ("SCORED", str(number))
        following = str(int(stored[-1]) + 1)
        for path in (f"{SUBMISSION}/{following}", f"{SUBMISSION}/{following}/status"):
            assert author.get(path).status_code == 404
        assert alice.get_status(stored[-1])["status"] in {"RECEIVED", "SCORED"}


@pytest.mark.parametrize("limit", [1, 3])
def test_concurrent_submissions_do_not_exceed_the_limit(tmp_path, recording, limit):
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        project = alice.author.new_project()
        queue = alice.create_evaluation(project["id"], quota={"submissionLimit": limit})["id"]
        responses: list[int] = []

        def submit():
            responses.append(alice.try_submit(queue, project).status_code)

        threads = [threading.Thread(target=submit) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(responses) == [201] * limit + [403] * (6 - limit)
        assert alice.count(queue) == limit
