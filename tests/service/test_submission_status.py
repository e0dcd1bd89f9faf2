"""How submissions stand: scores, both kinds of annotations, what is private, cancelling."""

import json
import math
import threading

import pytest
from support.evaluation_api import EVALUATION, SUBMISSION
from support.file_api import assert_error, ok

STATUSES = [
    "OPEN", "CLOSED", "SCORED", "INVALID", "VALIDATED", "EVALUATION_IN_PROGRESS", "RECEIVED",
    "REJECTED", "ACCEPTED",
]  # fmt: skip


@pytest.fixture(scope="module")
def queue(organiser, rival):
    """An evaluation that bob may submit to and look at."""
    made = organiser.evaluation()["id"]
    organiser.share(made, {rival.author.id: ["READ", "SUBMIT"]})
    return made


@pytest.fixture(scope="module")
def entry(rival):
    return rival.author.new_project()


@pytest.fixture
def submission(rival, queue, entry):
    """The id of a submission of bob's."""
    return rival.submit(queue, entry)["id"]


def legacy(private=(), public=()):
    """Legacy annotations of text."""
    flagged = [(key, True) for key in private] + [(key, False) for key in public]
    entries = [{"key": key, "value": key.upper(), "isPrivate": flag} for key, flag in flagged]
    return {"stringAnnos": entries}


def v2(**values):
    return {"annotations": {key: {"type": "STRING", "value": [v]} for key, v in values.items()}}


@pytest.mark.parametrize("word", STATUSES)
def test_any_status_may_follow(organiser, submission, word):
    before = organiser.status(submission)
    after = organiser.score(submission, status=word)
    assert after["status"] == word
    assert after["statusVersion"] == before["statusVersion"] + 1
    assert after["etag"] != before["etag"]
    assert after["submissionAnnotations"]["etag"] == after["etag"]
    assert organiser.status(submission) == after


@pytest.mark.parametrize("word", ["DONE", "scored", "", None, 7])
def test_there_are_no_other_statuses(organiser, submission, word):
    assert_error(organiser.try_score(submission, status=word), 400, "status")


@pytest.mark.parametrize("score", [0, 1, 0.25, "0.5"])
def test_a_score_lies_within_0_and_1(organiser, submission, score):
    assert organiser.score(submission, score=score)["score"] == float(score)


@pytest.mark.parametrize("score", [-0.01, 1.01, "high", True, [1]])
def test_other_scores_are_refused(organiser, submission, score):
    assert_error(organiser.try_score(submission, score=score), 400)
    assert "score" not in organiser.status(submission)


def test_what_the_service_sets_cannot_be_set(organiser, submission):
    before = organiser.status(submission)
    after = organiser.score(
        submission, id="1", entityId="syn1", versionNumber=7, statusVersion=40,
        modifiedOn="2001-01-01T00:00:00.000Z",
    )  # fmt: skip
    for key in ("id", "entityId", "versionNumber", "modifiedOn"):
        assert after[key] == before[key]
    assert after["statusVersion"] == 1


def test_it_needs_the_current_etag(organiser, submission):
    before = organiser.status(submission)
    organiser.score(submission, status="SCORED")
    told = f"Object: {submission} was updated since you last fetched it"
    assert_error(organiser.try_score(submission, etag=before["etag"], status="INVALID"), 412, told)
    assert_error(organiser.try_score(submission, etag=None, status="INVALID"), 412)
    assert organiser.status(submission)["status"] == "SCORED"


def test_of_many_who_claim_a_submission_at_once_one_has_it(organiser, submission):
    body = {**organiser.status(submission), "status": "EVALUATION_IN_PROGRESS"}
    answers = []

    def claim(name):
        path = f"{SUBMISSION}/{submission}/status"
        mine = {**body, "submissionAnnotations": v2(claimed_by=name)}
        answers.append((organiser.author.put(path, mine).status_code, name))

    threads = [threading.Thread(target=claim, args=(f"run {each}",)) for each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(status for status, _ in answers) == [200, *[412] * 5]
    (winner,) = [name for status, name in answers if status == 200]
    now = organiser.status(submission)
    assert now["submissionAnnotations"]["annotations"] == v2(claimed_by=winner)["annotations"]
    assert now["statusVersion"] == 1


def test_scoring_takes_two_rights(organiser, rival, queue, entry):
    submission = rival.submit(queue, entry)["id"]
    body = organiser.status(submission)
    path = f"{SUBMISSION}/{submission}/status"
    for rights, lacking in (
        (["READ", "SUBMIT"], "READ_PRIVATE_SUBMISSION"),
        (["READ", "SUBMIT", "UPDATE_SUBMISSION"], "READ_PRIVATE_SUBMISSION"),
        (["READ", "SUBMIT", "READ_PRIVATE_SUBMISSION"], "UPDATE_SUBMISSION"),
    ):
        organiser.share(queue, {rival.author.id: rights})
        assert_error(rival.author.put(path, body), 403, f"You lack {lacking} access")
    both = ["READ", "SUBMIT", "READ_PRIVATE_SUBMISSION", "UPDATE_SUBMISSION"]
    organiser.share(queue, {rival.author.id: both})
    assert ok(rival.author.put(path, {**body, "status": "SCORED"}))["status"] == "SCORED"
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    assert_error(organiser.author.put(f"{SUBMISSION}/9799999/status", body), 404)


def test_reading_it_takes_read(organiser, rival, entry):
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["SUBMIT"]})
    submission = rival.submit(queue, entry)["id"]
    assert_error(
        rival.author.get(f"{SUBMISSION}/{submission}/status"), 403, "You lack READ access"
    )
    assert_error(rival.author.get(f"{SUBMISSION}/9799999/status"), 404)


