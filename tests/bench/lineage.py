"""Benchmark of the cost of lineage, as ratios measured in one run.

    python tests/bench/lineage.py

`run` compares runs of a task that uses neither Synapse nor hooks, with and without the listeners
of the plugin, by CPU time. The runs alternate, so that other load affects both. `start` compares
the import of Airflow's task runner with and without the plugin, in new processes. `inputs` is the
CPU time of a task that reads many entities and stores a file, with and without lineage, including
the CPU time of the local service.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

RUNS = 300
STARTS = 7
INPUTS = (100, 1000, 10_000)
RUNNER = "import airflow.sdk, airflow.sdk.execution_time.task_runner"
PLUGIN = f"{RUNNER}; import synapse_workflows.plugin"


def measure(action: Callable[[], Any]) -> float:
    """Return the CPU time of an action and of its processes, in seconds."""
    before = os.times()
    action()
    return sum(os.times()[:4]) - sum(before[:4])


def compare(plain: Callable[[], Any], measured: Callable[[], Any], rounds: int) -> str:
    """Run two actions in turn; return their mean times and the ratio."""
    times = [(measure(plain), measure(measured)) for _ in range(rounds)]
    before, after = map(statistics.fmean, zip(*times, strict=True))
    return f"{before * 1000:.1f} ms -> {after * 1000:.1f} ms, ratio {after / before:.3f}"


def run_plain_task(*, with_listeners: bool) -> Callable[[], Any]:
    """Return a function that runs a task which does nothing."""
    from airflow.sdk import DAG, task
    from airflow.sdk.listener import get_listener_manager
    from support.execution_api import ExecutionApi, Run

    from synapse_workflows.plugin import SynapsePlugin

    with DAG("plain", schedule=None) as dag:
        task(lambda: 1).override(task_id="work")()
    manager = get_listener_manager().pm

    def run() -> None:
        for listener in SynapsePlugin.listeners:
            if with_listeners and not manager.is_registered(listener):
                manager.register(listener)
            elif not with_listeners and manager.is_registered(listener):
                manager.unregister(listener)
        assert Run(ExecutionApi({}), dag).task("work").state == "success"

    return run


def run_storing_task(service: Any, folder: Path, inputs: int, mode: str) -> Callable[[], Any]:
    """Return a function that runs a task which reads entities and stores a file.

    Args:
        service: the service.
        folder: folder of the file.
        inputs: number of entities. They are not read really, only recorded.
        mode: lineage mode.
    """
    from airflow.sdk import DAG, task
    from support.execution_api import ExecutionApi, Run

    from synapse_workflows import File, Project, SynapseHook
    from synapse_workflows.client.core.events import Read

    with service.client(cache_root_dir=str(folder / "cache")) as syn:
        project = syn.store(Project(f"Benchmark {mode} {inputs}")).id
    file = folder / f"{mode}{inputs}.txt"

    def work() -> None:
        syn = SynapseHook(lineage_mode=mode).client  # type: ignore[arg-type]
        for number in range(inputs):
            syn.emit(Read(f"syn{10**8 + number}", 1, f"{number}.txt"))
        file.write_text(f"{mode} {inputs}")
        syn.store(File(str(file), parent=project))

    with DAG("storing", schedule=None) as dag:
        task(work).override(task_id="work")()

    def run() -> None:
        api = ExecutionApi({"synapse_default": service.airflow_connection})
        assert Run(api, dag).task("work").state == "success"

    return run


def compare_inputs(folder: Path) -> Iterator[str]:
    """Yield the CPU time of storing tasks, without and with lineage."""
    from synapse_workflows.testing import over_socket

    with over_socket(folder / "service") as service:
        for inputs in INPUTS:
            plain, measured = (
                run_storing_task(service, folder, inputs, mode) for mode in ("off", "merge")
            )
            compare(plain, measured, 1)
            yield f"inputs {inputs}: {compare(plain, measured, 3)}"


def start_process(code: str) -> Callable[[], Any]:
    """Return a function that runs code in a new process."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
        plain, measured = (run_plain_task(with_listeners=flag) for flag in (False, True))
        compare(plain, measured, 5)
        results = [
            f"run:   {compare(plain, measured, RUNS)}",
            f"start: {compare(start_process(RUNNER), start_process(PLUGIN), STARTS)}",
            *compare_inputs(Path(home)),
        ]
    print(*results, sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
