"""Submission rounds and quotas of evaluations."""

import pytest
from support.entity_api import REPO, Author
from support.evaluation_api import EVALUATION, Submitter, timestamp
from support.file_api import assert_error, ok, start_service

HOUR = 3600
CLOSED = "It is currently outside of the time range allowed for submissions."


@pytest.fixture(scope="module")
def rest_service(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("rounds"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="module")
def alice(rest_service):
    return Submitter(Author(rest_service, "alice"))


@pytest.fixture(scope="module")
def bob(rest_service):
    return Submitter(Author(rest_service, "bob"))


@pytest.fixture(scope="module")
def project(alice):
    return alice.author.new_project()


def test_quota_is_stored(rest_service, alice, project):
    quota = {
        "firstRoundStart": timestamp(rest_service, HOUR),
        "roundDurationMillis": 1000,
        "numberOfRounds": 3,
        "submissionLimit": 2,
    }
    created = alice.create_evaluation(project["id"], quota=quota)
    assert created["quota"] == quota
    assert alice.get(created["id"])["quota"] == quota
    changed = ok(alice.save({**created, "quota": {"submissionLimit": "5"}}))
    assert changed["quota"] == {"submissionLimit": 5}
    assert "quota" not in ok(alice.save({**changed, "quota": None}))


def test_round_start_is_normalized_to_utc(alice, project):
    quota = {"firstRoundStart": "2026-03-04T07:06:07+02:00"}
    created = alice.create_evaluation(project["id"], quota=quota)
    assert created["quota"] == {"firstRoundStart": "2026-03-04T05:06:07.000Z"}


@pytest.mark.parametrize(
    "quota",
    [
        {"submissionLimit": 0},
        {"numberOfRounds": -1},
        {"roundDurationMillis": 0},
        {"roundDurationMillis": "long"},
        {"firstRoundStart": "tomorrow"},
        {"firstRoundStart": "0001-01-01T00:00:00+14:00"},
        {"firstRoundStart": "9999-12-31T23:59:59-14:00"},
        "ten",
    ],
)
def test_invalid_quota_returns_400(alice, project, quota):
    assert_error(alice.try_create_evaluation(project["id"], quota=quota), 400)


def test_limit_without_rounds_has_no_time_limit(rest_service, alice, bob, project):
    queue = alice.create_evaluation(project["id"], quota={"submissionLimit": 2})["id"]
    first = alice.submit(queue, project)
    assert "evaluationRoundId" not in first
    rest_service.clock.advance(1000 * HOUR)
    alice.submit(queue, project)
    assert_error(alice.try_submit(queue, project), 403, "limit of 2 submissions")
    alice.share(queue, {bob.author.id: ["READ", "SUBMIT"]})
    alice.author.share(project["id"], {bob.author.id: ["READ"]})
    bob.submit(queue, project)
    assert alice.count(queue) == 3


@pytest.mark.parametrize(
    ("status", "is_counted"),
    [("INVALID", False), ("REJECTED", False), ("SCORED", True), ("CLOSED", True)],
)
def test_invalid_and_rejected_submissions_do_not_count(alice, project, status, is_counted):
    queue = alice.create_evaluation(project["id"], quota={"submissionLimit": 1})["id"]
    submission = alice.submit(queue, project)["id"]
    assert_error(alice.try_submit(queue, project), 403, "limit of 1")
    alice.update_status(submission, status=status)
    assert alice.try_submit(queue, project).status_code == (403 if is_counted else 201)


def test_deleted_submissions_do_not_count(alice, project):
    queue = alice.create_evaluation(project["id"], quota={"submissionLimit": 1})["id"]
    submission = alice.submit(queue, project)["id"]
    assert alice.author.delete(f"{EVALUATION}/submission/{submission}").status_code == 204
    alice.submit(queue, project)


def test_limit_applies_to_each_round(rest_service, alice, project):
    quota = {
        "firstRoundStart": timestamp(rest_service, HOUR),
        "roundDurationMillis": HOUR * 1000,
        "numberOfRounds": 2,
        "submissionLimit": 1,
    }
    queue = alice.create_evaluation(project["id"], quota=quota)["id"]
    assert_error(alice.try_submit(queue, project), 403, CLOSED)
    rest_service.clock.advance(HOUR)
    first = alice.submit(queue, project)
    rest_service.clock.advance(HOUR - 1)
    assert_error(alice.try_submit(queue, project), 403, "limit of 1")
    rest_service.clock.advance(1)
    second = alice.submit(queue, project)
    assert first["evaluationRoundId"] != second["evaluationRoundId"]
    rest_service.clock.advance(HOUR)
    assert_error(alice.try_submit(queue, project), 403, CLOSED)
    assert alice.count(queue) == 2


def test_submissions_of_one_round_share_its_id(rest_service, alice, project):
    quota = {"firstRoundStart": timestamp(rest_service, -HOUR)}
    queue = alice.create_evaluation(project["id"], quota=quota)["id"]
    first = alice.submit(queue, project)
    rest_service.clock.advance(500 * HOUR)
    assert alice.submit(queue, project)["evaluationRoundId"] == first["evaluationRoundId"]


def test_changed_quota_starts_new_rounds(rest_service, alice, project):
    quota = {"firstRoundStart": timestamp(rest_service, -HOUR), "submissionLimit": 1}
    created = alice.create_evaluation(project["id"], quota=quota)
    first = alice.submit(created["id"], project)
    assert_error(alice.try_submit(created["id"], project), 403)
    rest_service.clock.advance(1)
    ok(alice.save({**created, "quota": {**quota, "firstRoundStart": timestamp(rest_service, 0)}}))
    second = alice.submit(created["id"], project)
    assert second["evaluationRoundId"] != first["evaluationRoundId"]


def test_evaluation_with_rounds_can_be_deleted(rest_service, alice, project):
    created = alice.create_evaluation(
        project["id"], quota={"firstRoundStart": timestamp(rest_service, -HOUR)}
    )
    submission = alice.submit(created["id"], project)["id"]
    assert alice.author.delete(f"{EVALUATION}/{created['id']}").status_code == 204
    assert_error(alice.author.get(f"{EVALUATION}/submission/{submission}"), 404)


def test_create_with_round_id_returns_400(alice, project):
    queue = alice.create_evaluation(project["id"])["id"]
    assert_error(alice.try_submit(queue, project, evaluationRoundId="1"), 400, "evaluationRoundId")


def test_active_only_lists_evaluations_in_a_round(rest_service, alice):
    project = alice.author.new_project()["id"]
    soon = {"firstRoundStart": timestamp(rest_service, HOUR), "roundDurationMillis": HOUR * 1000}
    now = {
        "firstRoundStart": timestamp(rest_service, -HOUR),
        "roundDurationMillis": 3 * HOUR * 1000,
        "numberOfRounds": 1,
    }
    created = [alice.create_evaluation(project, quota=each)["id"] for each in (soon, now, None)]

    def list_active(query=""):
        path = f"{REPO}/entity/{project}/evaluation?activeOnly=true{query}"
        return [each["id"] for each in ok(alice.author.get(path))["results"]]

    assert list_active() == [created[1]]
    rest_service.clock.advance(HOUR)
    assert list_active() == created[:2]
    assert list_active("&limit=1&offset=1") == [created[1]]
    rest_service.clock.advance(HOUR)
    assert list_active() == [created[0]]
