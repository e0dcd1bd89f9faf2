"""What a person sees of a transfer."""

import io
import logging
from types import SimpleNamespace

import pytest

from synapse_workflows.client.transfer import progress
from synapse_workflows.client.transfer.progress import LogLines, human


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def lines():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def syn(lines):
    logger = logging.Logger("test")  # noqa: LOG001 - of this test alone
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    return SimpleNamespace(silent=False, logger=logger)


def test_a_silent_client_shows_nothing(syn, lines):
    terminal = Terminal()
    with progress.shown(quiet(syn), "D", "Done", 5, stream=terminal) as shown:
        shown.moved(5)
    assert terminal.getvalue() == ""
    assert lines == []


def quiet(syn):
    return SimpleNamespace(silent=True, logger=syn.logger)


def test_a_terminal_gets_a_bar_and_no_lines(syn, lines):
    terminal = Terminal()
    with progress.shown(
        syn, "Downloading a.csv", "Downloaded a.csv", 2048, stream=terminal
    ) as bar:
        bar.moved(1024)
        bar.moved(1024)
    assert "Downloading a.csv: 100%" in terminal.getvalue()
    assert "2.05k/2.05k" in terminal.getvalue()
    assert lines == []


def test_a_log_gets_one_line_for_a_quick_transfer(syn, lines, clock):
    with progress.shown(
        syn, "Downloading a.csv", "Downloaded a.csv", 3_000_000, stream=io.StringIO(), clock=clock
    ) as shown:
        shown.moved(3_000_000)
        clock.now = 0.5
    assert lines == ["Downloaded a.csv: 3 MB in 0.5 s"]


def test_a_failed_transfer_says_nothing_of_success(syn, lines):
    with pytest.raises(KeyError), progress.shown(syn, "D", "Done", 5, stream=io.StringIO()):
        raise KeyError
    assert lines == []


def test_lines_are_ten_seconds_and_ten_percent_apart(lines, clock):
    shown = LogLines(lines.append, "Uploading x", "Uploaded x", 1000_000, clock)
    for second in range(1, 101):
        clock.now = float(second)
        shown.moved(10_000)
    assert lines == [f"Uploading x: {share}0% of 1 MB, 10 kB/s" for share in range(1, 10)] + [
        "Uploading x: 100% of 1 MB, 10 kB/s"
    ]


def test_fast_transfers_write_a_line_in_ten_seconds(lines, clock):
    shown = LogLines(lines.append, "U", "Done", 100_000_000, clock)
    for second in range(1, 21):
        clock.now = float(second)
        shown.moved(5_000_000)
    assert lines == ["U: 50% of 100 MB, 5 MB/s", "U: 100% of 100 MB, 5 MB/s"]


def test_very_slow_transfers_still_give_a_sign_of_life(lines, clock):
    shown = LogLines(lines.append, "U", "Done", 10**12, clock)
    for second in range(1, 301):
        clock.now = float(second)
        shown.moved(1000)
    assert lines == ["U: 0% of 1 TB, 1 kB/s"] * 2


def test_without_a_known_size_lines_tell_what_moved(lines, clock):
    shown = LogLines(lines.append, "D", "Done", None, clock)
    clock.now = 10.0
    shown.moved(5_000_000)
    assert lines == ["D: 5 MB, 500 kB/s"]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_900, "1 MB"),
        (31_457_280, "31.5 MB"),
        (2 * 10**9, "2 GB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_bytes_for_people(size, text):
    assert human(size) == text
