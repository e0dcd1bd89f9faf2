"""Rounds and quotas: when an evaluation takes submissions, and how many."""

import pytest
from support.entity_api import REPO, Author
from support.evaluation_api import EVALUATION, Submitter, timestamp
from support.file_api import assert_error, ok, start_service

HOUR = 3600
CLOSED = "It is currently outside of the time range allowed for submissions."


@pytest.fixture(scope="module")
def rest_service(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("rounds"), recording) as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(rest_service):
    return Submitter(Author(rest_service, "alice"))


@pytest.fixture(scope="module")
def bob(rest_service):
    return Submitter(Author(rest_service, "bob"))


@pytest.fixture(scope="module")
def project(alice):
    return alice.author.new_project()


def test_a_quota_is_kept_as_it_was_given(rest_service, alice, project):
    quota = {
        "firstRoundStart": timestamp(rest_service, HOUR),
        "roundDurationMillis": 1000,
        "numberOfRounds": 3,
        "submissionLimit": 2,
    }
    made = alice.evaluation(project["id"], quota=quota)
    assert made["quota"] == quota
    assert alice.get(made["id"])["quota"] == quota
    changed = ok(alice.save({**made, "quota": {"submissionLimit": "5"}}))
    assert changed["quota"] == {"submissionLimit": 5}
    assert "quota" not in ok(alice.save({**changed, "quota": None}))


def test_a_start_may_have_any_offset(alice, project):
    quota = {"firstRoundStart": "2026-03-04T07:06:07+02:00"}
    made = alice.evaluation(project["id"], quota=quota)
    assert made["quota"] == {"firstRoundStart": "2026-03-04T05:06:07.000Z"}


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
def test_a_quota_must_make_sense(alice, project, quota):
    assert_error(alice.try_evaluation(project["id"], quota=quota), 400)


def test_without_rounds_the_limit_holds_for_ever(rest_service, alice, bob, project):
    queue = alice.evaluation(project["id"], quota={"submissionLimit": 2})["id"]
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
def test_what_was_invalid_or_rejected_does_not_count(alice, project, status, is_counted):
    queue = alice.evaluation(project["id"], quota={"submissionLimit": 1})["id"]
    submission = alice.submit(queue, project)["id"]
    assert_error(alice.try_submit(queue, project), 403, "limit of 1")
    alice.score(submission, status=status)
    assert alice.try_submit(queue, project).status_code == (403 if is_counted else 201)


def test_a_deleted_submission_does_not_count(alice, project):
    queue = alice.evaluation(project["id"], quota={"submissionLimit": 1})["id"]
    submission = alice.submit(queue, project)["id"]
    assert alice.author.delete(f"{EVALUATION}/submission/{submission}").status_code == 204
    alice.submit(queue, project)


def test_rounds_follow_each_other_and_end(rest_service, alice, project):
    quota = {
        "firstRoundStart": timestamp(rest_service, HOUR),
        "roundDurationMillis": HOUR * 1000,
        "numberOfRounds": 2,
        "submissionLimit": 1,
    }
    queue = alice.evaluation(project["id"], quota=quota)["id"]
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
    queue = alice.evaluation(project["id"], quota=quota)["id"]
    first = alice.submit(queue, project)
    rest_service.clock.advance(500 * HOUR)
    assert alice.submit(queue, project)["evaluationRoundId"] == first["evaluationRoundId"]


def test_a_change_of_the_quota_makes_other_rounds(rest_service, alice, project):
    quota = {"firstRoundStart": timestamp(rest_service, -HOUR), "submissionLimit": 1}
    made = alice.evaluation(project["id"], quota=quota)
    first = alice.submit(made["id"], project)
    assert_error(alice.try_submit(made["id"], project), 403)
    rest_service.clock.advance(1)
    ok(alice.save({**made, "quota": {**quota, "firstRoundStart": timestamp(rest_service, 0)}}))
    second = alice.submit(made["id"], project)
    assert second["evaluationRoundId"] != first["evaluationRoundId"]


def test_an_evaluation_goes_with_its_rounds(rest_service, alice, project):
    made = alice.evaluation(
        project["id"], quota={"firstRoundStart": timestamp(rest_service, -HOUR)}
    )
    submission = alice.submit(made["id"], project)["id"]
    assert alice.author.delete(f"{EVALUATION}/{made['id']}").status_code == 204
    assert_error(alice.author.get(f"{EVALUATION}/submission/{submission}"), 404)


def test_a_round_is_the_services_to_name(alice, project):
    queue = alice.evaluation(project["id"])["id"]
    assert_error(alice.try_submit(queue, project, evaluationRoundId="1"), 400, "evaluationRoundId")


def test_lists_may_leave_out_what_has_no_round_now(rest_service, alice):
    project = alice.author.new_project()["id"]
    soon = {"firstRoundStart": timestamp(rest_service, HOUR), "roundDurationMillis": HOUR * 1000}
    now = {
        "firstRoundStart": timestamp(rest_service, -HOUR),
        "roundDurationMillis": 3 * HOUR * 1000,
        "numberOfRounds": 1,
    }
    made = [alice.evaluation(project, quota=each)["id"] for each in (soon, now, None)]

    def active(query=""):
        path = f"{REPO}/entity/{project}/evaluation?activeOnly=true{query}"
        return [each["id"] for each in ok(alice.author.get(path))["results"]]

    assert active() == [made[1]]
    rest_service.clock.advance(HOUR)
    assert active() == made[:2]
    assert active("&limit=1&offset=1") == [made[1]]
    rest_service.clock.advance(HOUR)
    assert active() == [made[0]]
