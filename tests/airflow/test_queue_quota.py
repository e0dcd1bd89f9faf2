"""`enforce_quota`: submissions that the current quota of their queue does not permit."""

from datetime import UTC, datetime, timedelta

import pytest
from support.challenge import Challenge


@pytest.fixture
def challenge(alice, project, tmp_path):
    return Challenge(alice, project, tmp_path / "files")


def set_quota(challenge, **quota):
    path = f"/evaluation/{challenge.id}"
    challenge.syn.restPUT(path, challenge.syn.restGET(path) | {"quota": quota})


def created_on(challenge, submission):
    found = challenge.syn.restGET(f"/evaluation/submission/{submission}")
    return datetime.fromisoformat(found["createdOn"])


def to_iso(time):
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def scorer():
    return {"value": 1}


@pytest.fixture
def enforce(score):
    """Function that scores a submission with `enforce_quota`; returns the result."""

    def run(submission, **options):
        _, one = score(submission, scorer=scorer, **({"enforce_quota": True} | options))
        return one.value("score")

    return run


def test_submissions_beyond_the_limit_are_rejected(challenge, enforce):
    first, second, third, fourth = (challenge.submit_text("a") for _ in range(4))
    set_quota(challenge, submissionLimit=2)
    challenge.update(first, status="INVALID")  # does not count
    assert [enforce(one)["status"] for one in (second, third)] == ["SCORED", "SCORED"]
    result = enforce(fourth)
    assert (result["status"], result["results_id"]) == ("REJECTED", None)
    assert result["errors"] == ["The limit is 2 submissions of a submitter in a round"]
    status, annotations = challenge.get_status(fourth)
    assert status["status"] == "REJECTED"
    assert annotations["validation_errors"] == ("STRING", result["errors"])
    assert "claim_expires_on" not in annotations
    assert challenge.list_files(fourth) == {}


def test_submissions_of_others_do_not_count(challenge, enforce, socket_service, tmp_path):
    theirs = challenge.submit_text("a")
    challenge.share(socket_service.owner_id("bob"), "READ", "SUBMIT")
    with socket_service.client("bob", cache_root_dir=str(tmp_path / "bob")) as bob:
        entity = bob.get(challenge.entity_of(theirs).split(".")[0], downloadFile=False)
        own = str(bob.submit(challenge.id, entity, name="entry", silent=True)["id"])
    set_quota(challenge, submissionLimit=1)
    assert enforce(own)["status"] == "SCORED"


def test_submissions_outside_of_the_rounds_are_rejected(challenge, enforce):
    early, late = challenge.submit_text("a"), challenge.submit_text("a")
    end = created_on(challenge, late)
    start = end - timedelta(hours=2)
    hour = 3600 * 1000
    set_quota(challenge, firstRoundStart=to_iso(start), roundDurationMillis=hour, numberOfRounds=2)
    assert enforce(early)["status"] == "SCORED"
    result = enforce(late)
    assert result["status"] == "REJECTED"
    assert f"to {end.isoformat(sep=' ', timespec='milliseconds')[:19]}" in result["errors"][0]
    tomorrow = to_iso(end + timedelta(days=1))
    set_quota(challenge, firstRoundStart=tomorrow)
    challenge.update(late, status="RECEIVED")
    result = enforce(late)
    assert "the queue accepts submissions from" in result["errors"][0]


def test_the_limit_counts_per_round(challenge, enforce):
    first, second = challenge.submit_text("a"), challenge.submit_text("a")
    begin = created_on(challenge, second)
    start = begin - timedelta(hours=1)
    set_quota(
        challenge,
        firstRoundStart=to_iso(start),
        roundDurationMillis=3600 * 1000,
        submissionLimit=1,
    )
    assert [enforce(one)["status"] for one in (first, second)] == ["SCORED", "SCORED"]


def test_quota_is_not_checked_by_default(challenge, enforce):
    first, second = challenge.submit_text("a"), challenge.submit_text("a")
    set_quota(challenge, submissionLimit=1)
    assert enforce(second, enforce_quota=False)["status"] == "SCORED"
    assert enforce(first)["status"] == "SCORED"
