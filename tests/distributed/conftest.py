"""A cluster for the tests that `make test-distributed` runs, and runs that several tests check."""

from collections.abc import Iterator
from typing import Any

import pytest
from distributed.cluster import Cluster, run_cluster
from distributed.environment import Options
from distributed.example_runs import Examples, run_examples
from distributed.exchange_stories import Exchange, run_stories
from distributed.servers import find_missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster, shared by all tests."""
    if reason := find_missing():
        pytest.skip(reason)
    with run_cluster(Options(seeds=["demo"])) as running:
        yield running


@pytest.fixture(scope="session")
def client(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of the local Synapse of the cluster."""
    cache = tmp_path_factory.mktemp("cache")
    with cluster.synapse.client(cache_root_dir=str(cache)) as client:
        yield client


@pytest.fixture(scope="session")
def examples(
    cluster: Cluster, client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Examples]:
    """The runs of the examples."""
    with run_examples(cluster, client, tmp_path_factory.mktemp("examples")) as started:
        yield started


@pytest.fixture(scope="session")
def exchange(
    cluster: Cluster, client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exchange]:
    """The runs that exchange files and rows."""
    with run_stories(cluster, client, tmp_path_factory.mktemp("exchange")) as started:
        yield started


@pytest.fixture(scope="session")
def background(request: pytest.FixtureRequest) -> None:
    """Start the runs for later tests, for which a test that mostly waits leaves the time."""
    needed = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in ("exchange", "examples"):
        if name in needed:
            request.getfixturevalue(name)
