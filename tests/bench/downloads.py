"""Benchmark of downloads and reads, as ratios measured in one run; nginx serves the bytes.

    python -m tests.bench.downloads [size of the file in bytes, 1 GiB] [rounds, 3]

The steps of each round alternate, so that other load on the machine changes all of them. Every
step runs in a process of its own; its peak memory is the increase over imports and login.

    file     one file with verification of its MD5: curl and md5sum, this client, the official
             client
    reads    200 metadata reads one after another, with responses of nginx: curl on one connection,
             a loop of requests, this client, both interfaces of the official client
    small    500 files of 100 kB, one after another: this client, both interfaces of the official
             client

The steps of the official client are skipped without its environment (`make install-peer`).
"""

import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

GiB = 1 << 30
MB = 1_000_000
READS = 200
SMALL_FILES = 500
SMALL_SIZE = 100_000
BLOCK = 1 << 20
REPO = Path(__file__).parents[2]
PEER = Path(os.environ.get("SYNAPSE_PEER_PYTHON", REPO / ".venv-peer" / "bin" / "python"))
#: Step -> step that it is compared with.
BASELINES = {
    "file curl": "file curl",
    "file client": "file curl",
    "file official": "file curl",
    "reads curl": "reads requests",
    "reads requests": "reads requests",
    "reads client": "reads requests",
    "reads official get": "reads requests",
    "reads official models": "reads requests",
    "small official get": "small official get",
    "small official models": "small official get",
    "small client": "small official get",
}
ENDPOINTS = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")


class Step:
    """One step in its own process.

    Args:
        folder: Directory with the facts of `prepare`.
    """

    def __init__(self, folder: Path) -> None:
        self.facts = json.loads((folder / "facts.json").read_text())
        self.target = tempfile.mkdtemp(dir=folder)

    def connect(self) -> Any:
        """Log in with this client."""
        from synapse_workflows import Synapse

        syn = Synapse(
            *(self.facts[name] for name in ENDPOINTS),
            skip_checks=True,
            silent=True,
            configPath="none",
            cache_root_dir=f"{self.target}/cache",
        )
        syn.login(authToken=self.facts["token"], silent=True)
        return syn

    def connect_official(self) -> Any:
        """Log in with the official client."""
        import synapseclient

        syn = synapseclient.Synapse(
            **{name: self.facts[name] for name in ENDPOINTS},
            skip_checks=True,
            silent=True,
            cache_root_dir=f"{self.target}/cache",
        )
        syn.login(authToken=self.facts["token"], silent=True)
        return syn

    def file_curl(self) -> Callable[[], Any]:
        """Download with curl; then compute the MD5."""
        path = f"{self.target}/file"
        commands = [
            ["curl", "-sS", "--fail", "-o", path, self.facts["large url"]],
            ["md5sum", path],
        ]
        return lambda: [
            subprocess.run(each, check=True, stdout=subprocess.DEVNULL) for each in commands
        ]

    def file_client(self) -> Callable[[], Any]:
        """Download the file entity."""
        syn = self.connect()
        return lambda: syn.get(self.facts["large"], downloadLocation=self.target)

    def file_official(self) -> Callable[[], Any]:
        """Download the file entity."""
        syn = self.connect_official()
        return lambda: syn.get(self.facts["large"], downloadLocation=self.target)

    def reads_curl(self) -> Callable[[], Any]:
        """Send the same request on one connection."""
        url = f"{self.facts['read_url']}?[1-{READS}]"
        body = ["-H", "Content-Type: application/json", "--data", self.facts["read_body"]]
        command = ["curl", "-sS", "--fail", *body, "-o", "/dev/null", url]
        return lambda: subprocess.run(command, check=True)

    def reads_requests(self) -> Callable[[], Any]:
        """Send the same request, and parse its response."""
        import requests

        session = requests.Session()
        headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
        url, body = self.facts["read_url"], self.facts["read_body"]
        return lambda: [session.post(url, data=body, headers=headers).json() for _ in range(READS)]

    def reads_client(self) -> Callable[[], Any]:
        """Get an entity without its content."""
        syn = self.connect()
        return lambda: [syn.get(self.facts["read"], downloadFile=False).etag for _ in range(READS)]

    def reads_official_get(self) -> Callable[[], Any]:
        """Get an entity without its content."""
        syn = self.connect_official()
        return lambda: [syn.get(self.facts["read"], downloadFile=False).etag for _ in range(READS)]

    def reads_official_models(self) -> Callable[[], Any]:
        """Get an entity without its content."""
        from synapseclient.models import File

        syn, entity_id = self.connect_official(), self.facts["read"]
        return lambda: [
            File(id=entity_id, download_file=False).get(synapse_client=syn).etag
            for _ in range(READS)
        ]

    def small_client(self) -> Callable[[], Any]:
        """Download small files."""
        syn = self.connect()
        return lambda: [syn.get(each, downloadLocation=self.target) for each in self.small()]

    def small_official_get(self) -> Callable[[], Any]:
        """Download small files."""
        syn = self.connect_official()
        return lambda: [syn.get(each, downloadLocation=self.target) for each in self.small()]

    def small_official_models(self) -> Callable[[], Any]:
        """Download small files."""
        from synapseclient.models import File

        syn = self.connect_official()
        return lambda: [
            File(id=each, path=self.target).get(synapse_client=syn) for each in self.small()
        ]

    def small(self) -> list[str]:
        """Return the IDs of the small files."""
        ids: list[str] = self.facts["small"]
        return ids


