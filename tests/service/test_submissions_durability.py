"""Durability of submissions: restarts, crashes and concurrent requests."""

import itertools
import signal
import sqlite3
import threading
from contextlib import closing

import pytest
import requests
from support.concurrent_requests import run_at_once
from support.entity_api import Author
from support.evaluation_api import SUBMISSION, Submitter
from support.file_api import ok, start_service
from support.service_process import start_service_process

from synapse_workflows.constants import DOCKER_REPOSITORY
from synapse_workflows.local.storage.data_dir import DATABASE


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


def test_a_data_directory_without_the_tables_of_teams_and_images_gets_them(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        project = alice.author.new_project()
        repository = alice.author.make(
            DOCKER_REPOSITORY, project["id"], repositoryName="quay.io/ant/hill"
        )
        queue = alice.create_evaluation(project["id"], quota={"submissionLimit": 2})["id"]
        first = alice.submit(queue, project)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        for table in ("docker_commit", "team_contribution"):
            connection.execute(f"DROP TABLE {table}")
    with start_service(tmp_path, recording) as rest_service:
        alice = Submitter(Author(rest_service, "alice"))
        assert alice.list(queue) == [first]
        digest = f"sha256:{'a1' * 32}"
        path = f"/repo/v1/entity/{repository['id']}/dockerCommit"
        assert alice.author.post(path, {"digest": digest}).status_code == 204
        current = alice.author.entity(repository["id"])
        assert alice.submit(queue, current, dockerDigest=digest)["dockerDigest"] == digest
        assert alice.try_submit(queue, project).status_code == 403


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


@pytest.fixture(scope="module")
def alice(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("at-once"), recording) as rest_service:
        yield Submitter(Author(rest_service, "alice"))


@pytest.fixture(scope="module")
def project(alice):
    return alice.author.new_project()


def test_update_of_a_submission_that_is_deleted_at_once(alice, project):
    queue = alice.create_evaluation(project["id"])["id"]
    for _ in range(10):
        created = alice.submit(queue, project)["id"]
        path = f"{SUBMISSION}/{created}"
        body = {**alice.get_status(created), "status": "SCORED"}
        batch = {"statuses": [body], "isFirstBatch": True, "isLastBatch": True}
        updated, in_batch, deleted = run_at_once(
            lambda path=path, body=body: alice.author.put(f"{path}/status", body),
            lambda batch=batch: alice.author.put(
                f"/repo/v1/evaluation/{queue}/statusBatch", batch
            ),
            lambda path=path: alice.author.delete(path),
        )
        assert deleted.status_code == 204
        codes = {updated.status_code, in_batch.status_code}
        assert codes in ({200, 412}, {200, 404}, {404})
        assert alice.author.get(f"{path}/status").status_code == 404
        assert alice.author.put(f"{path}/status", body).status_code == 404
        assert alice.list(queue, "submission/bundle/all") == []


def test_cancellation_is_not_lost_by_an_update_at_once(alice, project):
    queue = alice.create_evaluation(project["id"])["id"]
    for _ in range(10):
        created = alice.submit(queue, project)["id"]
        path = f"{SUBMISSION}/{created}"
        body = {**alice.update_status(created, canCancel=True), "status": "SCORED"}
        cancelled, updated = run_at_once(
            lambda path=path: alice.author.put(f"{path}/cancellation"),
            lambda path=path, body=body: alice.author.put(f"{path}/status", body),
        )
        assert cancelled.status_code == 204
        status = alice.get_status(created)
        assert status["cancelRequested"]
        assert (updated.status_code, status["status"]) in {(200, "SCORED"), (412, "RECEIVED")}


def test_submission_to_an_evaluation_that_is_deleted_at_once(alice, project):
    for _ in range(5):
        queue = alice.create_evaluation(project["id"])["id"]
        submitted, deleted = run_at_once(
            lambda queue=queue: alice.try_submit(queue, project),
            lambda queue=queue: alice.author.delete(f"/repo/v1/evaluation/{queue}"),
        )
        assert deleted.status_code == 204
        assert submitted.status_code in {201, 404}
        if submitted.status_code == 201:
            created = submitted.json()["id"]
            assert alice.author.get(f"{SUBMISSION}/{created}").status_code == 404


def test_burst_of_submissions_is_claimed_once(alice, project):
    """Eight clients submit, then list and claim the same submissions; each update wins once."""
    queue = alice.create_evaluation(project["id"])["id"]
    clients = 8

    def submit():
        return [alice.submit(queue, project)["id"] for _ in range(10)]

    def claim():
        claimed = []
        while page := alice.list(queue, "submission/bundle/all", "?status=RECEIVED&limit=100"):
            for each in page:
                body = {**each["submissionStatus"], "status": "EVALUATION_IN_PROGRESS"}
                response = alice.author.put(f"{SUBMISSION}/{body['id']}/status", body)
                assert response.status_code in {200, 412}
                claimed += [body["id"]] if response.ok else []
        return claimed

    created = [each for page in run_at_once(*[submit] * clients) for each in page]
    assert len(set(created)) == 10 * clients
    claimed = [each for page in run_at_once(*[claim] * clients) for each in page]
    assert sorted(claimed) == sorted(created)
