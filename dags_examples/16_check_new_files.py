"""Check new files as they arrive: annotate them with the result, and move bad ones away.

Set: the connection `synapse_default`, the folder `INBOX`, and the parameter `quarantine_id`, a
folder that is not below it. The triggerer must be running: it asks for changes, because webhooks
of Synapse call only public addresses. The IDs are those of a new local Synapse (seed `demo`).

See: a run starts within a minute after CSV files were stored below the folder, and checks these.
Each gets the annotation `quality`, `passed` or `failed`, and `problems`. A bad file fails no
task. A run by hand checks all files of the folder without that annotation.
"""

import csv
from pathlib import Path
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from synapse_workflows import (
    SynapseAnnotateOperator,
    SynapseHook,
    SynapseMoveOperator,
    synapse_files_asset,
)

INBOX, QUARANTINE = "syn10000002", "syn10000005"
NEW_FILES = synapse_files_asset(INBOX, name_pattern="*.csv")


@dag(
    schedule=[NEW_FILES],
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={"quarantine_id": Param(QUARANTINE, description="Folder", pattern=r"^syn\d+$")},
)
def synapse_16_check_new_files() -> None:
    """Files -> problems of each -> annotations, and a quarantine."""

    @task
    def files(triggering_asset_events: Any) -> list[str]:
        """Return the IDs of the files to check."""
        events = [event for each in triggering_asset_events.values() for event in each]
        if events:
            return sorted({one["id"] for each in events for one in each.extra["payload"]["files"]})
        hook = SynapseHook()
        with hook.without_lineage():
            children = [one["id"] for one in hook.client.getChildren(INBOX, includeTypes=["file"])]
            return [one for one in children if "quality" not in hook.client.get_annotations(one)]

    @task
    def check(entity_id: str) -> dict[str, Any]:
        """Return the problems of a file: rows that have not as many cells as the header."""
        try:
            file = SynapseHook().client.get(entity_id)
        except FileNotFoundError:
            raise AirflowSkipException(f"{entity_id} has been deleted") from None
        with Path(file.path).open(newline="", errors="replace") as lines:
            header, *rows = list(csv.reader(lines)) or [[]]
        wrong = [number for number, row in enumerate(rows, 2) if len(row) != len(header)]
        problems = [f"line {number}" for number in wrong[:20]]
        return {"id": entity_id, "quality": "failed" if wrong else "passed", "problems": problems}

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def annotations(checks: Any) -> dict[str, dict[str, Any]]:
        """Return the annotations of each file."""
        return {one["id"]: {key: one[key] for key in ("quality", "problems")} for one in checks}

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def failed(checks: Any) -> list[str]:
        return [one["id"] for one in checks if one["problems"]]

    checks = check.expand(entity_id=files())
    annotate = SynapseAnnotateOperator(task_id="annotate", annotations=annotations(checks))
    move = SynapseMoveOperator.partial(
        task_id="quarantine", parent_id="{{ params.quarantine_id }}"
    ).expand(entity_id=failed(checks))
    annotate >> move


synapse_16_check_new_files()
