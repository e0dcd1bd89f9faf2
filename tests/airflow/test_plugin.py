"""The plugin, which Airflow loads in each process that runs tasks."""

import subprocess
import sys

from airflow.sdk import serde
from airflow.sdk.module_loading import qualname

from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity import list_entity_classes
from synapse_workflows.client.model.tables import RowSetTable
from synapse_workflows.plugin import RETURNED_CLASSES

#: Modules that a task without Synapse does not need.
HEAVY = (
    "requests",
    "boto3",
    "fastapi",
    "pandas",
    "sqlglot",
    "synapse_workflows.client.core.session",
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


def test_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, airflow.sdk.execution_time.task_runner; before = set(sys.modules);"
        "import synapse_workflows.plugin;"
        f"print(*(set(sys.modules) - before) & set({HEAVY!r}))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert output.decode().split() == []
