"""Rounds and quotas: when an evaluation takes submissions, and how many."""

import pytest
from support.entity_api import REPO, Author
from support.evaluation_api import EVALUATION, Submitter, moment
from support.file_api import ok, open_house, refused

HOUR = 3600
CLOSED = "It is currently outside of the time range allowed for submissions."


@pytest.fixture(scope="module")
def house(tmp_path_factory, recording):
    with open_house(tmp_path_factory.mktemp("rounds"), recording) as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(house):
    return Submitter(Author(house, "alice"))


@pytest.fixture(scope="module")
def bob(house):
    return Submitter(Author(house, "bob"))


@pytest.fixture(scope="module")
def project(alice):
    return alice.author.new_project()


def test_a_quota_is_kept_as_it_was_given(house, alice, project):
    quota = {
        "firstRoundStart": moment(house, HOUR),
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
    refused(alice.try_evaluation(project["id"], quota=quota), 400)


def test_without_rounds_the_limit_holds_for_ever(house, alice, bob, project):
    queue = alice.evaluation(project["id"], quota={"submissionLimit": 2})["id"]
    first = alice.submit(queue, project)
    assert "evaluationRoundId" not in first
    house.clock.advance(1000 * HOUR)
    alice.submit(queue, project)
    refused(alice.try_submit(queue, project), 403, "limit of 2 submissions")
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
    refused(alice.try_submit(queue, project), 403, "limit of 1")
    alice.score(submission, status=status)
    assert alice.try_submit(queue, project).status_code == (403 if is_counted else 201)


def test_a_deleted_submission_does_not_count(alice, project):
    queue = alice.evaluation(project["id"], quota={"submissionLimit": 1})["id"]
    submission = alice.submit(queue, project)["id"]
    assert alice.author.delete(f"{EVALUATION}/submission/{submission}").status_code == 204
    alice.submit(queue, project)


def test_rounds_follow_each_other_and_end(house, alice, project):
    quota = {
        "firstRoundStart": moment(house, HOUR),
        "roundDurationMillis": HOUR * 1000,
        "numberOfRounds": 2,
        "submissionLimit": 1,
    }
    queue = alice.evaluation(project["id"], quota=quota)["id"]
    refused(alice.try_submit(queue, project), 403, CLOSED)
    house.clock.advance(HOUR)
    first = alice.submit(queue, project)
    house.clock.advance(HOUR - 1)
    refused(alice.try_submit(queue, project), 403, "limit of 1")
    house.clock.advance(1)
    second = alice.submit(queue, project)
    assert first["evaluationRoundId"] != second["evaluationRoundId"]
    house.clock.advance(HOUR)
    refused(alice.try_submit(queue, project), 403, CLOSED)
    assert alice.count(queue) == 2


def test_submissions_of_one_round_share_its_id(house, alice, project):
    quota = {"firstRoundStart": moment(house, -HOUR)}
    queue = alice.evaluation(project["id"], quota=quota)["id"]
    first = alice.submit(queue, project)
    house.clock.advance(500 * HOUR)
    assert alice.submit(queue, project)["evaluationRoundId"] == first["evaluationRoundId"]


def test_a_change_of_the_quota_makes_other_rounds(house, alice, project):
    quota = {"firstRoundStart": moment(house, -HOUR), "submissionLimit": 1}
    made = alice.evaluation(project["id"], quota=quota)
    first = alice.submit(made["id"], project)
    refused(alice.try_submit(made["id"], project), 403)
    house.clock.advance(1)
    ok(alice.save({**made, "quota": {**quota, "firstRoundStart": moment(house, 0)}}))
    second = alice.submit(made["id"], project)
    assert second["evaluationRoundId"] != first["evaluationRoundId"]


def test_an_evaluation_goes_with_its_rounds(house, alice, project):
    made = alice.evaluation(project["id"], quota={"firstRoundStart": moment(house, -HOUR)})
    submission = alice.submit(made["id"], project)["id"]
    assert alice.author.delete(f"{EVALUATION}/{made['id']}").status_code == 204
    refused(alice.author.get(f"{EVALUATION}/submission/{submission}"), 404)


def test_a_round_is_the_services_to_name(alice, project):
    queue = alice.evaluation(project["id"])["id"]
    refused(alice.try_submit(queue, project, evaluationRoundId="1"), 400, "evaluationRoundId")


def test_lists_may_leave_out_what_has_no_round_now(house, alice):
    project = alice.author.new_project()["id"]
    soon = {"firstRoundStart": moment(house, HOUR), "roundDurationMillis": HOUR * 1000}
    now = {"firstRoundStart": moment(house, -HOUR), "roundDurationMillis": 3 * HOUR * 1000,
           "numberOfRounds": 1}  # fmt: skip
    made = [alice.evaluation(project, quota=each)["id"] for each in (soon, now, None)]

    def active(query=""):
        path = f"{REPO}/entity/{project}/evaluation?activeOnly=true{query}"
        return [each["id"] for each in ok(alice.author.get(path))["results"]]

    assert active() == [made[1]]
    house.clock.advance(HOUR)
    assert active() == made[:2]
    assert active("&limit=1&offset=1") == [made[1]]
    house.clock.advance(HOUR)
    assert active() == [made[0]]
