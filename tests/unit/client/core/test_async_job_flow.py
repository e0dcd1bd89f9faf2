"""Flows of asynchronous jobs, step by step and in both sessions."""

import asyncio
import json
from itertools import islice

import httpx2
import pytest

from synapse_workflows.client.core import async_job_flow
from synapse_workflows.client.core.async_job_flow import Job, JobProgress, Polling
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.flows import Call, Pause, Reply
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseJobError,
    SynapseTimeoutError,
)

JOB = Job("/entity/syn1/table/query/async", {"query": {"sql": "select * from syn1"}})
POLLING = Polling(sleep=2, back_off=2, max_sleep=10, timeout=60, first_sleep=2)
TOKEN = Reply.of({"token": "7"}, 201)


def processing(message="working", **steps):
    return Reply.of({"jobState": "PROCESSING", "progressMessage": message, **steps}, 202)


def execute(flow, *replies):
    """Send the replies to the calls in order; return the yielded steps and the result."""
    steps, queue, answer = [], list(replies), None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as done:
            assert not queue
            return steps, done.value
        steps.append(step)
        answer = queue.pop(0) if isinstance(step, Call) else None


def execute_hundred_calls(flow, steps):
    """Send the same reply to a hundred calls; collect the yielded steps."""
    answer = None
    for _ in range(100):
        steps.append(flow.send(answer))
        answer = processing() if isinstance(steps[-1], Call) else None


def pauses(steps):
    return [step.seconds for step in steps if isinstance(step, Pause)]


def test_completed_job_causes_no_delay():
    steps, result = execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of({"rows": 3}, 201))
    assert result == {"rows": 3}
    assert [str(step) for step in steps] == [
        "POST /entity/syn1/table/query/async/start",
        "GET /entity/syn1/table/query/async/get/7",
    ]
    assert steps[0].body == JOB.body


def test_result_is_accepted_with_any_success_status():
    _, result = execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of({"rows": 3}, 200))
    assert result == {"rows": 3}


def test_job_uses_its_endpoint():
    steps, _ = execute(
        async_job_flow.run(Job("/file/bulk/async", {}, "file"), POLLING), TOKEN, Reply.of({}, 201)
    )
    assert [step.endpoint for step in steps] == ["file", "file"]


def test_start_is_repeatable_only_for_reading_jobs():
    for repeatable, expected in ((True, True), (False, None)):
        job = Job("/x", {}, repeatable=repeatable)
        assert next(async_job_flow.start(job)).repeatable is expected


def test_delay_grows_up_to_the_maximum():
    replies = [TOKEN, *(processing(str(n)) for n in range(5)), Reply.of({}, 201)]
    steps, _ = execute(async_job_flow.run(JOB, POLLING), *replies)
    assert pauses(steps) == [2, 4, 8, 10, 10]


def test_default_polling_settings():
    replies = [TOKEN, *(processing(str(n)) for n in range(40)), Reply.of({}, 201)]
    steps, _ = execute(async_job_flow.run(JOB), *replies)
    assert pauses(steps)[:4] == pytest.approx([0.05, 0.075, 0.1125, 0.16875])
    assert pauses(steps)[10:13] == pytest.approx([2, 2.2, 2.42])
    assert max(pauses(steps)) == 20
    assert Polling().timeout == 600


@pytest.mark.parametrize(("sleep", "max_sleep"), [(0, 4), (0.05, 4), (2, 0.01)])
def test_shorter_sleep_applies_from_the_first_delay_on(sleep, max_sleep):
    replies = [TOKEN, *(processing(str(n)) for n in range(3)), Reply.of({}, 201)]
    steps, _ = execute(async_job_flow.run(JOB, Polling(sleep, 1, max_sleep)), *replies)
    assert pauses(steps) == [min(sleep, max_sleep)] * 3


def test_progress_callback_is_called_after_each_status():
    progress = []
    execute(
        async_job_flow.run(JOB, POLLING, progress.append),
        TOKEN,
        processing("reading", progressCurrent=1, progressTotal=9),
        processing("writing"),
        Reply.of({}, 201),
    )
    assert progress == [JobProgress("reading", 1, 9), JobProgress("writing")]
    assert str(progress[0]) == "reading, 1 of 9"
    assert str(JobProgress()) == "no progress reported yet"


def test_wait_raises_timeout_without_progress():
    flow, steps = async_job_flow.wait(JOB, "7", Polling(2, 1, 20, timeout=5)), []
    with pytest.raises(SynapseTimeoutError, match=r"Timeout waiting for query results.*working"):
        execute_hundred_calls(flow, steps)
    assert sum(pauses(steps)) == pytest.approx(5)


