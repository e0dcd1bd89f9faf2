"""Random DAGs of tasks that read and store, for `lineage_model`, and their runs in Airflow."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task as task_decorator
from hypothesis import strategies as st

from support.execution_api import Run
from support.lineage_model import Op, Task, iter_order
from synapse_workflows import File, SynapseHook, Table
from synapse_workflows.assets import synapse_asset

RAW = ("raw0", "raw1", "raw2")
RAW_VERSIONS = 2
#: How many of the tries of a task fail.
MAX_FAILURES = 1


class TryFailedError(RuntimeError):
    """Failure at the end of a try."""


def _ops(task_id: str, *, is_mapped: bool) -> st.SearchStrategy[tuple[Op, ...]]:
    raw = st.sampled_from(RAW)
    versions = st.integers(1, RAW_VERSIONS)
    name = f"{task_id}-{{i}}.txt" if is_mapped else f"{task_id}.txt"
    names = st.sampled_from([name, "shared{i}.txt" if is_mapped else "shared.txt"])
    texts = st.sampled_from(
        ["same", f"{task_id} {{run}} {{i}}", f"{task_id} {{run}} {{i}} {{try}}"]
    )
    reads = st.builds(Op, st.sampled_from(["read", "read", "look"]), raw, versions)
    stores = st.builds(lambda name, text: Op("store", name, 0, text), names, texts)
    appends = st.builds(lambda: Op("append", "table"))
    one = st.one_of(reads, reads, stores, stores, appends)
    return st.lists(one, max_size=4).map(_keep_valid)


def _keep_valid(ops: list[Op]) -> tuple[Op, ...]:
    """Store each file once, append once, and read the last stored file again in the end."""
    kept: list[Op] = []
    for op in ops:
        is_again = op.kind in ("store", "append") and any(op.name == one.name for one in kept)
        if not is_again:
            kept.append(op)
    stored = [op for op in kept if op.kind == "store"]
    if len(stored) > 1:
        kept.append(Op("reread", stored[0].name))
    return tuple(kept)


@st.composite
def dags(draw: Callable[..., Any], *, size: int = 4) -> dict[str, Task]:
    """Generate DAGs, as tasks in topological order."""
    tasks: dict[str, Task] = {}
    open_branches: list[str] = []
    for number in range(draw(st.integers(1, size))):
        task_id = f"t{number}"
        known = list(tasks)
        after = draw(st.lists(st.sampled_from(known), unique=True, max_size=3)) if known else []
        after = [one for one in after if tasks[one].chosen is None or one in open_branches]
        data = [one for one in after if tasks[one].chosen is None and draw(st.booleans())]
        over = draw(st.sampled_from([None, None, "literal", *data]))
        count = draw(st.integers(1, 3))
        if over not in (None, "literal"):
            count = tasks[over].count if tasks[over].over is not None else 2
        is_branch = over is None and draw(st.integers(0, 4)) == 0
        ops = _ops(task_id, is_mapped=over is not None)
        tries = (draw(ops),)
        if not is_branch and draw(st.integers(0, 2)) == 0:
            tries = (draw(st.one_of(st.just(tries[0]), ops)), *tries)
        inlets = draw(st.lists(st.sampled_from(RAW), max_size=1)) if over is None else []
        chosen = "" if is_branch else None
        tasks[task_id] = Task(
            task_id, tuple(after), tuple(data), over, count, tries, tuple(inlets), chosen
        )
    return draw(_choose(tasks))


def _choose(tasks: dict[str, Task]) -> st.SearchStrategy[dict[str, Task]]:
    """Select one downstream task of each branch task."""
    from dataclasses import replace

    def build(numbers: list[int]) -> dict[str, Task]:
        result = dict(tasks)
        for task, number in zip(tasks.values(), numbers, strict=True):
            if task.chosen is None:
                continue
            below = [one.task_id for one in tasks.values() if task.task_id in one.after]
            chosen = below[number % len(below)] if below else None
            result[task.task_id] = replace(task, chosen=chosen)
        return result

    return st.lists(st.integers(0, 5), min_size=len(tasks), max_size=len(tasks)).map(build)


class RealDag:
    """A generated DAG as a DAG of Airflow.

    Args:
        tasks: the tasks.
        project: id of the project in which the tasks store.
        ids: ids of the raw files and of the table, by name.
        folder: folder for the contents of files.
    """

    def __init__(
        self, tasks: Mapping[str, Task], project: str, ids: Mapping[str, str], folder: Path
    ) -> None:
        self.tasks, self.project, self.ids, self.folder = tasks, project, dict(ids), folder
        with DAG("generated", schedule=None) as self.dag:
            operators: dict[str, Any] = {}
            for task in tasks.values():
                operators[task.task_id] = self._create(task, operators)
                for one in task.after:
                    operators[one] >> operators[task.task_id]

    def _create(self, task: Task, operators: Mapping[str, Any]) -> Any:
        decorate = task_decorator if task.chosen is None else task_decorator.branch
        options: dict[str, Any] = {
            "task_id": task.task_id,
            "inlets": [synapse_asset(self.ids[name]) for name in task.inlets],
            "retries": MAX_FAILURES,
        }
        if task.after:
            options["trigger_rule"] = "none_failed_min_one_success"

        def body(item: Any = None, others: Any = None) -> Any:
            return self.work(task)

        others = [operators[one] for one in task.data if one != task.over]
        function = decorate(**options)(body)
        if task.over is None:
            return function(others=others)
        items = list(range(task.count)) if task.over == "literal" else operators[task.over]
        return function.partial(others=others).expand(item=items)

    def work(self, task: Task) -> Any:
        """Apply the operations of the running try."""
        context = get_current_context()
        ti = context["ti"]
        index = -1 if ti.map_index is None else ti.map_index
        attempt = ti.try_number
        syn = SynapseHook().client
        stored: dict[str, str] = {}
        for op in task.tries[attempt - 1]:
            self._apply(syn, op.render(index, ti.run_id, attempt), stored)
        if attempt < len(task.tries):
            raise TryFailedError
        if task.chosen is not None:
            return task.chosen
        return index if task.over is not None else [0, 1]

    def _apply(self, syn: Any, op: Op, stored: dict[str, str]) -> None:
        if op.kind == "store":
            path = self.folder / op.name
            path.write_text(op.text)
            file = syn.store(File(str(path), parent=self.project), forceVersion=False)
            stored[op.name] = f"{file.id}.{file.versionNumber}"
        elif op.kind == "append":
            syn.store(Table(self.ids[op.name], [["x"]]))
        elif op.kind == "reread":
            syn.get(stored[op.name])
        else:
            syn.get(f"{self.ids[op.name]}.{op.version}", downloadFile=op.kind == "read")

    def run(self, one: Run, task_id: str, index: int) -> None:
        """Run all tries of an instance of a task."""
        failures = len(self.tasks[task_id].tries) - 1
        for number in range(failures + 1):
            result = one.task(task_id, index, max_tries=MAX_FAILURES)
            expected = "success" if number == failures else "up_for_retry"
            assert result.state == expected, (task_id, index, result.error)


def list_steps(tasks: Mapping[str, Task]) -> list[tuple[str, int]]:
    """Return the instances of a run, in the order in which they run."""
    return [(task_id, index) for task_id in iter_order(tasks) for index in tasks[task_id].indexes]
