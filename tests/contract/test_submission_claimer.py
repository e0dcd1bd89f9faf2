"""Submissions of a queue are claimed once each, by tasks that claim at the same time."""

import multiprocessing
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from support.claiming_process import claim_in_process
from support.fault_injection import FaultInjector
from support.submission_queue import SubmissionQueue
from support.waiting import wait_until

from synapse_workflows import File
from synapse_workflows.challenge import submission_claimer
from synapse_workflows.challenge.claim_attempt import ClaimOptions
from synapse_workflows.challenge.claim_errors import ClaimExpiredError, ClaimLimitError
from synapse_workflows.challenge.claim_heartbeat import ClaimHeartbeat
from synapse_workflows.challenge.claim_limit import ClaimLimit
from synapse_workflows.challenge.claims import finish_claim, release_claim, renew_claim, take_claim
from synapse_workflows.challenge.submission_claimer import claim_submissions
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseServerError,
)
from synapse_workflows.idempotency.task_state import MemoryStore, TaskState
from synapse_workflows.testing import over_socket

A, B = "dag/run/claim", "other/run/claim"
STATUS_PUT = r"PUT /repo/v1/evaluation/submission/\d+/status"


def new_task():
    return TaskState(MemoryStore(), 0)


@pytest.fixture
def queue(syn, tmp_path):
    return SubmissionQueue(syn, tmp_path)


@pytest.fixture
def claim(syn, queue):
    """Function that claims submissions of the queue and returns their IDs."""
    stores = defaultdict(MemoryStore)

    def run(claimant=A, max_tries=0, client=None, **options):
        task = TaskState(stores[claimant], max_tries)
        claims = claim_submissions(
            client or syn, queue.id, claimant, ClaimOptions(**options), task
        )
        return [one.submission_id for one in claims]

    return run


@pytest.fixture
def faulty(tmp_path):
    """A service on a socket whose requests can fail, and a queue in it."""
    injector = FaultInjector(None)

    def wrap(app):
        injector.app = app
        return injector

    with over_socket(tmp_path, wrap=wrap) as service, service.client() as syn:
        folder = tmp_path / "files"
        folder.mkdir()
        yield injector, syn, SubmissionQueue(syn, folder)


def test_oldest_submissions_are_claimed_first(queue, claim):
    submissions = queue.submit(4)
    assert claim(max_claims=2) == submissions[:2]
    assert claim(B) == submissions[2:]
    assert claim("third/run/claim") == []
    assert queue.with_status("EVALUATION_IN_PROGRESS") == set(submissions)


def test_claim_keeps_the_annotations_of_others(queue, claim):
    legacy = {"longAnnos": [{"key": "n", "value": 1, "isPrivate": True}]}
    submission = queue.submit()[0]
    queue.update(submission, annotations=legacy)
    queue.annotate(submission, note=("DOUBLE", "NaN"))
    claim()
    assert queue.annotations(submission)["note"] == "NaN"
    assert queue.annotations(submission)["claimed_by"] == A
    assert queue.status(submission)["annotations"]["longAnnos"] == legacy["longAnnos"]


def test_retry_keeps_its_claims_within_the_limit_and_a_cleared_task_starts_anew(queue, claim):
    submissions = queue.submit(6)
    assert claim(max_claims=2) == submissions[:2]
    assert claim(max_claims=2) == submissions[:2]
    assert claim(max_claims=3) == submissions[:3]
    # a lower limit releases what is too much
    assert claim(max_claims=2) == submissions[:2]
    assert queue.with_status("RECEIVED") == set(submissions[2:])
    assert claim(max_tries=1, max_claims=2) == submissions[2:4]
    assert claim(max_tries=1, max_claims=2) == submissions[2:4]


def test_retry_keeps_neither_finished_nor_lost_claims(syn, queue, claim):
    submissions = queue.submit(4)
    task = new_task()
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(max_claims=3), task)
    taken = take_claim(syn, claims[0].to_json(), "dag/run/score[0]", 60)
    finish_claim(syn, taken, status="SCORED")
    take_claim(syn, claims[1].to_json(), "dag/run/score[1]", 60)
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(max_claims=3), task)
    assert [one.submission_id for one in claims] == submissions[2:]


def test_retry_renews_claims_that_have_expired(queue, claim):
    submissions = queue.submit(2)
    claim()
    queue.expire(*submissions)
    assert claim() == submissions
    assert claim(B) == []


def test_tasks_of_the_same_name_in_two_airflows_do_not_share_claims(syn, queue):
    submissions = queue.submit(4)
    for expected in (submissions[:2], submissions[2:]):
        claims = claim_submissions(syn, queue.id, A, ClaimOptions(max_claims=2), new_task())
        assert [one.submission_id for one in claims] == expected