def test_both_kinds_of_annotations_are_kept_apart_and_replaced_whole(organiser, submission):
    first = organiser.score(
        submission, annotations=legacy(["a"]), submissionAnnotations=v2(b="x", c="y")
    )
    assert first["annotations"]["stringAnnos"][0]["key"] == "a"
    assert set(first["submissionAnnotations"]["annotations"]) == {"b", "c"}
    second = organiser.score(submission, submissionAnnotations=v2(d="z"))
    assert second["annotations"] == first["annotations"]
    assert second["submissionAnnotations"] == {
        "id": submission,
        "etag": second["etag"],
        **v2(d="z"),
    }
    third = organiser.score(submission, annotations=None, submissionAnnotations=None)
    assert "annotations" not in third
    assert third["submissionAnnotations"]["annotations"] == {}


def test_legacy_annotations_of_each_type(organiser, queue, submission):
    given = {
        "objectId": "1",
        "scopeId": "2",
        "stringAnnos": [{"key": "team", "value": "blue", "isPrivate": False}],
        "longAnnos": [{"key": "n", "value": 7}, {"key": "m", "value": "8", "isPrivate": False}],
        "doubleAnnos": [{"key": "auc", "value": 0.5, "isPrivate": True}],
    }
    organiser.score(submission, annotations=given)
    assert organiser.status(submission)["annotations"] == {
        "objectId": submission,
        "scopeId": queue,
        "stringAnnos": [{"key": "team", "value": "blue", "isPrivate": False}],
        "longAnnos": [
            {"key": "n", "value": 7, "isPrivate": True},
            {"key": "m", "value": 8, "isPrivate": False},
        ],
        "doubleAnnos": [{"key": "auc", "value": 0.5, "isPrivate": True}],
    }


def test_a_double_may_be_no_number(organiser, submission):
    """As Python writes it, which is no JSON."""
    annotations = {"doubleAnnos": [{"key": "auc", "value": math.nan}]}
    body = {**organiser.status(submission), "annotations": annotations}
    answer = organiser.author.session.put(
        f"{organiser.author.base_url}{SUBMISSION}/{submission}/status",
        data=json.dumps(body),
        headers={**organiser.author.headers, "Content-Type": "application/json"},
        timeout=30,
    )
    (kept,) = ok(answer)["annotations"]["doubleAnnos"]
    assert math.isnan(kept["value"])
    assert math.isnan(organiser.status(submission)["annotations"]["doubleAnnos"][0]["value"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"longAnnos": [{"key": "a", "value": "x"}]}, "value"),
        ({"longAnnos": [{"key": "a", "value": 2**63}]}, "value"),
        ({"doubleAnnos": [{"key": "a", "value": "x"}]}, "value"),
        ({"stringAnnos": [{"key": "a", "value": ["x"]}]}, "value"),
        ({"stringAnnos": [{"value": "x"}]}, "key"),
        ({"stringAnnos": [{"key": "a", "value": "x", "isPrivate": "no"}]}, "isPrivate"),
        ({"stringAnnos": {"a": "x"}}, "stringAnnos"),
        ({"stringAnnos": ["a"]}, "annotation"),
        ({"stringAnnos": [{"key": "a", "value": "1"}], "longAnnos": [{"key": "a", "value": 1}]},
         "Duplicate annotations found for key: a"),
    ],
)  # fmt: skip
def test_what_legacy_annotations_may_not_say(organiser, submission, given, words):
    assert_error(organiser.try_score(submission, annotations=given), 400, words)


@pytest.mark.parametrize(
    "given",
    [
        {"a b": {"type": "STRING", "value": ["x"]}},
        {"a": {"type": "LONG", "value": ["x"]}},
        {"a": {"type": "STRING", "value": []}},
        {"a": {"type": "STRING", "value": ["x" * 501]}},
    ],
)
def test_other_annotations_obey_the_rules_for_entities(organiser, submission, given):
    assert_error(
        organiser.try_score(submission, submissionAnnotations={"annotations": given}), 400
    )


