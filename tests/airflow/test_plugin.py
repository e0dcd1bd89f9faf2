"""The plugin, which Airflow loads in each process that runs tasks."""

import os
import subprocess
import sys
from pathlib import Path

from airflow.sdk import serde
from airflow.sdk.module_loading import qualname

from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import list_entity_classes
from synapse_workflows.client.model.tables import RowSetTable
from synapse_workflows.plugin import RETURNED_CLASSES

#: Modules that a task without Synapse does not need. Other plugins may import other libraries.
HEAVY = (
    "sqlglot",
    "synapse_workflows.client.core.session",
    "synapse_workflows.client.model.entity",
    "synapse_workflows.hooks.synapse",
    "synapse_workflows.lineage.collector",
)


def test_tasks_may_return_entities_and_tables():
    names = {qualname(cls) for cls in (*list_entity_classes(), CsvFileTable, RowSetTable)}
    listed = {
        f"synapse_workflows.client.model.{module}.{name}"
        for module, names in RETURNED_CLASSES.items()
        for name in names
    }
    assert listed == names
    assert names <= serde._extra_allowed


PLAIN_TASK = """
import sys
from airflow.sdk import DAG, task
from support.execution_api import ExecutionApi, Run
before = set(sys.modules)
with DAG("plain", schedule=None) as dag:
    task(lambda: 1).override(task_id="work")()
assert Run(ExecutionApi({}), dag).task("work").state == "success"
assert "synapse_workflows.lineage.task_listener" in sys.modules
print("heavy:", *(set(sys.modules) - before) & set(HEAVY))
"""


def test_a_task_without_synapse_imports_nothing_heavy(tmp_path):
    code = f"HEAVY = {HEAVY!r}\n{PLAIN_TASK}"
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environment, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "heavy:"
