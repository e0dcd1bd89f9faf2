"""How much memory and time a large table takes: in by a generator of rows, out by a CSV file.

    python tests/bench/tables.py [rows, 1 000 000]

Twenty columns, about 200 bytes a row. The service runs in a process of its own, and so does each
step, so that the peaks are the client's and the service's alone.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

MB = 1_000_000
#: Megabytes that neither client nor service may exceed.
LIMIT = 400
WORDS = ("adipose", "bone", "cortex", "dermis", "eye")


def rows(count: int) -> Iterator[list[Any]]:
    """Make rows of numbers, words, flags and nulls."""
    for n in range(count):
        whole = [n, n * 7, n % 11, None if n % 3 else n, 10**12 + n, n % 2]
        words = [f"sample {n}", WORDS[n % 5], "" if n % 4 else None, f'"{n}", \\ é', "x" * 10, "y"]
        yield [*whole, *words, n / 7, n / 3, None, -n / 9, n % 2 == 0, None, n * 1000, [n, n + 1]]


def columns() -> list[Any]:
    """Describe them."""
    from synapse_workflows import Column

    kinds = ["INTEGER"] * 6 + ["STRING"] * 6 + ["DOUBLE"] * 4 + ["BOOLEAN"] * 2
    kinds += ["DATE", "INTEGER_LIST"]
    return [Column(name=f"c {at}", columnType=kind) for at, kind in enumerate(kinds)]


def step(what: str, folder: Path, count: int) -> Callable[[], Any]:
    """Prepare one thing to measure, imports and login included."""
    from synapse_workflows import Project, Schema, Synapse, Table

    facts = json.loads((folder / "service.json").read_text())
    names = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")
    syn = Synapse(
        *(facts[name] for name in names),
        skip_checks=True,
        silent=True,
        configPath="none",
        cache_root_dir=str(folder / "cache"),
    )
    syn.table_query_sleep = syn.table_query_max_sleep = 0.2
    syn.login(authToken=facts["users"][1]["token"], silent=True)
    known = folder / "table.txt"
    if what == "store":
        project = syn.store(Project("bench"))
        schema = syn.store(Schema("large", columns(), parent=project))
        known.write_text(schema.id)
        return lambda: syn.store(Table(schema, rows(count)))
    sql = f"select * from {known.read_text()}"

    def read() -> None:
        found = sum(1 for _ in syn.tableQuery(sql))
        if found != count:
            raise RuntimeError(f"{found} rows came back of {count}")

    return read


def measure(what: str, folder: Path, count: int) -> None:
    """Do one thing in this process; print seconds and the peak of its memory, in MB."""
    act = step(what, folder, count)
    began = time.perf_counter()
    act()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    sys.stdout.write(json.dumps({"seconds": seconds, "peak": peak}))


def peak_of(process: psutil.Process) -> float:
    """Read off the peak of another process's memory so far, in MB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / MB


def main(count: int = 1_000_000) -> None:
    """Measure all, each in a process of its own; fail when a peak is above the limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = ["-m", "synapse_workflows", "serve", "--port", "0", "--data", str(folder)]
        served = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not (folder / "service.json").exists():
                time.sleep(0.05)
            lines, peaks = [f"{count} rows"], []
            for what in ("store", "read"):
                command = [sys.executable, __file__, what, str(folder), str(count)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                facts = json.loads(done.stdout)
                service_peak = peak_of(psutil.Process(served.pid))
                peaks += [facts["peak"], service_peak]
                lines.append(
                    f"{what:6} {facts['seconds']:7.1f} s   client {facts['peak']:6.1f} MB   "
                    f"service {service_peak:6.1f} MB"
                )
        finally:
            served.terminate()
            served.wait()
    sys.stdout.write("\n".join([*lines, ""]))
    if max(peaks) > LIMIT:
        raise SystemExit(f"more than {LIMIT} MB")


if __name__ == "__main__":
    if len(sys.argv) > 2:  # one step, as `main` calls it
        measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
