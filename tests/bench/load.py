"""Benchmark of mapped tasks on both workers of a cluster that get and store a file of 1 MB each.

    python tests/bench/load.py [tasks, 500] [requests, 600] [seconds, 60] [limits, all]

Each task downloads a file of its own, appends some bytes and stores the result. 16 tasks run at
once. At the end every stored file must have the right MD5, exactly one version, and an Activity
with the file that was read.

    none       the service has no limits
    limiter    the service limits the account to 3 requests at a time, and to `requests` within
               `seconds`; the tasks slow down together
    no limiter the same with `limit_requests` false in the connection: each task repeats what is
               refused

`sent` is the number of requests with an access token, `refused` those with status 429, `ideal` the
seconds that the limit of the rate alone requires.
"""

import hashlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.service_with_log import LoggedService, run_service
from distributed.cluster import WORKERS, Cluster, run_cluster
from distributed.environment import Options

from synapse_workflows import File, Folder, Project, Synapse
from synapse_workflows.local.settings import Throttle

SIZE = 1_000_000
CONCURRENCY = 8
TIMEOUT = 7200
Limits = Literal["none", "limiter", "no limiter"]
MODES: tuple[Limits, ...] = ("none", "limiter", "no limiter")
DAG = """
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow.sdk import dag, task

from synapse_workflows.hooks.synapse import SynapseHook

SOURCES = json.loads({sources!r})


@dag(dag_id={dag_id!r}, schedule=None, default_args=dict(retries=5))
def load():
    @task
    def copy(number):
        hook = SynapseHook({dag_id!r})
        source = hook.get_file(SOURCES[number])
        with TemporaryDirectory() as folder:
            path = Path(folder, f"copy-{{number}}.bin")
            path.write_bytes(Path(source["path"]).read_bytes() + str(number).encode())
            return hook.store_file(path, {target!r})

    copy.expand(number=list(range(len(SOURCES))))


load()
"""


@dataclass
class Files:
    """Files of a measurement.

    Args:
        sources: IDs of the files that the tasks get.
        target: ID of the folder in which they store.
    """

    sources: list[str]
    target: str

    @classmethod
    def create(cls, syn: Synapse, number: int, folder: Path) -> "Files":
        project = syn.store(Project("load")).id
        target = syn.store(Folder("target", parent=project)).id
        sources = []
        for n in range(number):
            path = folder / f"source-{n}.bin"
            path.write_bytes(create_content(n))
            sources.append(syn.store(File(str(path), parent=project)).id)
            path.unlink()
        return cls(sources, target)

    def check(self, syn: Synapse) -> None:
        """Check that each task has stored its file once, with its source."""
        children = list(syn.getChildren(self.target))
        assert len(children) == len(self.sources), f"{len(children)} files"
        for child in children:
            number = int(child["name"].removeprefix("copy-").removesuffix(".bin"))
            content = create_content(number) + str(number).encode()
            stored = syn.get(child["id"], downloadFile=False)
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            assert stored.md5 == md5, f"{child['name']} has the MD5 {stored.md5}"
            versions = syn.restGET(f"/entity/{child['id']}/version")["results"]
            assert len(versions) == 1, f"{child['name']} has {len(versions)} versions"
            used = syn.getProvenance(child["id"], 1)["used"]
            inputs = [one["reference"]["targetId"] for one in used if not one["wasExecuted"]]
            assert inputs == [self.sources[number]], f"{child['name']} has the inputs {inputs}"


def create_content(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (SIZE // 32)


def measure(cluster: Cluster, folder: Path, tasks: int, limits: Limits, throttle: Throttle) -> str:
    """Return a line of the table."""
    dag_id = f"load_{limits.replace(' ', '_')}"
    with run_service(folder) as service:
        files = Files.create(service.client(), tasks, folder)
    with run_service(folder, throttle=None if limits == "none" else throttle) as service:
        connect(cluster, service, dag_id, limits == "limiter")
        text = DAG.format(sources=json.dumps(files.sources), dag_id=dag_id, target=files.target)
        cluster.add_file(f"{dag_id}.py", text)
        cluster.wait_for_dags(dag_id)
        start = time.time()
        run = (dag_id, cluster.run(dag_id))
        state = cluster.wait_for_runs([run], TIMEOUT, state=None)[run]
        seconds = time.time() - start
        sent = [one for one in service.requests() if one.time >= start and one.is_authorized]
    instances = cluster.tasks(*run).values()
    failed = sum(one["state"] != "success" for one in instances)
    if state == "success":
        with run_service(folder) as service:
            files.check(service.client())
    refused = sum(one.status == 429 for one in sent)
    accepted = len(sent) - refused
    ideal = (accepted / throttle.requests - 1) * throttle.seconds if limits != "none" else 0
    shares = [count_logs(cluster, worker, dag_id) for worker in WORKERS]
    tries = sum(one["try_number"] for one in instances)
    share = 100 * refused / max(1, len(sent))
    return (
        f"{limits:10} {seconds:8.1f} {tasks / seconds:8.2f} {len(sent):7} {refused:8} "
        f"{share:6.1f} {max(0, ideal):7.1f} {tries:6} {failed:7} {shares}"
    )


def connect(cluster: Cluster, service: LoggedService, conn_id: str, has_limiter: bool) -> None:
    """Create the connection of the tasks."""
    connection = json.loads(service.airflow_connection)
    extra: Any = connection.pop("extra") | {"limit_requests": has_limiter}
    body = {"connection_id": conn_id, **connection, "extra": json.dumps(extra)}
    cluster.request("POST", "/connections", body)


def count_logs(cluster: Cluster, worker: str, dag_id: str) -> int:
    """Return the number of tries on a worker."""
    pattern = f"airflow/logs/dag_id={dag_id}/**/attempt=*.log"
    return sum(1 for _ in cluster.disk(worker).glob(pattern))


def main(tasks: int = 500, requests: int = 600, seconds: float = 60, *modes: Limits) -> None:
    """Run the benchmark and print the results."""
    throttle = Throttle(requests=requests, seconds=seconds, columns=1000)
    headings = (
        "seconds",
        "tasks/s",
        "sent",
        "refused",
        "%",
        "ideal",
        "tries",
        "failed",
        "workers",
    )
    widths = (8, 8, 7, 8, 6, 7, 6, 7, 0)
    sys.stdout.write(f"{tasks} tasks; limit: {requests} requests in {seconds:g} s\n{'':10} ")
    sys.stdout.write(" ".join(f"{h:>{w}}" for h, w in zip(headings, widths, strict=True)) + "\n")
    with (
        tempfile.TemporaryDirectory() as name,
        run_cluster(Options(concurrency=CONCURRENCY)) as cluster,
    ):
        for mode in modes or MODES:
            folder = Path(name, mode)
            sys.stdout.write(measure(cluster, folder, tasks, mode, throttle) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    numbers = [float(one) if "." in one else int(one) for one in sys.argv[1:4]]
    main(*numbers, *sys.argv[4:])  # type: ignore[arg-type]
