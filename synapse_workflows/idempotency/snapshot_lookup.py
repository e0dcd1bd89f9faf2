"""Lookup of existing snapshots of a table or view, and of changes since a snapshot."""

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.table_state import fetch_fingerprint
from synapse_workflows.idempotency.snapshot_state import SnapshotRequest
from synapse_workflows.lineage.lineage_client import LineageClient


class SnapshotLookup:
    """Snapshots of one table or view, and which of them count as the requested one.

    Args:
        client: Sends the requests.
        table_id: A table or any type of view, as `syn123`.
        request: The requested snapshot.
        concrete_type: Full type of the table.
    """

    def __init__(
        self, client: LineageClient, table_id: str, request: SnapshotRequest, concrete_type: str
    ) -> None:
        self.client = client
        self.table_id = table_id
        self.request = request
        self.concrete_type = concrete_type

    def iter_snapshots(self) -> Iterator[Mapping[str, Any]]:
        """Yield the snapshots, newest first, as VersionInfo."""
        current = self.client.call("GET", f"/entity/{self.table_id}").json["versionNumber"]
        for version in self.client.iter_items(Call("GET", f"/entity/{self.table_id}/version")):
            if version["versionNumber"] < current:
                yield version

    def list_series(self) -> list[int]:
        """Return the versions of the snapshots of the series, newest first."""
        return [one["versionNumber"] for one in self.iter_snapshots() if self._is_in_series(one)]

    def is_unchanged_since(self, version: int) -> bool:
        """Return whether the table certainly has the content of a snapshot."""
        polling = async_jobs.polling_settings(self.client)
        current, snapshot = (
            self.client.run(fetch_fingerprint(self.table_id, number, polling, self.concrete_type))
            for number in (None, version)
        )
        return current.is_known_to_equal(snapshot)

    def find_unchanged(self) -> Mapping[str, Any] | None:
        """Return the requested snapshot if the table has not changed since then; else None.

        Raises:
            AirflowFailException: The requested label is used, and the table has changed since.
        """
        requested = self._list_requested()
        for one in requested:
            if self.is_unchanged_since(one["versionNumber"]):
                return one
        labelled = next((one for one in requested if self._has_label(one)), None)
        if labelled is not None:
            raise self.changed_error(labelled)
        return None

    def changed_error(self, labelled: Mapping[str, Any]) -> AirflowFailException:
        """Return the error of a label that is used for other content."""
        version, label = labelled["versionNumber"], labelled["versionLabel"]
        current = self.client.call("GET", f"/entity/{self.table_id}").json["versionNumber"]
        return AirflowFailException(
            f"{self.table_id} has changed since its snapshot {self.table_id}.{version}, which has "
            f"the label {label!r}: the current content is that of version {current}, which has no "
            f"snapshot yet. Use another version_label for the current content, query "
            f"{self.table_id}.{version} for the content of {label!r}, or delete that version to "
            "use its label again"
        )

    def _list_requested(self) -> list[Mapping[str, Any]]:
        """Return the snapshots that count as the requested one.

        These are the snapshot with the label and the newest snapshot of the series; without label
        and series, the newest snapshot.
        """
        found = list(self.iter_snapshots())
        if self.request.label is None and self.request.label_prefix is None:
            return found[:1]
        labelled = [one for one in found if self._has_label(one)]
        series = [one for one in found if self._is_in_series(one)][:1]
        return labelled + [one for one in series if one not in labelled]

    def _has_label(self, snapshot: Mapping[str, Any]) -> bool:
        return snapshot.get("versionLabel") == self.request.label

    def _is_in_series(self, snapshot: Mapping[str, Any]) -> bool:
        prefix = self.request.label_prefix
        return prefix is not None and str(snapshot.get("versionLabel")).startswith(prefix)