def test_expired_claims_are_taken_over_once(queue, claim):
    submissions = queue.submit(3)
    claim()
    queue.expire(*submissions[:2])
    assert claim(B) == submissions[:2]
    assert claim("third/run/claim") == []
    assert claim() == submissions[2:]
    assert queue.annotations(submissions[0])["claimed_by"] == B


def test_submissions_whose_claims_end_without_a_result_are_marked(queue, claim):
    submissions = queue.submit(2)
    limit = ClaimLimit(2, "CLOSED")
    for number in range(2):
        assert claim(f"dag/run_{number}/claim", limit=limit) == submissions
        queue.expire(submissions[0])
        queue.update(submissions[1], status="RECEIVED")
    submissions += queue.submit()
    assert claim("dag/run_3/claim", limit=limit) == submissions[2:]
    assert queue.with_status("CLOSED") == set(submissions[:2])
    for submission in submissions[:2]:
        annotations = queue.annotations(submission)
        assert "2 claims have ended without a result" in annotations["claim_error"]
        assert annotations["claimed_by"] == "dag/run_3/claim"
        assert not {"claim_attempts", "claim_expires_on"} & annotations.keys()


def test_retry_of_a_task_makes_no_new_claim(queue, claim):
    submission = queue.submit()[0]
    for _ in range(4):
        assert claim(A, limit=ClaimLimit(1)) == [submission]
    assert queue.annotations(submission)["claim_attempts"] == "1"


def test_two_tasks_that_take_over_at_the_same_time_share(client_of, queue, claim):
    submissions = queue.submit(12)
    claim()
    queue.expire(*submissions)
    clients = [client_of() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(claim, f"dag/{n}/claim", 0, one) for n, one in enumerate(clients)]
        claimed = [one for run in runs for one in run.result()]
    assert sorted(claimed, key=int) == submissions


def test_submissions_in_progress_without_a_claim_are_left(queue, claim):
    submissions = queue.submit(2)
    queue.update(submissions[0], status="EVALUATION_IN_PROGRESS")
    assert claim() == submissions[1:]


def test_cancelled_submissions_get_the_status_for_them(syn, queue, claim):
    waiting, expired, kept = queue.submit(3)
    for submission in (waiting, expired):
        queue.update(submission, canCancel=True)
        syn.restPUT(f"/evaluation/submission/{submission}/cancellation")
    queue.update(expired, status="EVALUATION_IN_PROGRESS")
    queue.annotate(expired, claim_id=("STRING", "x"), claimed_by=("STRING", "y"))
    queue.expire(expired)
    assert claim(max_claims=1, cancelled_status="CLOSED") == [kept]
    for submission in (waiting, expired):
        status = queue.status(submission)
        assert status["status"] == "CLOSED"
        assert status["canCancel"] is False
        assert queue.annotations(submission)["claimed_by"] == A


def test_cancellation_between_the_list_and_the_claim_is_honoured(faulty):
    injector, syn, queue = faulty
    first, second = queue.submit(2)
    queue.update(first, canCancel=True)
    cancel = f"/evaluation/submission/{first}/cancellation"
    injector.at(STATUS_PUT, lambda: syn.restPUT(cancel))
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(), new_task())
    assert [one.submission_id for one in claims] == [second]
    assert queue.status(first)["status"] == "REJECTED"


def test_late_request_of_an_earlier_try_claims_nothing_more(faulty):
    """The retry has claimed the submission by then; the limit still leaves the last one."""
    injector, syn, queue = faulty
    submissions = queue.submit(4)
    task, options, retried = new_task(), ClaimOptions(max_claims=3), []

    def retry():
        injector.clear()
        retried.extend(claim_submissions(syn, queue.id, A, options, task))

    injector.at(STATUS_PUT, retry, nth=3)
    late = claim_submissions(syn, queue.id, A, options, task)
    assert [one.claim_id for one in late] == [one.claim_id for one in retried]
    assert [one.submission_id for one in late] == submissions[:3]
    assert queue.with_status("RECEIVED") == {submissions[3]}


@pytest.mark.parametrize("nth", [2, 3])
def test_frozen_try_claims_what_the_next_try_has_claimed(faulty, monkeypatch, nth):
    """The frozen try has read its claims; it reads the queue after the next try has ended."""
    monkeypatch.setattr(submission_claimer, "_FROZEN_SECONDS", 0)
    injector, syn, queue = faulty
    queue.submit(2)
    task, options, of_next_try = new_task(), ClaimOptions(max_claims=3), []

    def run_next_try():
        injector.clear()
        queue.submit(2)
        of_next_try.extend(claim_submissions(syn, queue.id, A, options, task))

    injector.at(r"GET /repo/v1/evaluation/\d+/submission/\w+/all", run_next_try, nth=nth)
    of_frozen_try = claim_submissions(syn, queue.id, A, options, task)
    assert [one.submission_id for one in of_frozen_try] == queue.submissions[:3]
    assert [one.claim_id for one in of_frozen_try] == [one.claim_id for one in of_next_try]
    assert queue.with_status("RECEIVED") == {queue.submissions[3]}


