"""Interruption of requests and delays from another thread."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from synapse_workflows.client.core import interruption, transport
from synapse_workflows.client.core.http_request import HttpRequest
from synapse_workflows.constants import MiB


class Interrupter:
    """Registered callbacks, and an event that is set when there is one."""

    def __init__(self):
        self.callbacks = []
        self.is_waiting = threading.Event()

    @contextmanager
    def register(self, callback):
        self.callbacks.append(callback)
        self.is_waiting.set()
        try:
            yield
        finally:
            self.callbacks.remove(callback)

    def interrupt(self):
        (callback,) = self.callbacks
        callback()


def run_interrupted(function):
    """Interrupt a function in another thread; return its result or error, and the seconds."""
    interrupter, results = Interrupter(), []

    def run():
        with interruption.interruptible(interrupter.register):
            try:
                results.append(function())
            except Exception as error:  # noqa: BLE001 - checked by the test
                results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert interrupter.is_waiting.wait(30)
    time.sleep(0.2)
    started = time.monotonic()
    interrupter.interrupt()
    thread.join()
    return results[0], time.monotonic() - started


def test_delay_is_interrupted():
    error, seconds = run_interrupted(lambda: interruption.sleep(60))
    assert isinstance(error, InterruptedError)
    assert seconds < 30


def test_delay_without_interruption_ends():
    started = time.monotonic()
    interruption.sleep(0.01)
    with interruption.interruptible(Interrupter().register):
        interruption.sleep(0.01)
    assert time.monotonic() - started >= 0.02


@pytest.mark.parametrize("size", [0, 64 * MiB])
def test_request_is_interrupted(size):
    """A server that does not read the body, or does not respond."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        transport.new_session() as session,
    ):
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        request = HttpRequest("PUT", url, {}, bytes(size), None, timeout=(60, 60))
        outcome, seconds = run_interrupted(lambda: transport.send(session, request))
    assert outcome.failure is transport.Failure.INTERRUPTED
    assert seconds < 30
