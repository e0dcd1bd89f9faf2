"""Benchmark of transfers to and from a real S3 server, as ratios measured in one run.

    python -m tests.bench.s3 [size of the file in MiB, default 256]

The baseline is boto3 with the same temporary credentials, and `hashlib` for the MD5 that the
client computes in addition. `client` sends and receives through URLs that the service signs;
`client sts` uses temporary credentials itself. Service and S3 server are separate processes. Each
result is the median of three rounds; the candidates alternate within a round.
"""

import hashlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MiB = 1 << 20
ROUNDS = 3
NUMBERS = itertools.count()


@contextmanager
def service(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the service with its S3 server; yield the content of service.json."""
    command = [sys.executable, "-m", "synapse_workflows", "serve", "--s3", "auto"]
    with (
        (folder / "serve.log").open("wb") as log,
        subprocess.Popen(
            [*command, "--port", "0", "--data", str(folder)], stdout=log, stderr=log
        ) as process,
    ):
        try:
            path = folder / "service.json"
            while not path.exists():
                if process.poll() is not None:
                    raise RuntimeError((folder / "serve.log").read_text()[-2000:])
                time.sleep(0.05)
            yield json.loads(path.read_text())
        finally:
            process.terminate()


def create_client(info: dict[str, Any], folder: Path, settings: str = "") -> Any:
    """Return a client of the user alice."""
    from synapse_workflows import Synapse

    config = folder / f"config{next(NUMBERS)}"
    config.write_text(settings)
    syn = Synapse(
        **{name: info[name] for name in info if name.endswith("Endpoint")},
        skip_checks=True,
        silent=True,
        configPath=str(config),
        cache_root_dir=str(folder / f"cache{next(NUMBERS)}"),
    )
    alice = next(user for user in info["users"] if user["userName"] == "alice")
    syn.login(authToken=alice["token"], silent=True)
    return syn


class Baseline:
    """boto3 with the credentials of a folder, and the MD5 of the file."""

    def __init__(self, syn: Any, parent: str) -> None:
        import boto3

        self.token = syn.get_sts_storage_token(parent, "read_write")
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.token.get("endpointUrl"),
            region_name="us-east-1",
            **syn.get_sts_storage_token(parent, "read_write", output_format="boto"),
        )

    def upload(self, path: Path) -> str:
        """Hash and upload a file; return its key."""
        hash_file(path)
        key = f"{self.token['baseKey']}/{next(NUMBERS)}"
        self.s3.upload_file(str(path), self.token["bucket"], key)
        return key

    def download(self, key: str, target: Path) -> None:
        """Download and hash an object."""
        self.s3.download_file(self.token["bucket"], key, str(target / "object"))
        hash_file(target / "object")


class Client:
    """The client of this package."""

    def __init__(self, syn: Any, parent: str) -> None:
        self.syn = syn
        self.parent = parent

    def upload(self, path: Path) -> str:
        """Store a file; return its ID."""
        from synapse_workflows import File

        return str(self.syn.store(File(str(path), self.parent, name=f"{next(NUMBERS)}.bin")).id)

    def download(self, entity_id: str, target: Path) -> None:
        """Download a file, not from the cache."""
        self.syn.cache.purge(time.time() + 1)
        self.syn.get(entity_id, downloadLocation=str(target))


def hash_file(path: Path) -> None:
    """Compute the MD5 of a file."""
    with path.open("rb") as file:
        hashlib.file_digest(file, "md5")


def measure(action: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the seconds and the result of an action."""
    started = time.perf_counter()
    result = action(*arguments)
    return time.perf_counter() - started, result


def main(mebibytes: int = 256) -> None:
    """Measure uploads and downloads."""
    from synapse_workflows import Project

    with tempfile.TemporaryDirectory() as name, service(Path(name)) as info:
        folder = Path(name)
        syn = create_client(info, folder)
        parent, _, _ = syn.create_s3_storage_location(
            parent=syn.store(Project("bench")),
            folder_name="data",
            bucket_name="bench",
            base_key="base",
            sts_enabled=True,
        )
        with_sts = create_client(info, folder, "[transfer]\nuse_boto_sts = true\n")
        candidates = {
            "boto3": Baseline(syn, parent.id),
            "client": Client(syn, parent.id),
            "client sts": Client(with_sts, parent.id),
        }
        seconds: dict[tuple[str, str], list[float]] = {}
        for number, (label, candidate) in itertools.product(range(ROUNDS), candidates.items()):
            path = folder / f"{number}-{label}.bin"
            path.write_bytes(os.urandom(MiB) * mebibytes)
            target = folder / f"target-{number}-{label}"
            target.mkdir()
            spent, stored = measure(candidate.upload, path)
            seconds.setdefault(("upload", label), []).append(spent)
            spent, _ = measure(candidate.download, stored, target)
            seconds.setdefault(("download", label), []).append(spent)
            path.unlink()
    for (action, label), values in sorted(seconds.items(), reverse=True):
        median, base = statistics.median(values), statistics.median(seconds[action, "boto3"])
        sys.stdout.write(f"{action:8} {label:10} {median:6.2f} s  {median / base:5.2f} x boto3\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
