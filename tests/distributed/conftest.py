"""A cluster for the tests that `make test-distributed` runs, and runs that several tests check."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from distributed.backfill import Backfill, start_backfill
from distributed.cluster import Cluster, run_cluster
from distributed.environment import Options
from distributed.events import cause_events
from distributed.example_runs import Examples, run_examples
from distributed.exchange_stories import Exchange, run_stories
from distributed.servers import find_missing
from distributed.waiting_sensors import WaitingSensors
from support.container_apis import DockerDaemon, serve
from support.image_challenge import run_model


@pytest.fixture(scope="session")
def daemon() -> DockerDaemon:
    """The stand-in for the Docker host of all workers."""
    return DockerDaemon(program=run_model)


@pytest.fixture(scope="session")
def cluster(daemon: DockerDaemon) -> Iterator[Cluster]:
    """A running cluster, shared by all tests."""
    if reason := find_missing():
        pytest.skip(reason)
    with serve(daemon) as url:
        environment = {"DOCKER_HOST": url.replace("http", "tcp")}
        with run_cluster(Options(seeds=["demo"], environment=environment)) as running:
            yield running


@pytest.fixture(scope="session")
def client(cluster: Cluster) -> Iterator[Any]:
    """A client of the local Synapse of the cluster."""
    cache = cluster.create_folder("cache")
    with cluster.synapse.client(cache_root_dir=str(cache)) as client:
        yield client


@pytest.fixture(scope="session")
def examples(cluster: Cluster) -> Iterator[Examples]:
    """The runs of the examples, with a client of their own: `events` uses it in a thread."""
    folder = cluster.create_folder("examples")
    with (
        cluster.synapse.client(cache_root_dir=str(folder / "cache")) as client,
        run_examples(cluster, client, folder) as started,
    ):
        yield started


@pytest.fixture(scope="session")
def background() -> Iterator[ThreadPoolExecutor]:
    """A thread that waits for events and sensors, one after the other, while other tests run."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="session")
def events(examples: Examples, background: ThreadPoolExecutor) -> Future[list[str]]:
    """The IDs of submitted images; these and other events start runs of examples."""
    return background.submit(cause_events, examples)


@pytest.fixture(scope="session")
def exchange(cluster: Cluster, client: Any) -> Iterator[Exchange]:
    """The runs that exchange files and rows."""
    with run_stories(cluster, client, cluster.create_folder("exchange")) as started:
        yield started


@pytest.fixture(scope="session")
def backfill(cluster: Cluster, client: Any) -> Backfill:
    """A started backfill."""
    return start_backfill(cluster, client, cluster.create_folder("backfill"))


@pytest.fixture(scope="session")
def sensors(cluster: Cluster, background: ThreadPoolExecutor) -> Iterator[Future[WaitingSensors]]:
    """Sensors that waited while the triggerers were killed, with a client of their own."""
    folder = cluster.create_folder("sensors")
    with cluster.synapse.client(cache_root_dir=str(folder / "cache")) as client:
        cluster.start_triggerer(1)
        yield background.submit(_run_sensors, WaitingSensors(cluster, client, folder))


def _run_sensors(waiting: WaitingSensors) -> WaitingSensors:
    waiting.kill_triggerers()
    return waiting
