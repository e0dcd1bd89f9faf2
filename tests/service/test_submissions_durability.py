"""What was answered is kept: over a restart, and when the service is killed."""

import itertools
import signal
import threading

import pytest
import requests
from support.entity_api import Author
from support.evaluation_api import SUBMISSION, Submitter
from support.file_api import ok, start_service
from support.service_process import start_service_process


def test_all_is_there_after_a_restart(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        project = alice.author.new_project()["id"]
        file = alice.author.new_file(project)
        made = alice.evaluation(project, quota={"submissionLimit": 3})
        alice.share(made["id"], {273949: ["READ"]})
        first = alice.submit(made["id"], file)
        alice.score(first["id"], status="SCORED", score=0.5)
        second = alice.submit(made["id"], file)
        body = {"statuses": [alice.status(second["id"])], "isFirstBatch": True,
                "isLastBatch": False}  # fmt: skip
        path = f"/repo/v1/evaluation/{made['id']}"
        token = ok(alice.author.put(f"{path}/statusBatch", body))["nextUploadToken"]
        bundles = alice.list(made["id"], "submission/bundle/all")
        acl = ok(alice.author.get(f"{path}/acl"))
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        assert alice.get(made["id"]) == made
        assert ok(alice.author.get(f"{path}/acl")) == acl
        assert alice.list(made["id"], "submission/bundle/all") == bundles
        body = {"statuses": [alice.status(second["id"])], "isFirstBatch": False,
                "isLastBatch": True, "batchToken": token}  # fmt: skip
        assert ok(alice.author.put(f"{path}/statusBatch", body)) == {}
        third = alice.submit(made["id"], file)
        assert int(third["id"]) == int(second["id"]) + 1
        assert alice.try_submit(made["id"], file).status_code == 403


def test_kill_9_takes_nothing_that_was_answered_and_leaves_no_half(tmp_path):
    """Submissions come one after another; the one under way is there with its status, or not."""
    answered: list[str] = []
    enough = threading.Event()

    def submit_on(alice, queue, file):
        for number in itertools.count():
            try:
                made = alice.submit(queue, file, name=str(number))
                answered.append(made["id"])
                alice.score(made["id"], status="SCORED", report=str(number))
            except requests.RequestException:
                return
            if number == 20:
                enough.set()

    with start_service_process(tmp_path) as (process, author):
        alice = Submitter(author)
        file = author.new_file(author.new_project()["id"])
        queue = alice.evaluation()["id"]
        thread = threading.Thread(target=submit_on, args=(alice, queue, file))
        thread.start()
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        thread.join(30)
        assert not thread.is_alive()
    with start_service_process(tmp_path) as (_, author):
        alice = Submitter(author)
        pages = itertools.count(step=100)
        found = itertools.takewhile(
            bool, (alice.list(queue, query=f"?limit=100&offset={each}") for each in pages)
        )
        kept = [each["id"] for page in found for each in page]
        assert kept[: len(answered)] == answered
        assert len(kept) - len(answered) in {0, 1}
        for number, each in enumerate(answered[:-1]):
            status = alice.status(each)
            assert (status["status"], status["report"]) == ("SCORED", str(number))
        following = str(int(kept[-1]) + 1)
        for path in (f"{SUBMISSION}/{following}", f"{SUBMISSION}/{following}/status"):
            assert author.get(path).status_code == 404
        assert alice.status(kept[-1])["status"] in {"RECEIVED", "SCORED"}


@pytest.mark.parametrize("limit", [1, 3])
def test_two_who_submit_at_once_keep_to_the_limit(tmp_path, recording, limit):
    """Checking and counting are one transaction."""
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        project = alice.author.new_project()
        queue = alice.evaluation(project["id"], quota={"submissionLimit": limit})["id"]
        answers: list[int] = []

        def submit():
            answers.append(alice.try_submit(queue, project).status_code)

        threads = [threading.Thread(target=submit) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(answers) == [201] * limit + [403] * (6 - limit)
        assert alice.count(queue) == limit
