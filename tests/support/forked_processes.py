"""Processes that are forked from a process which has imported Airflow and this package."""

import multiprocessing
from typing import Final

#: Context for processes. The process from which they are forked runs no threads.
PROCESSES: Final = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "airflow.sdk.definitions.decorators",
        "airflow.sdk.execution_time.supervisor",
        "pyarrow.parquet",
        "synapse_workflows.operators.files",
        "synapse_workflows.operators.snapshots",
        "synapse_workflows.operators.tables",
    ]
)
