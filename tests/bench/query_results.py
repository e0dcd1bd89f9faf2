"""Benchmark of query results: to a file and to a DataFrame, as ratios measured in one run.

    python tests/bench/query_results.py [rows, 1 175 000 (about 100 MB)] [rounds, 3]

The steps of each round alternate, so that other load on the machine changes all of them. Every
step runs in a process of its own; its peak memory is the increase over the imports.

    curl               the bytes from the service to a file
    file               `tableQuery` to a file
    read_csv           `pandas.read_csv` of that file
    object             the same, with text as Python objects, as in the frames of `asDataFrame`
    official read_csv  `pandas.read_csv` in the environment of the official client, whose
                       version of pandas always creates Python objects
    frame              `CsvFileTable.asDataFrame` of that file
    official           `asDataFrame` of the official client, of that file
    official query     query and DataFrame with the official client's newer interface
    query              query and DataFrame with `tableQuery`

The steps of the official client are skipped without its environment (`make install-peer`).
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MB = 1 << 20
REPO = Path(__file__).parents[2]
PEER = Path(os.environ.get("SYNAPSE_PEER_PYTHON", REPO / ".venv-peer" / "bin" / "python"))
WORDS = ("adipose", "bone", "cortex", "dermis", "eye")
TYPES = {
    "id": "STRING",
    "tissue": "STRING",
    "value": "DOUBLE",
    "count": "INTEGER",
    "ok": "BOOLEAN",
    "note": "STRING",
}
#: Step -> step that it is compared with.
BASELINES = {
    "curl": "curl",
    "file": "curl",
    "read_csv": "read_csv",
    "object": "read_csv",
    "official read_csv": "official read_csv",
    "frame": "official read_csv",
    "official": "official read_csv",
    "query": "official read_csv",
    "official query": "official read_csv",
}


def write_rows(path: Path, count: int) -> None:
    """Write rows with nulls, empty text and repeated words."""
    with path.open("w") as file:
        file.write(",".join(TYPES) + "\n")
        for n in range(count):
            note = '""' if n % 7 == 0 else f'"sample {n}"' if n % 5 else ""
            whole = n * 7 if n % 3 else ""
            yes = "true" if n % 2 else "false"
            file.write(f'"ID{n:07d}","{WORDS[n % 5]}",{n / 7!r},{whole},{yes},{note}\n')


def connect(facts: dict[str, Any], cache: str) -> Any:
    """Log in with this package."""
    from synapse_workflows import Synapse

    names = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")
    endpoints = [facts[name] for name in names]
    syn = Synapse(
        *endpoints, skip_checks=True, silent=True, configPath="none", cache_root_dir=cache
    )
    syn.login(authToken=facts["users"][1]["token"], silent=True)
    return syn


def connect_official(facts: dict[str, Any], cache: str) -> Any:
    """Log in with the official client."""
    import synapseclient

    names = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")
    syn = synapseclient.Synapse(
        **{name: facts[name] for name in names},
        skip_checks=True,
        silent=True,
        cache_root_dir=cache,
    )
    syn.login(authToken=facts["users"][1]["token"], silent=True)
    return syn


def create_table(facts: dict[str, Any], folder: Path, count: int) -> None:
    """Store the rows, query them once, and write the results of the query for the steps."""
    from synapse_workflows import Column, CsvFileTable, Project, Schema

    write_rows(folder / "rows.csv", count)
    syn = connect(facts, str(folder / "cache"))
    columns = [Column(name=name, columnType=kind) for name, kind in TYPES.items()]
    schema = Schema("large", columns, parent=syn.store(Project("bench")))
    table = syn.store(CsvFileTable(schema, folder / "rows.csv"))
    result = syn.tableQuery(f"select * from {table.tableId}", downloadLocation=str(folder))
    path = Path(result.filepath)
    handle = path.stem.rpartition("_")[2]
    (folder / "steps.json").write_text(json.dumps({"table": table.tableId, "handle": handle}))
    path.rename(folder / "result.csv")


def request_url(syn: Any, table: str, handle: str) -> str:
    """Return a pre-signed URL of the result, which expires soon."""
    file = {
        "fileHandleId": handle,
        "associateObjectId": table,
        "associateObjectType": "TableEntity",
    }
    batch = {
        "includePreSignedURLs": True,
        "includeFileHandles": True,
        "requestedFiles": [file],
    }
    reply = syn.call("POST", "/fileHandle/batch", endpoint="file", json=batch)
    return str(reply.json["requestedFiles"][0]["preSignedURL"])


def prepare(name: str, folder: Path, facts: dict[str, Any]) -> Callable[[], Any]:
    """Import and log in; return the function to measure."""
    step_facts = json.loads((folder / "steps.json").read_text())
    sql, result = f"select * from {step_facts['table']}", str(folder / "result.csv")
    cache = tempfile.mkdtemp(dir=folder)
    if name == "curl":
        url = request_url(connect(facts, cache), step_facts["table"], step_facts["handle"])
        command = ["curl", "-sS", "--fail", "-o", f"{cache}/file", url]
        return lambda: subprocess.run(command, check=True)
    import pandas as pd

    pd.DataFrame({"a": ["b"]})  # imports of pandas are not measured
    if name in {"read_csv", "object", "official read_csv"}:
        text = [column for column, kind in TYPES.items() if kind == "STRING"]
        dtypes = dict.fromkeys(text, object) if name == "object" else None
        return lambda: pd.read_csv(result, dtype=dtypes)
    if name.startswith("official"):
        return prepare_official(name, facts, cache, sql, result)
    import pyarrow.compute  # noqa: I001
    import pyarrow.csv  # noqa: F401
    from synapse_workflows import Column, CsvFileTable
    from synapse_workflows.client.model import arrow_dataframes  # noqa: F401

    headers = [Column(name=column, columnType=kind) for column, kind in TYPES.items()]
    if name == "frame":
        return lambda: CsvFileTable("syn1", result, headers=headers).asDataFrame()
    syn = connect(facts, cache)
    if name == "file":
        return lambda: syn.tableQuery(sql, downloadLocation=cache)
    return lambda: syn.tableQuery(sql).asDataFrame()


def prepare_official(
    name: str, facts: dict[str, Any], cache: str, sql: str, result: str
) -> Callable[[], Any]:
    """Import and log in with the official client; return the function to measure."""
    if name == "official":
        from synapseclient.table import CsvFileTable as OfficialTable

        return lambda: OfficialTable("syn1", result).asDataFrame()
    from synapseclient.models import query

    syn = connect_official(facts, cache)
    return lambda: query(sql, synapse_client=syn)


def measure(name: str, folder: Path) -> None:
    """Perform one step in this process; print its seconds, CPU seconds and peak memory."""
    step = prepare(name, folder, json.loads((folder / "service.json").read_text()))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    found = step()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    is_frame = hasattr(found, "memory_usage")
    size = int(found.memory_usage(deep=True).sum()) if is_frame else 0
    sys.stdout.write(json.dumps({"s": seconds, "cpu": cpu, "peak": peak, "frame": size}) + "\n")


def run_step(name: str, folder: Path) -> dict[str, float]:
    """Perform one step in a new process; return its measurements."""
    python = str(PEER) if name.startswith("official") else sys.executable
    command = [python, __file__, "--step", name, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(results: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians and their ratios."""
    medians = {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in results.items()
    }
    for name, found in medians.items():
        base_name = BASELINES[name] if BASELINES[name] in medians else "read_csv"
        base = medians[base_name]
        memory = f"peak {found['peak'] / MB:6.0f} MiB" if name != "curl" else ""
        if found["frame"]:
            memory += f" = {found['peak'] / found['frame']:4.2f} x its frame"
        sys.stdout.write(
            f"{name:17} {found['s']:6.2f} s {found['s'] / base['s']:6.2f} x {base_name:17}"
            f" CPU {found['cpu']:6.2f} s  {memory}\n"
        )


def main(count: int = 1_175_000, rounds: int = 3) -> None:
    """Run all steps in alternation, and print the ratios."""
    steps = [name for name in BASELINES if PEER.exists() or not name.startswith("official")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
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
                time.sleep(0.05)
            create_table(json.loads((folder / "service.json").read_text()), folder, count)
            size = (folder / "result.csv").stat().st_size
            load = os.getloadavg()[0]
            sys.stdout.write(f"{count} rows, {size / 1e6:.0f} MB; load average {load:.1f}\n")
            results: dict[str, list[dict[str, float]]] = {step: [] for step in steps}
            for _ in range(rounds):
                for step in steps:
                    results[step].append(run_step(step, folder))
            report(results)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:  # a step started by `main`
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
