"""Processes that are forked from a process which has imported Airflow and this package."""

import gc
import multiprocessing
import sys
from typing import Final

#: Context for processes. The process from which they are forked runs no threads, and has imported
#: what every task imports.
PROCESSES: Final = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "__main__",
        "airflow.api_fastapi.execution_api.datamodels.asset",
        "airflow.dag_processing.dagbag",
        "airflow.models.asset",
        "airflow.providers.amazon.aws.assets.redshift",
        "airflow.providers.amazon.aws.assets.s3",
        "airflow.providers.common.io.assets.file",
        "airflow.providers.openlineage.plugins.openlineage",
        "airflow.sdk.definitions.asset.metadata",
        "airflow.sdk.definitions.connection",
        "airflow.sdk.definitions.decorators",
        "airflow.sdk.definitions.timetables.interval",
        "airflow.sdk.definitions.timetables.trigger",
        "airflow.sdk.execution_time.cache",
        "airflow.sdk.execution_time.supervisor",
        "airflow.timetables.base",
        "airflow.utils.net",
        "encodings.utf_8_sig",
        "jinja2.ext",
        "multiprocessing.managers",
        "multiprocessing.synchronize",
        "pyarrow.parquet",
        "slugify",
        "synapse_workflows.operators.scores",
        "synapse_workflows.operators.files",
        "synapse_workflows.operators.snapshots",
        "synapse_workflows.operators.table_queries",
        "synapse_workflows.operators.tables",
        "synapse_workflows.plugin",
    ]
)


def prepare_forked_process(path: list[str]) -> None:
    """Set the import path of a process, and never collect garbage among what it has inherited.

    A collection would copy that memory.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.path[:] = path
