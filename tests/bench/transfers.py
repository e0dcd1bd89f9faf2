"""How much memory and time a transfer takes: ratios, measured in one run.

    python -m tests.bench.transfers [bytes of the file, 1 GB]

The service runs in a process of its own, and so does each transfer, so that what is measured is
the client's. `copy` is the floor: the same bytes read, hashed and written by one thread.
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
    """Serve from a process of its own; gives what service.json says."""
    told = folder / "service.json"
    arguments = ["-m", "synapse_workflows", "serve", "--port", "0", "--data", str(folder)]
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not told.exists():
            if process.poll() is not None:
                raise RuntimeError("the service did not start")
            time.sleep(0.05)
        yield json.loads(told.read_text())
    finally:
        process.terminate()
        process.wait()


def write(path: Path, size: int) -> None:
    """Write random bytes; a gigabyte takes some seconds."""
    block = os.urandom(BLOCK)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(start.to_bytes(8) + block[8 : min(BLOCK, size - start)])


def copy(source: Path, target: Path) -> None:
    """Read, hash and write: what no transfer can do without."""
    digest = hashlib.md5()
    with source.open("rb") as file, target.open("wb") as out:
        while data := file.read(BLOCK):
            digest.update(data)
            out.write(data)


def step(facts: dict[str, Any], what: str, folder: Path, source: Path) -> Callable[[], Any]:
    """Prepare one thing to measure, imports and login included."""
    if what == "copy":
        return lambda: copy(source, folder / "copy.bin")
    from synapse_workflows import Project, Synapse
    from synapse_workflows.client.transfer import download

    names = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")
    endpoints = [facts[name] for name in names]
    cache = str(folder / "cache")
    syn = Synapse(
        *endpoints, skip_checks=True, silent=True, configPath="none", cache_root_dir=cache
    )
    syn.login(authToken=facts["users"][1]["token"], silent=True)
    known = folder / "handle.json"
    if what == "upload":
        project = syn.store(Project("bench"))
        return lambda: known.write_text(json.dumps(syn.uploadFileHandle(str(source), project)))
    handle = json.loads(known.read_text())
    syn.cache.remove(handle["id"])
    return lambda: download.download_file(
        syn, file_handle=handle, associate_type="FileEntity", associate_id="syn1"
    )


def measure(what: str, folder: Path, source: Path) -> None:
    """Do one thing in this process; print seconds, and how far memory rose above the start."""
    act = step(json.loads((folder / "service.json").read_text()), what, folder, source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    act()
    seconds = time.perf_counter() - began
    rose = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "rose": rose}))


def main(size: int = 1000 * MB) -> None:
    """Measure all, each in a process of its own, and print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), Path(name) / "source.bin"
        write(source, size)
        found = {}
        with service(folder):
            for what in ("copy", "upload", "download"):
                command = [sys.executable, __file__, what, str(folder), str(source)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                found[what] = json.loads(done.stdout)
    floor = found["copy"]["seconds"]
    lines = [f"file: {size / MB:.0f} MB"]
    for what, facts in found.items():
        seconds, rose = facts["seconds"], facts["rose"]
        lines.append(
            f"{what:9} {seconds:6.2f} s  {seconds / floor:5.2f} x copy   "
            f"memory rose {rose / MB:6.1f} MB, {rose / size:7.4f} x file"
        )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    if len(sys.argv) > 2:  # one step, as `main` calls it
        measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
