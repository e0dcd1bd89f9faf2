"""Fixtures of the API tests: a client whose requests are mocked."""

import json
import logging

import pytest
import responses

from synapse_workflows import Synapse
from synapse_workflows.client.core.retry import RetryPolicy

HOST = "https://synapse.example.org"


@pytest.fixture
def repo_url():
    """The repo endpoint of the client."""
    return f"{HOST}/repo/v1"


@pytest.fixture
def http():
    """The mocked HTTP responses."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def syn(repo_url, tmp_path):
    """A client with short waits and its own cache."""
    with Synapse(
        repo_url, f"{HOST}/auth/v1", f"{HOST}/file/v1", f"{HOST}/",
        skip_checks=True, silent=True, cache_root_dir=str(tmp_path / "cache"),
        configPath=str(tmp_path / "none"), retry=RetryPolicy(attempts=2, wait=0.001),
    ) as client:  # fmt: skip
        client.table_query_sleep = 0.001
        yield client


@pytest.fixture
def log_messages(syn):
    """Messages logged by the client, in order."""
    messages = []
    syn.silent = False
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    syn.logger.addHandler(handler)
    yield messages
    syn.logger.removeHandler(handler)


@pytest.fixture
def add_jobs(http, repo_url):
    """Return a function that mocks jobs of a path, one for each given result."""

    def add(path, *results):
        for number, result in enumerate(results):
            http.post(f"{repo_url}{path}/start", json={"token": str(number)}, status=201)
            http.get(f"{repo_url}{path}/get/{number}", json=result, status=201)

    return add


@pytest.fixture
def get_job_requests(http):
    """Return a function that lists the request bodies of the jobs of a path."""

    def get(path):
        return [
            json.loads(call.request.body)
            for call in http.calls
            if call.request.url.endswith(f"{path}/start")
        ]

    return get
