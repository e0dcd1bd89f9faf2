"""Submission statuses: updates, annotations, privacy, cancellation and batches."""

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
    """An evaluation that Bob can read and submit to."""
    created = organiser.create_evaluation()["id"]
    organiser.share(created, {rival.author.id: ["READ", "SUBMIT"]})
    return created


@pytest.fixture(scope="module")
def project(rival):
    return rival.author.new_project()


@pytest.fixture
def submission(rival, queue, project):
    """The ID of a submission of Bob."""
    return rival.submit(queue, project)["id"]


def build_legacy(private=(), public=()):
    """Return legacy string annotations."""
    flagged = [(key, True) for key in private] + [(key, False) for key in public]
    entries = [{"key": key, "value": key.upper(), "isPrivate": flag} for key, flag in flagged]
    return {"stringAnnos": entries}


def build_annotations(**values):
    return {"annotations": {key: {"type": "STRING", "value": [v]} for key, v in values.items()}}


@pytest.mark.parametrize("status", STATUSES)
def test_update_accepts_any_status(organiser, submission, status):
    before = organiser.get_status(submission)
    after = organiser.update_status(submission, status=status)
    assert after["status"] == status
    assert after["statusVersion"] == before["statusVersion"] + 1
    assert after["etag"] != before["etag"]
    assert after["submissionAnnotations"]["etag"] == after["etag"]
    assert organiser.get_status(submission) == after


@pytest.mark.parametrize("status", ["DONE", "scored", "", None, 7])
def test_invalid_status_returns_400(organiser, submission, status):
    assert_error(organiser.try_update_status(submission, status=status), 400, "status")


@pytest.mark.parametrize("score", [0, 1, 0.25, "0.5"])
def test_update_stores_a_score_between_0_and_1(organiser, submission, score):
    assert organiser.update_status(submission, score=score)["score"] == float(score)


@pytest.mark.parametrize("score", ["high", True, [1]])
def test_score_that_is_not_a_number_returns_400(organiser, submission, score):
    response = organiser.try_update_status(submission, score=score)
    assert_error(response, 400, "score must be a number.")


@pytest.mark.parametrize("score", [-0.01, 1.01, "high", True, [1]])
def test_invalid_score_returns_400(organiser, submission, score):
    assert_error(organiser.try_update_status(submission, score=score), 400)
    assert "score" not in organiser.get_status(submission)


def test_update_ignores_read_only_properties(organiser, submission):
    before = organiser.get_status(submission)
    after = organiser.update_status(
        submission, id="1", entityId="syn1", versionNumber=7, statusVersion=40,
        modifiedOn="2001-01-01T00:00:00.000Z",
    )  # fmt: skip
    for key in ("id", "entityId", "versionNumber", "modifiedOn"):
        assert after[key] == before[key]
    assert after["statusVersion"] == 1


def test_update_with_stale_etag_returns_412(organiser, submission):
    before = organiser.get_status(submission)
    organiser.update_status(submission, status="SCORED")
    message = f"Object: {submission} was updated since you last fetched it"
    assert_error(
        organiser.try_update_status(submission, etag=before["etag"], status="INVALID"),
        412,
        message,
    )
    assert_error(organiser.try_update_status(submission, etag=None, status="INVALID"), 412)
    assert organiser.get_status(submission)["status"] == "SCORED"


def test_one_of_several_concurrent_updates_succeeds(organiser, submission):
    body = {**organiser.get_status(submission), "status": "EVALUATION_IN_PROGRESS"}
    responses = []

    def claim(name):
        path = f"{SUBMISSION}/{submission}/status"
        mine = {**body, "submissionAnnotations": build_annotations(claimed_by=name)}
        responses.append((organiser.author.put(path, mine).status_code, name))

    threads = [threading.Thread(target=claim, args=(f"run {each}",)) for each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(status for status, _ in responses) == [200, *[412] * 5]
    (winner,) = [name for status, name in responses if status == 200]
    now = organiser.get_status(submission)
    assert (
        now["submissionAnnotations"]["annotations"]
        == build_annotations(claimed_by=winner)["annotations"]
    )
    assert now["statusVersion"] == 1


def test_update_requires_two_rights(organiser, rival, queue, project):
    submission = rival.submit(queue, project)["id"]
    body = organiser.get_status(submission)
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


def test_get_requires_read(organiser, rival, project):
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["SUBMIT"]})
    submission = rival.submit(queue, project)["id"]
    assert_error(
        rival.author.get(f"{SUBMISSION}/{submission}/status"), 403, "You lack READ access"
    )
    assert_error(rival.author.get(f"{SUBMISSION}/9799999/status"), 404)


