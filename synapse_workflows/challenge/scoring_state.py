"""State of a scoring task between its tries: the result, and the lineage of the stored files."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from synapse_workflows.client.core.events import Wrote
from synapse_workflows.hooks.file_references import SynapseFile
from synapse_workflows.idempotency.task_state import SavedState, TaskState
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.provenance.record import Record

_KEY: Final = "synapse_score"


class ScoringState:
    """Result of the evaluation of a submission, saved before the submission gets its status.

    Args:
        client: The client.
        submission_id: ID of the submission.
    """

    def __init__(self, client: LineageClient, submission_id: str) -> None:
        self._client = client
        self._state = SavedState(TaskState.current(), _KEY, submission_id)

    def load(self) -> dict[str, Any] | None:
        """Return the values that an earlier try saved; None if no try has evaluated."""
        return self._state.load()

    def save(
        self,
        result: Mapping[str, Any],
        annotations: Mapping[str, Any],
        files: Sequence[SynapseFile] = (),
    ) -> dict[str, Any]:
        """Save the outcome of the evaluation, and return the saved values.

        Args:
            result: The result of the task.
            annotations: Annotations for the submission.
            files: The stored files.
        """
        collector = current_collector()
        record = Record() if collector is None else collector.record
        values = {
            "result": dict(result),
            "annotations": dict(annotations),
            "files": [dict(file) for file in files],
            "record": record.to_json(),
            "names": {} if collector is None else dict(collector.details.names),
        }
        self._state.save(values)
        return values

    def restore_lineage(self, saved: Mapping[str, Any]) -> None:
        """Record what the earlier try has read and stored as the lineage of this try."""
        collector = current_collector()
        if collector is None:
            return
        record = Record.from_json(saved["record"])
        collector.add(Record(used=record.used, ran=record.ran, gaps=record.gaps))
        collector.details.names.update(saved.get("names", {}))
        for file in saved["files"]:
            if file.get("activity_id"):
                collector.attach_activity(file["id"], file["activity_id"], self._client)
            self._client.emit(
                Wrote(
                    file["id"],
                    file["version"],
                    file["name"],
                    file["concrete_type"],
                    file["md5"],
                    file["parent_id"],
                    activity_given=True,
                )
            )

    def mark_done_at_end(self) -> None:
        """Mark the values as done when the task ends; a cleared task evaluates again."""
        collector = current_collector()
        if collector is not None:
            collector.add_finish_callback(self._state.mark_done)

    def clear(self) -> None:
        """Delete the values."""
        self._state.clear()
