"""Thread pool, cancellation and backoff of transfers."""

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConnectionError,
    SynapseServerError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.client.transfer.executor import (
    Backoff,
    CancelToken,
    TransferCancelledError,
    TransferExecutor,
)

QUICK = RetryPolicy(attempts=3, total=60, wait=0.0, jitter=0.0)


@pytest.fixture
def executor():
    executor = TransferExecutor()
    yield executor
    executor.close()


def transfer_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("synapse-transfer")]


def test_run_processes_every_part_once(executor):
    done = []
    executor.run(range(100), done.append, CancelToken(), threads=4)
    assert sorted(done) == list(range(100))


def test_run_processes_at_most_one_part_per_thread(executor):
    guard, now, most = threading.Lock(), 0, 0

    def work(_):
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with guard:
            now -= 1

    executor.run(range(60), work, CancelToken(), threads=3)
    assert most == 3


def test_number_of_parts_at_the_same_time_can_change(executor):
    guard, running, most = threading.Lock(), 0, []
    allowed = 1

    def work(number):
        nonlocal running, allowed
        with guard:
            running += 1
            most.append(running)
        time.sleep(0.002)
        with guard:
            running -= 1
            allowed = 1 if number < 10 else 4

    executor.run(range(60), work, CancelToken(), threads=4, limit=lambda: allowed)
    assert set(most[:10]) == {1}
    assert max(most) == 4


def test_more_parts_are_allowed_while_one_is_running(executor):
    allowed, second = 1, threading.Event()

    def work(number):
        nonlocal allowed
        if number:
            second.set()
        else:
            allowed = 2
            assert second.wait(60)

    executor.run(range(2), work, CancelToken(), threads=2, limit=lambda: allowed)


def test_run_takes_parts_lazily(executor):
    taken = []

    def parts():
        for number in range(1000):
            taken.append(number)
            yield number

    def work(number):
        if number == 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        executor.run(parts(), work, CancelToken(), threads=2)
    assert len(taken) < 100


def test_run_raises_the_first_error_after_other_parts_stopped(executor):
    token, stopped = CancelToken(), []
    begun = threading.Barrier(3)

    def work(number):
        begun.wait(60)
        if number == 1:
            raise KeyError("first")
        try:
            token.wait(60)
        except TransferCancelledError:
            stopped.append(number)
            raise

    with pytest.raises(KeyError, match="first"):
        executor.run(range(3), work, token, threads=3)
    assert sorted(stopped) == [0, 2]


def test_cancel_calls_registered_callbacks():
    token, closed = CancelToken(), threading.Event()
    with token.on_cancel(closed.set):
        token.cancel()
        assert closed.is_set()
    with pytest.raises(TransferCancelledError), token.on_cancel(lambda: None):
        raise AssertionError("unreachable")


def test_cancel_does_not_call_callbacks_of_ended_blocks():
    token, closed = CancelToken(), threading.Event()
    with token.on_cancel(closed.set):
        pass
    token.cancel()
    assert not closed.is_set()


def test_threads_start_on_first_use_and_end_with_close():
    executor = TransferExecutor()
    before = set(transfer_threads())
    executor.run(range(5), lambda _: None, CancelToken(), threads=2)
    begun = set(transfer_threads()) - before
    assert begun
    executor.close()
    for each in begun:
        each.join(10)
    assert not any(each.is_alive() for each in begun)


def test_threads_end_when_the_executor_is_garbage_collected():
    executor = TransferExecutor()
    before = set(transfer_threads())
    executor.run(range(5), lambda _: None, CancelToken(), threads=2)
    begun = set(transfer_threads()) - before
    gone = weakref.ref(executor)
    del executor
    gc.collect()
    assert gone() is None
    for each in begun:
        each.join(10)
    assert not any(each.is_alive() for each in begun)


def test_transfers_share_the_threads(executor):
    names = set()
    barrier = threading.Barrier(2)

    def work(_):
        names.add(threading.current_thread().name)
        time.sleep(0.001)

    def one():
        barrier.wait(60)
        executor.run(range(40), work, CancelToken(), threads=3)

    transfers = [threading.Thread(target=one) for _ in range(2)]
    for each in transfers:
        each.start()
    for each in transfers:
        each.join()
    assert len(names) <= 3


