"""Progress display of transfers."""

import io
import logging
from types import SimpleNamespace

import pytest

from synapse_workflows.client.transfer import progress
from synapse_workflows.client.transfer.progress import ProgressLog, format_size


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
    logger = logging.Logger("test")  # noqa: LOG001 - only for this test
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    return SimpleNamespace(silent=False, logger=logger)


def test_silent_client_displays_nothing(syn, lines):
    terminal = Terminal()
    with progress.show_progress(silent(syn), "D", "Done", 5, stream=terminal) as shown:
        shown.advance(5)
    assert terminal.getvalue() == ""
    assert lines == []


def silent(syn):
    return SimpleNamespace(silent=True, logger=syn.logger)


def test_terminal_gets_a_bar_and_no_log_lines(syn, lines):
    terminal = Terminal()
    with progress.show_progress(
        syn, "Downloading a.csv", "Downloaded a.csv", 2048, stream=terminal
    ) as bar:
        bar.advance(1024)
        bar.advance(1024)
    assert "Downloading a.csv: 100%" in terminal.getvalue()
    assert "2.05k/2.05k" in terminal.getvalue()
    assert lines == []


def test_log_gets_one_line_for_a_short_transfer(syn, lines, clock):
    with progress.show_progress(
        syn, "Downloading a.csv", "Downloaded a.csv", 3_000_000, stream=io.StringIO(), clock=clock
    ) as shown:
        shown.advance(3_000_000)
        clock.now = 0.5
    assert lines == ["Downloaded a.csv: 3 MB in 0.5 s"]


def test_failed_transfer_logs_no_success(syn, lines):
    with (
        pytest.raises(KeyError),
        progress.show_progress(syn, "D", "Done", 5, stream=io.StringIO()),
    ):
        raise KeyError
    assert lines == []


def test_log_lines_are_ten_seconds_and_ten_percent_apart(lines, clock):
    shown = ProgressLog(lines.append, "Uploading x", "Uploaded x", 1000_000, clock)
    for second in range(1, 101):
        clock.now = float(second)
        shown.advance(10_000)
    assert lines == [f"Uploading x: {share}0% of 1 MB, 10 kB/s" for share in range(1, 10)] + [
        "Uploading x: 100% of 1 MB, 10 kB/s"
    ]


def test_fast_transfer_logs_a_line_every_ten_seconds(lines, clock):
    shown = ProgressLog(lines.append, "U", "Done", 100_000_000, clock)
    for second in range(1, 21):
        clock.now = float(second)
        shown.advance(5_000_000)
    assert lines == ["U: 50% of 100 MB, 5 MB/s", "U: 100% of 100 MB, 5 MB/s"]


def test_slow_transfer_logs_a_line_every_two_minutes(lines, clock):
    shown = ProgressLog(lines.append, "U", "Done", 10**12, clock)
    for second in range(1, 301):
        clock.now = float(second)
        shown.advance(1000)
    assert lines == ["U: 0% of 1 TB, 1 kB/s"] * 2


def test_log_lines_without_known_size_contain_transferred_bytes(lines, clock):
    shown = ProgressLog(lines.append, "D", "Done", None, clock)
    clock.now = 10.0
    shown.advance(5_000_000)
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
def test_format_size(size, text):
    assert format_size(size) == text