def test_lost_response_is_recognized_as_the_own_claim(faulty):
    injector, syn, queue = faulty
    submissions = queue.submit(3)
    injector.at(STATUS_PUT, lambda: None, nth=2, after=True, respond=False)
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(), new_task())
    assert [one.submission_id for one in claims] == submissions
    versions = [queue.status(one)["statusVersion"] for one in submissions]
    assert versions == [1, 1, 1]
    assert [queue.annotations(one)["claim_attempts"] for one in submissions] == ["1", "1", "1"]


def test_holder_keeps_its_claim_after_lost_responses(faulty):
    injector, syn, queue = faulty
    submission = queue.submit()[0]

    def lose_next_response():
        injector.clear()
        injector.at(STATUS_PUT, lambda: None, after=True, respond=False)

    lose_next_response()
    claim = take_claim(syn, submission, "dag/run/score", 60)
    lose_next_response()
    renewed = renew_claim(syn, claim, 600).claim
    assert renewed.expires_on > claim.expires_on
    lose_next_response()
    release_claim(syn, renewed)
    again = take_claim(syn, submission, "dag/run/score", 60)
    lose_next_response()
    status = finish_claim(syn, again, status="SCORED", annotations={"auc": 0.5})
    assert status["status"] == "SCORED"
    assert queue.annotations(submission)["auc"] == "0.5"


def test_claim_that_cannot_be_renewed_stops_the_work_when_its_lease_runs_out(faulty):
    injector, syn, queue = faulty
    claim = take_claim(syn, queue.submit()[0], "dag/run/score", 60)
    can_respond = threading.Event()

    def is_checked() -> bool:
        heartbeat.check()
        return False

    with ClaimHeartbeat(syn, claim, 4) as heartbeat:
        injector.at(r"GET /repo/v1/evaluation/submission/\d+/status", lambda: can_respond.wait(60))
        heartbeat.check()
        with pytest.raises(ClaimExpiredError, match="not renewed before its lease ran out"):
            wait_until(is_checked)
        can_respond.set()
    heartbeat.check_claim()
    assert finish_claim(syn, claim, status="SCORED")["status"] == "SCORED"


@pytest.mark.parametrize("is_listed", [True, False])
def test_lost_response_to_the_mark_of_a_submission_changes_nothing(faulty, is_listed):
    injector, syn, queue = faulty
    submission, limit = queue.submit()[0], ClaimLimit(1)
    release_claim(syn, take_claim(syn, submission, B, 60))
    injector.at(STATUS_PUT, lambda: None, after=True, respond=False)
    if is_listed:
        options = ClaimOptions(limit=limit)
        assert claim_submissions(syn, queue.id, A, options, new_task()) == []
    else:
        with pytest.raises(ClaimLimitError):
            take_claim(syn, submission, A, 60, limit=limit, retake_finished=True)
    status = queue.status(submission)
    assert (status["status"], status["statusVersion"]) == ("OPEN", 3)


def test_change_of_another_property_is_not_a_lost_race(faulty):
    injector, syn, queue = faulty
    submission = queue.submit()[0]
    injector.at(STATUS_PUT, lambda: queue.annotate(submission, note=("STRING", "new")))
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(), new_task())
    assert [one.submission_id for one in claims] == [submission]
    assert queue.annotations(submission)["note"] == "new"


def test_race_that_was_lost_and_a_withdrawn_submission_do_not_stop_the_others(faulty):
    injector, syn, queue = faulty
    submissions = queue.submit(3)

    def interfere():
        injector.clear()
        queue.update(submissions[0], status="VALIDATED")
        syn.restDELETE(f"/evaluation/submission/{submissions[1]}")

    injector.at(STATUS_PUT, interfere)
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(), new_task())
    assert [one.submission_id for one in claims] == submissions[2:]


def test_claims_that_were_made_before_an_error_are_kept_by_the_retry(faulty):
    injector, syn, queue = faulty
    submissions = queue.submit(4)

    task, requests = new_task(), count(1)

    def fail_after_two():
        if next(requests) > 2:
            raise OSError("the service is down")

    injector.at(STATUS_PUT, fail_after_two, nth=None)
    with pytest.raises(SynapseServerError):
        claim_submissions(syn, queue.id, A, ClaimOptions(max_claims=3), task)
    injector.clear()
    assert len(queue.with_status("EVALUATION_IN_PROGRESS")) == 2
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(max_claims=3), task)
    assert [one.submission_id for one in claims] == submissions[:3]


