"""The threads of a client, and the end of a transfer."""

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
    SynapseConnectionError,
    SynapseServerError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.client.transfer.executor import (
    Halt,
    HaltedError,
    Patience,
    TransferManager,
)

QUICK = RetryPolicy(attempts=3, total=60, wait=0.0, jitter=0.0)


@pytest.fixture
def manager():
    manager = TransferManager()
    yield manager
    manager.close()


def transfer_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("synapse-transfer")]


def test_every_part_is_done_once(manager):
    done = []
    manager.run(range(100), done.append, Halt(), threads=4)
    assert sorted(done) == list(range(100))


def test_no_more_parts_are_under_way_than_there_are_threads(manager):
    guard, now, most = threading.Lock(), 0, 0

    def work(_):
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with guard:
            now -= 1

    manager.run(range(60), work, Halt(), threads=3)
    assert most == 3


def test_parts_are_taken_one_by_one(manager):
    taken = []

    def parts():
        for number in range(1000):
            taken.append(number)
            yield number

    def work(number):
        if number == 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        manager.run(parts(), work, Halt(), threads=2)
    assert len(taken) < 20


def test_the_first_error_is_raised_when_the_others_have_stopped(manager):
    halt, stopped = Halt(), []
    begun = threading.Barrier(3)

    def work(number):
        begun.wait(10)
        if number == 1:
            raise KeyError("first")
        try:
            halt.wait(60)
        except HaltedError:
            stopped.append(number)
            raise

    with pytest.raises(KeyError, match="first"):
        manager.run(range(3), work, halt, threads=3)
    assert sorted(stopped) == [0, 2]


def test_a_halted_transfer_cuts_what_is_being_read():
    halt, cut = Halt(), threading.Event()
    with halt.cutting(cut.set):
        halt.stop()
        assert cut.is_set()
    with pytest.raises(HaltedError), halt.cutting(lambda: None):
        raise AssertionError("nothing begins after the end")


def test_what_has_ended_by_itself_is_not_cut():
    halt, cut = Halt(), threading.Event()
    with halt.cutting(cut.set):
        pass
    halt.stop()
    assert not cut.is_set()


def test_threads_begin_when_needed_and_end_when_the_manager_is_closed():
    manager = TransferManager()
    before = set(transfer_threads())
    manager.run(range(5), lambda _: None, Halt(), threads=2)
    begun = set(transfer_threads()) - before
    assert begun
    manager.close()
    for each in begun:
        each.join(10)
    assert not any(each.is_alive() for each in begun)


def test_threads_end_with_a_manager_that_nobody_closed():
    manager = TransferManager()
    before = set(transfer_threads())
    manager.run(range(5), lambda _: None, Halt(), threads=2)
    begun = set(transfer_threads()) - before
    gone = weakref.ref(manager)
    del manager
    gc.collect()
    assert gone() is None
    for each in begun:
        each.join(10)
    assert not any(each.is_alive() for each in begun)


def test_two_transfers_share_the_threads(manager):
    names = set()
    barrier = threading.Barrier(2)

    def work(_):
        names.add(threading.current_thread().name)
        time.sleep(0.001)

    def one():
        barrier.wait(10)
        manager.run(range(40), work, Halt(), threads=3)

    transfers = [threading.Thread(target=one) for _ in range(2)]
    for each in transfers:
        each.start()
    for each in transfers:
        each.join()
    assert len(names) <= 3


def test_a_forked_process_gets_threads_of_its_own():
    script = """
import os
from synapse_workflows.client.transfer.executor import Halt, TransferManager
manager = TransferManager()
manager.run(range(4), lambda _: None, Halt(), threads=2)
child = os.fork()
if child == 0:
    done = []
    manager.run(range(4), done.append, Halt(), threads=2)
    os._exit(len(done))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "4\n"


def test_ctrl_c_ends_a_transfer():
    script = """
import sys
from synapse_workflows.client.transfer.executor import Halt, TransferManager
halt = Halt()
def work(number):
    print("begun", flush=True)
    halt.wait(60)
try:
    TransferManager().run(range(2), work, halt, threads=1)
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


def test_patience_ends_after_the_tries_of_the_policy():
    patience, error = Patience(QUICK, Halt()), SynapseServerError(500, "no", "GET /x")
    patience.after(error)
    patience.after(error)
    with pytest.raises(SynapseServerError) as caught:
        patience.after(error)
    assert caught.value is error


def test_headway_renews_patience():
    patience, error = Patience(QUICK, Halt()), SynapseServerError(500, "no", "GET /x")
    for _ in range(5):
        patience.after(error)
        patience.headway()
    patience.after(error)
    patience.after(error)


def test_what_no_waiting_mends_is_raised_at_once():
    with pytest.raises(SynapseConnectionError):
        Patience(QUICK, Halt()).after(SynapseConnectionError("certificate verify failed"))


def test_patience_ends_after_the_time_of_the_policy():
    now = iter([0.0, 30.0, 61.0])
    patience = Patience(QUICK, Halt(), clock=lambda: next(now))
    patience.after(OSError("once"))
    with pytest.raises(OSError, match="twice"):
        patience.after(OSError("twice"))


def test_a_server_that_says_when_to_come_again_is_believed():
    halt = Halt()
    patience = Patience(QUICK, halt)
    threading.Timer(0.1, halt.stop).start()
    with pytest.raises(HaltedError):  # it waited until the transfer ended
        patience.after(SynapseTooManyRequestsError(429, "slow", "GET /x", retry_after=50.0))
