"""Tests of errors and progress of asynchronous jobs."""

import io

import pytest

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.async_job_flow import JobProgress
from synapse_workflows.client.errors import SynapseJobError, SynapseTimeoutError

PATH = "/entity/syn5/table/query/async"


class Terminal(io.StringIO):
    """Text stream that claims to be a terminal."""

    def isatty(self):
        return True


def test_failed_job_raises_its_message(syn, add_jobs):
    add_jobs(PATH, {"jobState": "FAILED", "errorMessage": "broken"})
    with pytest.raises(SynapseJobError, match="broken"):
        syn.tableQuery("select * from syn5", resultsAs="rowset")


def test_job_without_progress_times_out(syn, add_jobs):
    add_jobs(PATH, {"jobState": "PROCESSING", "progressMessage": "reading"})
    syn.table_query_timeout = 0.01
    with pytest.raises(SynapseTimeoutError, match="reading"):
        syn.tableQuery("select * from syn5", resultsAs="rowset")


def test_progress_is_logged_every_ten_seconds(syn, log_messages):
    times = iter([0, 5, 11, 11, 12, 22, 22])
    stream = io.StringIO()
    with async_jobs.show_progress(
        syn, PATH, stream=stream, clock=lambda: next(times)
    ) as report_progress:
        for step in range(1, 5):
            report_progress(JobProgress("reading", step, 9))
    assert log_messages == [
        "syn5 table query: reading, 2 of 9",
        "syn5 table query: reading, 4 of 9",
    ]


def test_job_without_reported_progress_draws_nothing(syn):
    stream = Terminal()
    with async_jobs.show_progress(syn, PATH, stream=stream):
        pass
    assert stream.getvalue() == ""


def test_progress_is_drawn_in_a_terminal(syn, log_messages):
    stream = Terminal()
    with async_jobs.show_progress(syn, PATH, stream=stream) as report_progress:
        report_progress(JobProgress("reading", 1, 9))
        report_progress(JobProgress("writing"))
    assert "syn5 table query: 00:00, reading, 1 of 9" in stream.getvalue()
    assert "writing" in stream.getvalue()
    assert log_messages == []


def test_silent_client_shows_no_progress(syn):
    stream = Terminal()
    with async_jobs.show_progress(syn, PATH, stream=stream) as report_progress:
        report_progress(JobProgress("reading"))
    assert stream.getvalue() == ""
