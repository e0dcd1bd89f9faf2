"""Benchmark of memory and time for a large table, with the client and with the operators.

    python tests/bench/tables.py [rows, 1 000 000] [steps, all]

Twenty columns, about 200 bytes a row. The service and each step run in processes of their own, to
measure the peak memory of client and service separately. Tasks run in Airflow's task runner, whose
memory counts. The CPU seconds of both, and the load of the machine, tell what a busy machine adds.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

MB = 1_000_000
#: Maximum peak memory of client and service, in megabytes.
LIMIT = 400
WORDS = ("adipose", "bone", "cortex", "dermis", "eye")
KINDS = [
    *["INTEGER"] * 6,
    *["STRING"] * 6,
    *["DOUBLE"] * 4,
    *["BOOLEAN"] * 2,
    "DATE",
    "INTEGER_LIST",
]


def rows(count: int, changed: int = 0) -> Iterator[list[Any]]:
    """Yield rows of numbers, words, flags and nulls; `changed` alters every second row."""
    for n in range(count):
        new = changed if n % 2 else 0
        whole = [n, n * 7 + new, n % 11, None if n % 3 else n, 10**12 + n, n % 2]
        words = [f"sample {n}", WORDS[n % 5], "" if n % 4 else None, f'"{n}", \\ é', "x" * 10, "y"]
        yield [*whole, *words, n / 7, n / 3, None, -n / 9, n % 2 == 0, None, n * 1000, [n, n + 1]]


class Bench:
    """Steps of the benchmark, with their service, table and folder.

    Args:
        folder: data directory of the service.
        count: number of rows.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.facts = json.loads((folder / "service.json").read_text())
        self.id_file = folder / "table.txt"

    def client(self) -> Any:
        """Create a client and log in."""
        from synapse_workflows import Synapse

        names = ("repoEndpoint", "authEndpoint", "fileHandleEndpoint", "portalEndpoint")
        syn = Synapse(
            *(self.facts[name] for name in names),
            skip_checks=True,
            silent=True,
            configPath="none",
            cache_root_dir=str(self.folder / "cache"),
        )
        syn.login(authToken=self.facts["users"][1]["token"], silent=True)
        return syn

    def new_table(self, syn: Any) -> Any:
        """Create a table without rows for the following steps."""
        from synapse_workflows import Column, Project, Schema

        columns = [Column(name=f"c {index}", columnType=kind) for index, kind in enumerate(KINDS)]
        project = syn.store(Project("bench"))
        schema = syn.store(Schema(f"large {time.time()}", columns, parent=project))
        self.id_file.write_text(schema.id)
        return schema

    @property
    def table(self) -> str:
        """ID of the table."""
        return self.id_file.read_text()

    def require(self, found: int, step_name: str) -> None:
        """Raise an error unless the number of rows is expected."""
        if found != self.count:
            raise RuntimeError(f"Expected {self.count} rows, but {found} {step_name}")

    def client_in(self) -> Callable[[], Any]:
        """Store a generator of rows."""
        from synapse_workflows import Table

        syn = self.client()
        schema = self.new_table(syn)
        return lambda: syn.store(Table(schema, rows(self.count)))

    def client_out(self) -> Callable[[], Any]:
        """Query all rows and iterate over them."""
        syn = self.client()
        sql = f"select * from {self.table}"
        return lambda: self.require(sum(1 for _ in syn.tableQuery(sql)), "were returned")

    def file(self, changed: int = 0) -> str:
        """Write rows to a CSV file; return its path."""
        from synapse_workflows import Column
        from synapse_workflows.client.model import cell_codec
        from synapse_workflows.idempotency.row_source import STANDARD_CSV

        path = self.folder / f"rows-{changed}.csv"
        if not path.exists():
            writers = [
                cell_codec.create_writer(Column(name="c", columnType=kind)) for kind in KINDS
            ]
            with path.open("w", newline="") as to:
                to.write(STANDARD_CSV.format_row([f"c {index}" for index, _ in enumerate(KINDS)]))
                for row in rows(self.count, changed):
                    pairs = zip(writers, row, strict=True)
                    to.write(STANDARD_CSV.format_row([write(cell) for write, cell in pairs]))
        return str(path)

    def append(self) -> Callable[[], Any]:
        """Append all rows to an empty table."""
        file = self.file()
        self.new_table(self.client())
        return self.task({"added": self.count}, rows=file)

    def upsert(self) -> Callable[[], Any]:
        """Change half of the rows by upsert."""
        changed = self.count // 2
        return self.task({"changed": changed}, rows=self.file(1), mode="upsert", key="c 0")

    def replace(self) -> Callable[[], Any]:
        """Replace all rows."""
        expected = {"added": self.count, "deleted": self.count}
        return self.task(expected, rows=self.file(2), mode="replace")

    def query_csv(self) -> Callable[[], Any]:
        """Query all rows to a CSV file."""
        return self.query("rows.csv")

    def query_parquet(self) -> Callable[[], Any]:
        """Query all rows to a Parquet file."""
        return self.query("rows.parquet")

    def append_parquet(self) -> Callable[[], Any]:
        """Append the rows of a Parquet file to an empty table."""
        self.new_table(self.client())
        return self.task({"added": self.count}, rows=str(self.folder / "rows.parquet"))

    def task(self, expected: dict[str, int], **arguments: Any) -> Callable[[], Any]:
        """Prepare a task that stores rows; it fails unless the counts are expected."""
        self.airflow()
        from synapse_workflows import SynapseTableStoreOperator

        def step() -> None:
            result = self.run(SynapseTableStoreOperator, table_id=self.table, **arguments)
            if any(result[key] != number for key, number in expected.items()):
                raise RuntimeError(f"Expected {expected}, but the result is {result}")

        return step

    def query(self, name: str) -> Callable[[], Any]:
        """Prepare a task that queries all rows to a file."""
        self.airflow()
        from synapse_workflows import SynapseTableQueryOperator

        sql, path = f"select * from {self.table}", str(self.folder / name)
        return lambda: self.require(
            self.run(SynapseTableQueryOperator, sql=sql, output_path=path)["rows"], "were queried"
        )

    def airflow(self) -> None:
        """Import Airflow with a temporary home directory."""
        os.environ["AIRFLOW_HOME"] = str(self.folder / "airflow")
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        from support import execution_api  # noqa: F401

    def run(self, operator: Any, **arguments: Any) -> Any:
        """Run one task; return its result."""
        from airflow.sdk import DAG
        from support.execution_api import ExecutionApi, Run

        api = ExecutionApi({"synapse_default": json.dumps(self.connection())})
        with DAG("bench", schedule=None) as dag:
            operator(task_id="task", **arguments)
        run = Run(api, dag)
        result = run.task("task")
        if result.state != "success":
            raise RuntimeError(f"State of the task: {result.state}: {result.error}")
        return run.value("task")

    def connection(self) -> dict[str, Any]:
        """Return the connection of the tasks, with a cache in the folder."""
        found: dict[str, Any] = json.loads(self.facts["airflow_connection"])
        found["extra"]["cache_dir"] = str(self.folder / "cache")
        return found