@pytest.mark.parametrize(
    "change",
    [
        lambda n: processing(f"message {n}"),
        lambda n: processing("same", progressCurrent=n + 1, progressTotal=99),
    ],
    ids=["message", "count"],
)
def test_progress_restarts_the_timeout(change):
    replies = [TOKEN, *(change(n) for n in range(20)), Reply.of({"ok": True}, 201)]
    steps, result = execute(
        async_job_flow.run(JOB, Polling(4, 1, 4, timeout=5, first_sleep=4)), *replies
    )
    assert result == {"ok": True}
    assert sum(pauses(steps)) == 80


@pytest.mark.parametrize(
    "change",
    [
        lambda n: processing(f"message {n}"),
        lambda n: processing("same", progressCurrent=n, progressTotal=9),
        lambda n: processing("ab"[n % 2], progressCurrent=[n]),
    ],
    ids=["message", "count", "alternating"],
)
@pytest.mark.parametrize("sleep", [1, 0])
def test_job_that_never_ends_raises_timeout(change, sleep):
    def poll():
        flow, number = async_job_flow.wait(JOB, "7", Polling(sleep, 1, 4, timeout=5)), 0
        step = flow.send(None)
        while number < 100_000:
            number += isinstance(step, Call)
            step = flow.send(change(number) if isinstance(step, Call) else None)

    with pytest.raises(SynapseTimeoutError, match="Job 7 "):
        poll()


@pytest.mark.parametrize("limit", [7, 1000])
def test_limit_of_the_whole_job_replaces_the_default(limit):
    """Each status has new progress, so the job is never idle."""
    steps = []

    def poll():
        flow, reply = async_job_flow.wait(JOB, "7", Polling(4, 1, 4, 5, 4, limit)), None
        while True:
            steps.append(flow.send(reply))
            reply = processing(f"message {len(steps)}") if isinstance(steps[-1], Call) else None

    with pytest.raises(SynapseTimeoutError, match=rf"complete after {limit} s\..* timeout to"):
        poll()
    assert sum(pauses(steps)) == limit


def test_failed_job_raises_with_message_and_details():
    failed = {"jobState": "FAILED", "errorMessage": "No such column", "errorDetails": "at line 1"}
    with pytest.raises(SynapseJobError, match="No such column\nat line 1") as caught:
        execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of(failed, 202))
    assert (caught.value.job, caught.value.details) == ("7", "at line 1")
    with pytest.raises(SynapseJobError, match="reported no reason"):
        execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of({"jobState": "FAILED"}, 202))


def test_status_of_a_table_index_is_polled():
    """The status of an index has `state` instead of `jobState`."""
    building = {"state": "PROCESSING", "progressMessage": "building", "progressCurrent": 1}
    progress = []
    _, result = execute(
        async_job_flow.run(JOB, POLLING, progress.append),
        TOKEN, Reply.of(building, 202), Reply.of({"state": "of the art"}, 201),
    )  # fmt: skip
    assert result == {"state": "of the art"}
    assert progress == [JobProgress("building", 1)]
    broken = {"state": "PROCESSING_FAILED", "errorMessage": "cannot be built"}
    with pytest.raises(SynapseJobError, match="cannot be built"):
        execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of(broken, 202))


def test_result_in_a_status_is_returned():
    complete = {"jobState": "COMPLETE", "responseBody": {"rows": 3}}
    assert execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of(complete))[1] == {"rows": 3}
    with pytest.raises(SynapseError, match="no result"):
        execute(async_job_flow.run(JOB, POLLING), TOKEN, Reply.of({"jobState": "COMPLETE"}))


def test_http_errors_are_raised():
    flow = async_job_flow.run(JOB, POLLING)
    list(islice(flow, 1))
    refused = SynapseBadRequestError(400, "no such table", "POST /x")
    with pytest.raises(SynapseBadRequestError) as caught:
        flow.throw(refused)
    assert caught.value is refused


def test_async_session_runs_a_job():
    replies = [
        (201, {"token": "7"}),
        (202, {"jobState": "PROCESSING"}),
        (201, {"rows": 3}),
    ]

    def answer(request: httpx2.Request) -> httpx2.Response:
        status, body = replies.pop(0)
        return httpx2.Response(status, content=json.dumps(body))

    async def go():
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            return await AsyncSession(client=client).run(
                async_job_flow.run(JOB, Polling(sleep=0.001))
            )

    assert asyncio.run(go()) == {"rows": 3}


def test_session_runs_a_job(syn, http):
    base = "https://repo.example.org/repo/v1/entity/syn1/table/query/async"
    http.post(f"{base}/start", json={"token": "7"}, status=201)
    http.get(f"{base}/get/7", json={"jobState": "PROCESSING"}, status=202)
    http.get(f"{base}/get/7", json={"rows": 3}, status=201)
    assert syn.run(async_job_flow.run(JOB, Polling(sleep=0.001))) == {"rows": 3}
