"""Synchronize a folder of Synapse with a directory: plan, upload in parallel, summarize.

Set: the connection `synapse_default`, and the parameters of the run: a directory or the URL of one
(`s3://my_conn@bucket/prefix`), and the project or folder. The defaults are the data of these
examples, and the ID of a new local Synapse with the seed `demo`.

See: the result of `plan` lists the files that are new, changed, the same or extra, before anything
is changed. Only files with other content are uploaded, by several task instances, and have one
Activity for each instance. A second run transfers nothing. Files that the directory does not have
are reported, and deleted only with `delete_extra=True`.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import SynapseSyncOperator

SYNC = {
    "direction": "to_synapse",
    "source": "{{ params.source }}",
    "target": "{{ params.folder_id }}",
    "exclude": ["*.tmp", ".*"],
}


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "source": Param(str(Path(__file__).with_name("data")), description="Directory or URL"),
        "folder_id": Param("syn10000005", description="Project or folder", pattern=r"^syn\d+$"),
    },
)
def synapse_15_sync() -> None:
    """Comparison of both sides -> transfers -> numbers of files."""
    plan = SynapseSyncOperator(task_id="plan", mode="plan", shards=4, **SYNC)
    apply = SynapseSyncOperator.partial(task_id="apply", **SYNC).expand(plan=plan.output)

    @task
    def summary(results: Any) -> dict[str, int]:
        """Return the numbers of all instances."""
        total: Counter[str] = Counter()
        for result in results:
            total.update({key: result[key] for key in ("new", "changed", "bytes")})
        return dict(total)

    summary(apply.output)


synapse_15_sync()