STEPS = (
    *("client_in", "client_out"),
    *("append", "upsert", "query_csv", "query_parquet", "replace", "append_parquet"),
)


def measure(step_name: str, folder: Path, count: int) -> None:
    """Run one step; write its seconds, its CPU seconds and its peak memory in MB to a file."""
    step = getattr(Bench(folder, count), step_name)()
    start, cpu = time.perf_counter(), time.process_time()
    step()
    measured = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB,
    }
    (folder / "measured.json").write_text(json.dumps(measured))


def get_cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of another process."""
    times = process.cpu_times()
    return times.user + times.system


def reset_peak(process: psutil.Process) -> None:
    """Reset the peak memory of another process (Linux)."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def get_peak(process: psutil.Process) -> float:
    """Return the peak memory of another process since the reset, in MB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / MB


def format_use(cpu: float, peak: float) -> str:
    """Format CPU seconds, and a peak in MB and as a share of the limit."""
    return f"{cpu:5.1f} s {peak:6.1f} MB {peak / LIMIT:5.0%}"


def main(count: int = 1_000_000, *steps: str) -> None:
    """Run all steps in separate processes; fail if a peak exceeds the limit."""
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
        arguments += ["--query-seconds", "3600"]  # the machine may be busy
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        peaks: list[float] = []
        title = f"{count} rows; shares are of {LIMIT} MB"
        sys.stdout.write(f"{title:28} {'client':>21} {'service':>24}   load\n")
        try:
            while not (folder / "service.json").exists():
                time.sleep(0.05)
            for step_name in steps or STEPS:
                service = psutil.Process(process.pid)
                reset_peak(service)
                cpu = get_cpu(service)
                command = [sys.executable, __file__, "--step", step_name, str(folder), str(count)]
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                facts = json.loads((folder / "measured.json").read_text())
                peaks += [facts["peak"], get_peak(service)]
                times = facts["cpu"], get_cpu(service) - cpu
                line = f"{step_name:14} {facts['seconds']:7.1f} s   "
                line += "  ".join(map(format_use, times, peaks[-2:]))
                sys.stdout.write(f"{line}  {os.getloadavg()[0]:5.1f}\n")
                sys.stdout.flush()
        finally:
            process.terminate()
            process.wait()
    if max(peaks) > LIMIT:
        raise SystemExit(f"Peak memory exceeds {LIMIT} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:  # a step started by `main`
        measure(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(*map(int, sys.argv[1:2]), *sys.argv[2:])