def test_forked_process_creates_its_own_threads():
    script = """
import os
from synapse_workflows.client.transfer.executor import CancelToken, TransferExecutor
executor = TransferExecutor()
executor.run(range(4), lambda _: None, CancelToken(), threads=2)
child = os.fork()
if child == 0:
    done = []
    executor.run(range(4), done.append, CancelToken(), threads=2)
    os._exit(len(done))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "4\n"


def test_ctrl_c_cancels_a_transfer():
    script = """
import sys
from synapse_workflows.client.transfer.executor import CancelToken, TransferExecutor
token = CancelToken()
def work(number):
    print("begun", flush=True)
    token.wait(60)
try:
    TransferExecutor().run(range(2), work, token, threads=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
        assert process.returncode == 0


def test_process_ends_after_ctrl_c_while_a_thread_is_being_started():
    """The pool does not know the thread: Python must not wait for it."""
    script = """
import threading
from synapse_workflows.client.transfer.executor import CancelToken, TransferExecutor
start = threading.Thread.start
def interrupt(thread):
    start(thread)
    raise KeyboardInterrupt
threading.Thread.start = interrupt
executor = TransferExecutor()
try:
    executor.run(range(2), lambda _: None, CancelToken(), threads=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
threading.Thread.start = start
done = []
executor.run(range(2), done.append, CancelToken(), threads=1)
print(done)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "interrupted\n[0, 1]\n"


def test_interrupted_transfer_does_not_disturb_another_one(executor):
    begun, proceed, done = threading.Event(), threading.Event(), []

    def wait_and_append(number):
        begun.set()
        proceed.wait(60)
        done.append(number)

    def interrupt():
        yield 0
        raise KeyboardInterrupt

    arguments = (range(4), wait_and_append, CancelToken())
    other = threading.Thread(target=executor.run, args=arguments, kwargs={"threads": 2})
    other.start()
    assert begun.wait(60)
    with pytest.raises(KeyboardInterrupt):
        executor.run(interrupt(), lambda _: None, CancelToken(), threads=2)
    proceed.set()
    other.join(60)
    assert sorted(done) == [0, 1, 2, 3]


def test_backoff_raises_after_the_maximum_number_of_attempts():
    backoff, error = Backoff(QUICK, CancelToken()), SynapseServerError(500, "no", "GET /x")
    backoff.wait_after(error)
    backoff.wait_after(error)
    with pytest.raises(SynapseServerError) as caught:
        backoff.wait_after(error)
    assert caught.value is error


def test_backoff_reset_restarts_the_count():
    backoff, error = Backoff(QUICK, CancelToken()), SynapseServerError(500, "no", "GET /x")
    for _ in range(5):
        backoff.wait_after(error)
        backoff.reset()
    backoff.wait_after(error)
    backoff.wait_after(error)
    with pytest.raises(SynapseServerError):
        backoff.wait_after(error)


def test_backoff_raises_permanent_errors_immediately():
    error = SynapseConnectionError("bad URL", retry_category=RetryCategory.PERMANENT)
    with pytest.raises(SynapseConnectionError):
        Backoff(QUICK, CancelToken()).wait_after(error)


def test_backoff_raises_after_the_total_time():
    now = iter([0.0, 30.0, 61.0])
    backoff = Backoff(QUICK, CancelToken(), clock=lambda: next(now))
    backoff.wait_after(SynapseConnectionError("first"))
    with pytest.raises(SynapseConnectionError, match="second"):
        backoff.wait_after(SynapseConnectionError("second"))


def test_backoff_respects_retry_after():
    token = CancelToken()
    backoff = Backoff(QUICK, token)
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(TransferCancelledError):  # the delay ended with the cancellation
        backoff.wait_after(SynapseTooManyRequestsError(429, "slow", "GET /x", retry_after=50.0))
