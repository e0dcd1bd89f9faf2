"""A cluster with two Celery workers, for the tests that `make test-distributed` runs."""

from collections.abc import Iterator

import pytest
from distributed.cluster import Cluster, run_cluster
from distributed.environment import Options
from distributed.servers import find_missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster, shared by all tests."""
    if reason := find_missing():
        pytest.skip(reason)
    with run_cluster(Options(seeds=["demo"])) as running:
        yield running