def test_submission_with_too_many_annotations_is_left(queue, claim):
    submissions = queue.submit(2)
    entries = {f"key{n}": ("LONG", "1") for n in range(99)}
    queue.annotate(submissions[0], **entries)
    assert claim() == submissions[1:]
    assert queue.with_status("RECEIVED") == {submissions[0]}
    with pytest.raises(SynapseBadRequestError):
        claim(B)


def test_quota_counts_all_submissions_of_a_submitter_in_progress(service, client_of, queue, claim):
    bob = client_of("bob")
    queue.share(service.owner_id("bob"), "READ", "SUBMIT")
    alice_submissions = queue.submit(3)
    bob_submissions = queue.submit(2, bob)
    queue.update(alice_submissions[2], status="EVALUATION_IN_PROGRESS")
    assert claim(max_per_submitter=2) == [alice_submissions[0], *bob_submissions]
    assert claim(B, max_per_submitter=2) == []
    assert claim(B, max_per_submitter=3) == [alice_submissions[1]]


def test_quota_counts_the_submissions_of_a_team_together(service, client_of, syn, queue, claim):
    bob = client_of("bob")
    queue.share(service.owner_id("bob"), "READ", "SUBMIT")
    body = {"name": f"Team of {queue.project}", "canPublicJoin": True}
    team = int(syn.restPOST("/team", body)["id"])
    bob.restPUT(f"/team/{team}/member/{service.owner_id('bob')}")
    submissions = []
    for client in (syn, bob, syn):
        entity = client.get(queue.entity["id"], downloadFile=False)
        submissions.append(str(client.submit(queue.id, entity, team=team).id))
    assert claim(max_per_submitter=2) == submissions[:2]


@pytest.mark.parametrize("limit", [1, 3])
def test_quota_is_kept_by_tasks_that_claim_at_the_same_time(client_of, queue, claim, limit):
    submissions = queue.submit(8)
    clients = [client_of() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(claim, f"dag/{n}/claim", 0, one, max_per_submitter=limit)
            for n, one in enumerate(clients)
        ]
        claimed = [one for run in runs for one in run.result()]
    assert len(claimed) <= limit
    assert queue.with_status("EVALUATION_IN_PROGRESS") == set(claimed)
    remaining = claim("last/run/claim", max_per_submitter=limit)
    assert len(remaining) + len(claimed) == limit
    assert set(claimed + remaining) <= set(submissions)


def test_unknown_queue_and_missing_rights_are_errors(service, client_of, queue, claim):
    bob = client_of("bob")
    with pytest.raises(SynapseNotFoundError, match=r"Check evaluation_id='1'"):
        claim_submissions(bob, "1", A, ClaimOptions(), new_task())
    with pytest.raises(SynapseForbiddenError, match="lacks READ_PRIVATE_SUBMISSION and UPDATE_"):
        claim(client=bob)
    queue.share(service.owner_id("bob"), "READ", "READ_PRIVATE_SUBMISSION")
    with pytest.raises(SynapseForbiddenError, match=r"lacks UPDATE_SUBMISSION on the evaluation"):
        claim(client=bob)


def test_queue_of_several_pages_is_claimed_completely(queue, claim):
    submissions = queue.submit(130)
    assert claim() == submissions
    queue.expire(*submissions[:105])
    assert claim(B) == submissions[:105]


def test_processes_that_claim_at_the_same_time_claim_each_submission_once(
    socket_service, socket_client, tmp_path
):
    queue = SubmissionQueue(socket_client, tmp_path)
    submissions = queue.submit(60)
    context = multiprocessing.get_context("forkserver")
    barrier, results = context.Barrier(4), context.Queue()
    settings = socket_service.endpoints | {
        "cache_root_dir": str(tmp_path / "cache"),
        "configPath": str(tmp_path / "no.synapseConfig"),
    }
    processes = [
        context.Process(
            target=claim_in_process,
            args=(
                settings,
                socket_service.token("alice"),
                queue.id,
                f"dag/run/claim[{number}]",
                barrier.wait,
                results,
            ),
        )
        for number in range(4)
    ]
    for process in processes:
        process.start()
    claimed = [one for _ in processes for one in results.get(timeout=100)]
    for process in processes:
        process.join()
    assert sorted(claimed, key=int) == submissions
    assert queue.with_status("RECEIVED") == set()


def test_submitted_version_is_claimed(syn, queue, tmp_path):
    queue.submit()
    path = tmp_path / "predictions.csv"
    path.write_text("changed")
    stored = syn.store(File(str(path), parent=queue.project))
    assert stored.versionNumber == 2
    claims = claim_submissions(syn, queue.id, A, ClaimOptions(), new_task())
    assert [(one.entity_id, one.entity_version) for one in claims] == [(stored.id, 1)]
