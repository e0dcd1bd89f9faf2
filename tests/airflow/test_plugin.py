"""The plugin, which Airflow loads in each process that runs tasks."""

import json
import os
import subprocess
import sys
from pathlib import Path

from airflow.sdk import serde
from airflow.sdk.lineage import HookLineageReader
from airflow.sdk.module_loading import qualname

from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import list_entity_classes
from synapse_workflows.client.model.tables import RowSetTable
from synapse_workflows.plugin import RETURNED_CLASSES, SynapsePlugin

#: The modules of this package that a task without Synapse imports. Each module costs every task
#: time: import further ones in the functions that need them.
IMPORTED = [
    "synapse_workflows",
    "synapse_workflows.client",
    "synapse_workflows.client.core",
    "synapse_workflows.client.core.lineage_variable",
    "synapse_workflows.client.core.text_maskers",
    "synapse_workflows.lineage",
    "synapse_workflows.lineage.context_key",
    "synapse_workflows.lineage.execution_callbacks",
    "synapse_workflows.lineage.hook_reports",
    "synapse_workflows.lineage.import_finder",
    "synapse_workflows.lineage.operator_reports",
    "synapse_workflows.lineage.reported_lineage",
    "synapse_workflows.lineage.task_listener",
    "synapse_workflows.links",
    "synapse_workflows.plugin",
    "synapse_workflows.ui",
    "synapse_workflows.ui.views",
]
#: Other modules that these would import only for a task with lineage.
NEEDLESS = ("airflow.sdk.lineage", "requests", "sqlglot", "tenacity", "wrapt")


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
import json, sys
import airflow.sdk, airflow.sdk.execution_time.task_runner
before = set(sys.modules)
import synapse_workflows.plugin
imported = set(sys.modules) - before
from airflow.sdk import DAG, task
from support.execution_api import ExecutionApi, Run
with DAG("plain", schedule=None) as dag:
    task(lambda: 1).override(task_id="work")()
assert Run(ExecutionApi({}), dag).task("work").state == "success"
names = {name for name in sys.modules if name.partition(".")[0] == "synapse_workflows"}
print(json.dumps([sorted(names - {"synapse_workflows.provider_info"}), sorted(imported)]))
"""


def test_a_task_without_synapse_imports_only_thin_modules(tmp_path):
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_TASK],
        capture_output=True,
        check=False,
        env=environment,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    names, imported = json.loads(done.stdout.splitlines()[-1])
    assert names == IMPORTED
    assert not set(imported) & set(NEEDLESS)


def test_the_plugin_reads_hook_lineage():
    assert SynapsePlugin().hook_lineage_readers == [HookLineageReader]