def test_what_is_private_is_for_those_who_may_see_it(organiser, rival, queue, submission):
    organiser.score(
        submission,
        status="SCORED",
        annotations=legacy(["hidden"], ["shown"]),
        submissionAnnotations=v2(also="hidden"),
    )
    full = organiser.status(submission)
    seen = rival.status(submission)
    (entry,) = seen["annotations"]["stringAnnos"]
    assert entry["key"] == "shown"
    assert seen == {
        **{key: value for key, value in full.items() if key != "submissionAnnotations"},
        "annotations": {**full["annotations"], "stringAnnos": [entry]},
    }
    own = rival.list(queue, "submission/bundle", "?limit=100")
    (bundle,) = [each for each in own if each["submission"]["id"] == submission]
    assert bundle["submissionStatus"] == seen
    rights = ["READ", "SUBMIT", "READ_PRIVATE_SUBMISSION"]
    organiser.share(queue, {rival.author.id: rights})
    assert rival.status(submission) == full
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})


def test_the_submitter_may_ask_to_cancel_what_can_be_cancelled(organiser, rival, submission):
    path = f"{SUBMISSION}/{submission}/cancellation"
    assert_error(rival.author.put(path), 403, "cannot be cancelled")
    ready = organiser.score(submission, canCancel=True)
    assert_error(organiser.author.put(path), 403, "Only the submitter")
    assert rival.author.put(path).status_code == 204
    status = organiser.status(submission)
    assert status["cancelRequested"]
    assert status["canCancel"]
    assert status["etag"] != ready["etag"]
    assert_error(rival.author.put(f"{SUBMISSION}/9799999/cancellation"), 404)
    assert_error(organiser.try_score(submission, etag=ready["etag"]), 412)


def batch(submitter, queue, statuses, first=True, last=True, **more):
    body = {"statuses": statuses, "isFirstBatch": first, "isLastBatch": last, **more}
    return submitter.author.put(f"{EVALUATION}/{queue}/statusBatch", body)


@pytest.fixture
def several(organiser, rival, queue, entry):
    """The statuses of three submissions, scored but not written."""
    made = [rival.submit(queue, entry)["id"] for _ in range(3)]
    return [{**organiser.status(each), "status": "SCORED"} for each in made]


def test_one_batch_writes_several_statuses(organiser, queue, several):
    assert ok(batch(organiser, queue, several)) == {}
    for each in several:
        now = organiser.status(each["id"])
        assert now["status"] == "SCORED"
        assert now["statusVersion"] == 1


def test_batches_follow_each_other_by_tokens(organiser, queue, several):
    one, two, three = several
    first = ok(batch(organiser, queue, [one], last=False))["nextUploadToken"]
    assert_error(batch(organiser, queue, [two], first=False), 412, "restart")
    second = ok(batch(organiser, queue, [two], False, False, batchToken=first))
    assert_error(batch(organiser, queue, [three], first=False, batchToken=first), 412)
    token = second["nextUploadToken"]
    assert ok(batch(organiser, queue, [three], first=False, batchToken=token)) == {}
    assert_error(batch(organiser, queue, [three], first=False, batchToken=token), 412)
    assert {organiser.status(each["id"])["status"] for each in several} == {"SCORED"}


def test_a_new_first_batch_ends_the_upload_of_others(organiser, queue, several):
    one, two, _ = several
    token = ok(batch(organiser, queue, [one], last=False))["nextUploadToken"]
    other = ok(batch(organiser, queue, [two], last=False))["nextUploadToken"]
    assert other != token
    assert_error(batch(organiser, queue, several, first=False, batchToken=token), 412)


def test_a_batch_is_written_whole_or_not_at_all(organiser, queue, several):
    stale = [*several[:2], {**several[2], "etag": "x"}]
    assert_error(batch(organiser, queue, stale), 412, several[2]["id"])
    wrong = [*several[:2], {**several[2], "status": "DONE"}]
    assert_error(batch(organiser, queue, wrong), 400, "DONE")
    twice = [several[0], several[0]]
    assert_error(batch(organiser, queue, twice), 412)
    assert {organiser.status(each["id"])["status"] for each in several} == {"RECEIVED"}


def test_a_batch_is_of_one_evaluation(organiser, rival, queue, several):
    other = organiser.evaluation()["id"]
    assert_error(batch(organiser, other, several), 400, several[0]["id"])
    assert_error(batch(organiser, queue, [{**several[0], "id": "9799999"}]), 404)
    assert_error(batch(organiser, "9699999", several), 404)
    assert_error(batch(rival, queue, several), 403, "READ_PRIVATE_SUBMISSION")


@pytest.mark.parametrize(
    "body",
    [
        {"statuses": []},
        {"statuses": None},
        {"statuses": ["x"]},
        {"statuses": [{}] * 501},
        {"isFirstBatch": None},
        {"isLastBatch": "yes"},
    ],
)
def test_what_a_batch_must_hold(organiser, queue, several, body):
    body = {"statuses": several, "isFirstBatch": True, "isLastBatch": True, **body}
    assert_error(organiser.author.put(f"{EVALUATION}/{queue}/statusBatch", body), 400)
