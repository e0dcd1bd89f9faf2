"""Benchmark of memory and time of transfers, as ratios measured in one run.

    python -m tests.bench.transfers [size of the file in bytes, default 1 GB]

The service and each transfer run in separate processes, so that only the client is measured. The
baseline `copy` reads, hashes and writes the same bytes in one thread.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MB = 1_000_000
BLOCK = 1 << 20


@contextmanager
def service(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the service in a separate process and yield the content of service.json."""
    info_path = folder / "service.json"
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
        while not info_path.exists():
            if process.poll() is not None:
                raise RuntimeError("The service did not start.")
            time.sleep(0.05)
        yield json.loads(info_path.read_text())
    finally:
        process.terminate()
        process.wait()


def write(path: Path, size: int) -> None:
    """Write a file of random bytes."""
    block = os.urandom(BLOCK)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(start.to_bytes(8) + block[8 : min(BLOCK, size - start)])


def copy(source: Path, target: Path) -> None:
    """Read, hash and write a file."""
    digest = hashlib.md5()
    with source.open("rb") as file, target.open("wb") as out:
        while data := file.read(BLOCK):
            digest.update(data)
            out.write(data)


def prepare(info: dict[str, Any], action: str, folder: Path, source: Path) -> Callable[[], Any]:
    """Import, log in, and return the function to measure."""
    if action == "copy":
        return lambda: copy(source, folder / "copy.bin")
    from synapse_workflows import Project, Synapse
    from synapse_workflows.client.transfer import download

    names = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")
    endpoints = [info[name] for name in names]
    cache = str(folder / "cache")
    syn = Synapse(
        *endpoints, skip_checks=True, silent=True, configPath="none", cache_root_dir=cache
    )
    syn.login(authToken=info["users"][1]["token"], silent=True)
    handle_path = folder / "handle.json"
    if action == "upload":
        project = syn.store(Project("bench"))
        return lambda: handle_path.write_text(
            json.dumps(syn.uploadFileHandle(str(source), project))
        )
    handle = json.loads(handle_path.read_text())
    syn.cache.remove(handle["id"])
    return lambda: download.download_file(
        syn, file_handle=handle, associate_type="FileEntity", associate_id="syn1"
    )


def measure(action: str, folder: Path, source: Path) -> None:
    """Perform one action in this process; print its seconds and the increase of peak memory."""
    perform = prepare(json.loads((folder / "service.json").read_text()), action, folder, source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    perform()
    seconds = time.perf_counter() - started
    increase = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "memory": increase}))


def main(size: int = 1000 * MB) -> None:
    """Measure all actions in separate processes, and print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), Path(name) / "source.bin"
        write(source, size)
        results = {}
        with service(folder):
            for action in ("copy", "upload", "download"):
                command = [sys.executable, __file__, action, str(folder), str(source)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                results[action] = json.loads(done.stdout)
    baseline = results["copy"]["seconds"]
    lines = [f"file: {size / MB:.0f} MB"]
    for action, result in results.items():
        seconds, memory = result["seconds"], result["memory"]
        lines.append(
            f"{action:9} {seconds:6.2f} s  {seconds / baseline:5.2f} x copy   "
            f"memory increase {memory / MB:6.1f} MB, {memory / size:7.4f} x file"
        )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    if len(sys.argv) > 2:  # one action, called by `main`
        measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