def test_both_types_of_annotations_are_replaced_independently(organiser, submission):
    first = organiser.update_status(
        submission,
        annotations=build_legacy(["a"]),
        submissionAnnotations=build_annotations(b="x", c="y"),
    )
    assert first["annotations"]["stringAnnos"][0]["key"] == "a"
    assert set(first["submissionAnnotations"]["annotations"]) == {"b", "c"}
    second = organiser.update_status(submission, submissionAnnotations=build_annotations(d="z"))
    assert second["annotations"] == first["annotations"]
    assert second["submissionAnnotations"] == {
        "id": submission,
        "etag": second["etag"],
        **build_annotations(d="z"),
    }
    third = organiser.update_status(submission, annotations=None, submissionAnnotations=None)
    assert "annotations" not in third
    assert third["submissionAnnotations"]["annotations"] == {}


def test_legacy_annotations_of_each_type_are_stored(organiser, queue, submission):
    annotations = {
        "objectId": "1",
        "scopeId": "2",
        "stringAnnos": [{"key": "team", "value": "blue", "isPrivate": False}],
        "longAnnos": [{"key": "n", "value": 7}, {"key": "m", "value": "8", "isPrivate": False}],
        "doubleAnnos": [{"key": "auc", "value": 0.5, "isPrivate": True}],
    }
    organiser.update_status(submission, annotations=annotations)
    assert organiser.get_status(submission)["annotations"] == {
        "objectId": submission,
        "scopeId": queue,
        "stringAnnos": [{"key": "team", "value": "blue", "isPrivate": False}],
        "longAnnos": [
            {"key": "n", "value": 7, "isPrivate": True},
            {"key": "m", "value": 8, "isPrivate": False},
        ],
        "doubleAnnos": [{"key": "auc", "value": 0.5, "isPrivate": True}],
    }


def test_legacy_double_annotation_may_be_nan(organiser, submission):
    """Python's json module writes NaN, which is not valid JSON."""
    annotations = {"doubleAnnos": [{"key": "auc", "value": math.nan}]}
    body = {**organiser.get_status(submission), "annotations": annotations}
    response = organiser.author.session.put(
        f"{organiser.author.base_url}{SUBMISSION}/{submission}/status",
        data=json.dumps(body),
        headers={**organiser.author.headers, "Content-Type": "application/json"},
        timeout=30,
    )
    (annotation,) = ok(response)["annotations"]["doubleAnnos"]
    assert math.isnan(annotation["value"])
    assert math.isnan(organiser.get_status(submission)["annotations"]["doubleAnnos"][0]["value"])


@pytest.mark.parametrize(
    ("annotations", "reason"),
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
def test_invalid_legacy_annotations_return_400(organiser, submission, annotations, reason):
    assert_error(organiser.try_update_status(submission, annotations=annotations), 400, reason)


@pytest.mark.parametrize(
    "annotations",
    [
        {"a b": {"type": "STRING", "value": ["x"]}},
        {"a": {"type": "LONG", "value": ["x"]}},
        {"a": {"type": "STRING", "value": []}},
        {"a": {"type": "STRING", "value": ["x" * 501]}},
    ],
)
def test_invalid_annotations_return_400(organiser, submission, annotations):
    assert_error(
        organiser.try_update_status(
            submission, submissionAnnotations={"annotations": annotations}
        ),
        400,
    )


def test_private_annotations_require_read_private_submission(organiser, rival, queue, submission):
    organiser.update_status(
        submission,
        status="SCORED",
        annotations=build_legacy(["hidden"], ["shown"]),
        submissionAnnotations=build_annotations(other="hidden"),
    )
    complete = organiser.get_status(submission)
    public = rival.get_status(submission)
    (annotation,) = public["annotations"]["stringAnnos"]
    assert annotation["key"] == "shown"
    assert public == {
        **{key: value for key, value in complete.items() if key != "submissionAnnotations"},
        "annotations": {**complete["annotations"], "stringAnnos": [annotation]},
    }
    bundles = rival.list(queue, "submission/bundle", "?limit=100")
    (bundle,) = [each for each in bundles if each["submission"]["id"] == submission]
    assert bundle["submissionStatus"] == public
    rights = ["READ", "SUBMIT", "READ_PRIVATE_SUBMISSION"]
    organiser.share(queue, {rival.author.id: rights})
    assert rival.get_status(submission) == complete
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})