def measure(name: str, folder: Path) -> None:
    """Perform one step in this process; print its seconds, CPU seconds and peak memory."""
    perform = getattr(Step(folder), name.replace(" ", "_"))()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), cpu_seconds()
    perform()
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    sys.stdout.write(json.dumps({"s": seconds, "cpu": cpu, "peak": peak}) + "\n")


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def write(path: Path, size: int) -> str:
    """Write a file of random bytes; return its MD5."""
    digest, block = hashlib.md5(), os.urandom(BLOCK)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            data = start.to_bytes(8) + block[8 : min(BLOCK, size - start)]
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def prepare(folder: Path, service: dict[str, Any], server: Any, size: int) -> None:
    """Store the files, serve their content and one entity by nginx, and write the facts."""
    base_url = service["repoEndpoint"].removesuffix("/repo/v1")
    urls = {name: service[name].replace(base_url, server.url) for name in ENDPOINTS}
    facts = {**urls, "token": service["users"][1]["token"]}
    (folder / "facts.json").write_text(json.dumps(facts))
    from synapse_workflows import File, Project
    from synapse_workflows.client.api import bundles

    with Step(folder).connect() as syn:
        project = syn.store(Project("bench"))

        def store(name: str, file_size: int) -> Any:
            path = folder / name
            write(path, file_size)
            stored = syn.store(File(str(path), parent=project))
            facts[f"{name} url"] = server.serve_download(stored.dataFileHandleId, path)
            return stored

        facts["small"] = [store(f"small{n}", SMALL_SIZE).id for n in range(SMALL_FILES)]
        facts["large"] = store("large", size).id
        facts["read"] = store("read", SMALL_SIZE).id
        bundle = bundles.get_bundle(syn, facts["read"])
    (folder / "bundle").write_text(json.dumps(bundle))
    path = urlsplit(f"{urls['repoEndpoint']}/entity/{facts['read']}/bundle2").path
    facts["read_url"] = server.serve(path.strip("/"), folder / "bundle")
    facts["read_body"] = json.dumps({"includeEntity": True, "includeAnnotations": True})
    (folder / "facts.json").write_text(json.dumps(facts))


@contextmanager
def service(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the service in a separate process; yield the content of service.json."""
    arguments = [
        "-m",
        "synapse_workflows",
        "serve",
        "--s3",
        "off",
        "--port",
        "0",
        "--data",
        str(folder),
    ]
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (folder / "service.json").exists():
            if process.poll() is not None:
                raise RuntimeError("The service did not start.")
            time.sleep(0.05)
        yield json.loads((folder / "service.json").read_text())
    finally:
        process.terminate()
        process.wait()


def run_step(name: str, folder: Path) -> dict[str, float]:
    """Perform one step in a new process; return its measurements."""
    python = str(PEER) if "official" in name else sys.executable
    command = [python, __file__, "--step", name, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(results: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians, and the medians of the ratios within each round."""
    for name, found in results.items():
        base = BASELINES[name] if BASELINES[name] in results else name
        ratios = [one["s"] / other["s"] for one, other in zip(found, results[base], strict=True)]
        middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
        sys.stdout.write(
            f"{name:22} {middle['s']:7.2f} s {statistics.median(ratios):6.2f} x {base:19}"
            f" CPU {middle['cpu']:6.2f} s  peak {middle['peak'] / MB:6.1f} MB\n"
        )


def main(size: int = GiB, rounds: int = 3, *groups: str) -> None:
    """Run the steps in alternation, and print the ratios."""
    from tests.support.nginx_server import nginx_server

    steps = [
        name
        for name in BASELINES
        if (PEER.exists() or "official" not in name)
        and (not groups or name.partition(" ")[0] in groups)
    ]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in steps}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            service(folder) as facts,
            nginx_server(
                folder / "nginx", facts["repoEndpoint"].removesuffix("/repo/v1")
            ) as server,
        ):
            prepare(folder, facts, server, size)
            sys.stdout.write(f"{size} bytes; load average {os.getloadavg()[0]:.1f}\n")
            for _ in range(rounds):
                for step in steps:
                    results[step].append(run_step(step, folder))
        report(results)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:  # a step started by `main`
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:3]), *sys.argv[3:])