def test_submitter_requests_cancellation(organiser, rival, submission):
    path = f"{SUBMISSION}/{submission}/cancellation"
    assert_error(rival.author.put(path), 403, "cannot be cancelled")
    cancellable = organiser.update_status(submission, canCancel=True)
    assert_error(organiser.author.put(path), 403, "Only the submitter")
    assert rival.author.put(path).status_code == 204
    status = organiser.get_status(submission)
    assert status["cancelRequested"]
    assert status["canCancel"]
    assert status["etag"] != cancellable["etag"]
    assert_error(rival.author.put(f"{SUBMISSION}/9799999/cancellation"), 404)
    assert_error(organiser.try_update_status(submission, etag=cancellable["etag"]), 412)


def put_batch(submitter, queue, statuses, first=True, last=True, **more):
    body = {"statuses": statuses, "isFirstBatch": first, "isLastBatch": last, **more}
    return submitter.author.put(f"{EVALUATION}/{queue}/statusBatch", body)


@pytest.fixture
def scored_statuses(organiser, rival, queue, project):
    """Statuses of three submissions, changed to SCORED but not stored."""
    created = [rival.submit(queue, project)["id"] for _ in range(3)]
    return [{**organiser.get_status(each), "status": "SCORED"} for each in created]


def test_batch_updates_several_statuses(organiser, queue, scored_statuses):
    assert ok(put_batch(organiser, queue, scored_statuses)) == {}
    for each in scored_statuses:
        now = organiser.get_status(each["id"])
        assert now["status"] == "SCORED"
        assert now["statusVersion"] == 1


def test_next_batch_requires_the_token_of_the_previous_one(organiser, queue, scored_statuses):
    one, two, three = scored_statuses
    first = ok(put_batch(organiser, queue, [one], last=False))["nextUploadToken"]
    assert_error(put_batch(organiser, queue, [two], first=False), 412, "restart")
    second = ok(put_batch(organiser, queue, [two], False, False, batchToken=first))
    assert_error(put_batch(organiser, queue, [three], first=False, batchToken=first), 412)
    token = second["nextUploadToken"]
    assert ok(put_batch(organiser, queue, [three], first=False, batchToken=token)) == {}
    assert_error(put_batch(organiser, queue, [three], first=False, batchToken=token), 412)
    assert {organiser.get_status(each["id"])["status"] for each in scored_statuses} == {"SCORED"}


def test_new_first_batch_ends_the_upload_in_progress(organiser, queue, scored_statuses):
    one, two, _ = scored_statuses
    token = ok(put_batch(organiser, queue, [one], last=False))["nextUploadToken"]
    other = ok(put_batch(organiser, queue, [two], last=False))["nextUploadToken"]
    assert other != token
    assert_error(put_batch(organiser, queue, scored_statuses, first=False, batchToken=token), 412)


def test_invalid_status_rolls_back_the_batch(organiser, queue, scored_statuses):
    with_stale_etag = [*scored_statuses[:2], {**scored_statuses[2], "etag": "x"}]
    assert_error(put_batch(organiser, queue, with_stale_etag), 412, scored_statuses[2]["id"])
    with_invalid_status = [*scored_statuses[:2], {**scored_statuses[2], "status": "DONE"}]
    assert_error(put_batch(organiser, queue, with_invalid_status), 400, "DONE")
    duplicates = [scored_statuses[0], scored_statuses[0]]
    assert_error(put_batch(organiser, queue, duplicates), 412)
    assert {organiser.get_status(each["id"])["status"] for each in scored_statuses} == {"RECEIVED"}


def test_batch_requires_statuses_of_the_evaluation(organiser, rival, queue, scored_statuses):
    other = organiser.create_evaluation()["id"]
    assert_error(put_batch(organiser, other, scored_statuses), 400, scored_statuses[0]["id"])
    assert_error(put_batch(organiser, queue, [{**scored_statuses[0], "id": "9799999"}]), 404)
    assert_error(put_batch(organiser, "9699999", scored_statuses), 404)
    assert_error(put_batch(rival, queue, scored_statuses), 403, "READ_PRIVATE_SUBMISSION")


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
def test_invalid_batch_returns_400(organiser, queue, scored_statuses, body):
    body = {"statuses": scored_statuses, "isFirstBatch": True, "isLastBatch": True, **body}
    assert_error(organiser.author.put(f"{EVALUATION}/{queue}/statusBatch", body), 400)
