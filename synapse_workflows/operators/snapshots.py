"""The operator that freezes tables and views."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowSkipException

from synapse_workflows.client.errors import SynapseTimeoutError
from synapse_workflows.idempotency.snapshot import SnapshotMaker, SynapseSnapshot
from synapse_workflows.operators.base import SynapseOperator, parse_unversioned_id
from synapse_workflows.triggers.jobs import SynapseJobTrigger


class SynapseTableSnapshotOperator(SynapseOperator):
    """Freezes a table or view as it is now, as a version that never changes again.

    Tables, views, submission views and datasets alike; "table" below means any of them.

    The snapshot carries an Activity that names what this task, the tasks it takes its data from,
    and whoever stored rows since the snapshot before have used and run. A retry makes no second
    snapshot: it finds the one that is there, or the job that makes it. The asset of the table is
    announced with the number of the snapshot, `{"version": 7}`. Returns a reference
    (`SynapseSnapshot`).

    Args:
        table_id: the table, view, submission view or dataset, or a reference to it, but no
            version, such as `syn123.4` (templated).
        version_label: names the snapshot, and is unique for the table; the default is its number
            (templated).
        label_prefix: stands before the label, and tells snapshots of this task from others
            (templated).
        version_comment: of the snapshot (templated).
        skip_if_unchanged: skip the task when neither rows nor columns were changed since the
            newest snapshot; of a view, also when nothing that it shows was changed.
        retain: keep that many of the newest snapshots whose label begins with `label_prefix`, and
            delete the older ones of them.
        deferrable: leave the waiting to the triggerer.
        poll_interval: seconds between two questions, when deferred.
        timeout: seconds without progress after which to give up, when deferred.
        kwargs: `synapse_conn_id`, `lineage_mode`, and what every operator takes.

    Raises:
        ValueError: `retain` without a prefix, or less than 1.
    """

    template_fields: Sequence[str] = (
        "table_id",
        "version_label",
        "label_prefix",
        "version_comment",
        *SynapseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        table_id: Any,
        version_label: str | None = None,
        label_prefix: str | None = None,
        version_comment: str | None = None,
        skip_if_unchanged: bool = False,
        retain: int | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 5.0,
        timeout: float = 600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if retain is not None and (retain < 1 or not label_prefix or not version_label):
            raise ValueError(
                "retain has to be at least 1, and needs a version_label and a label_prefix, which "
                "tells the snapshots that may be deleted: label_prefix='nightly ', "
                "version_label='{{ ts }}'"
            )
        self.table_id = table_id
        self.version_label = version_label
        self.label_prefix = label_prefix
        self.version_comment = version_comment
        self.skip_if_unchanged = skip_if_unchanged
        self.retain = retain
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout

    def execute(self, context: Any) -> SynapseSnapshot:
        """Freeze the table; return the reference of the snapshot."""
        freezer = self._freezer(context)
        number = freezer.found()
        if number is None and freezer.job is None:
            if self.skip_if_unchanged and not freezer.has_begun:
                self._skip_unchanged(freezer)
            if not self.deferrable:
                number = freezer.make(self._full_label, self.version_comment)
            else:
                freezer.start(self._full_label, self.version_comment)
        if number is not None:
            return self._finish(freezer, number)
        if self.deferrable:
            self._wait_elsewhere(freezer)
        return self._finish(freezer, freezer.await_job())

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> SynapseSnapshot:
        """Take what came of the job.

        Raises:
            SynapseTimeoutError: The triggerer could not wait any longer; a retry waits again.
        """
        if event.get("error"):
            raise SynapseTimeoutError(f"Gave up waiting for the snapshot: {event['error']}")
        freezer = self._freezer(context)
        return self._finish(freezer, freezer.await_job())

    @property
    def _full_label(self) -> str | None:
        label = self.version_label
        return f"{self.label_prefix or ''}{label}" if label else None

    def _freezer(self, context: Any) -> SnapshotMaker:
        return SnapshotMaker(
            self.hook.client, context, parse_unversioned_id(self.table_id, "table_id")
        )

    def _skip_unchanged(self, freezer: SnapshotMaker) -> None:
        newest = freezer.unchanged_since()
        if newest is not None:
            raise AirflowSkipException(
                f"{newest['id']} was not changed since its snapshot {newest['versionNumber']}"
            )

    def _wait_elsewhere(self, freezer: SnapshotMaker) -> None:
        self.defer(
            trigger=SynapseJobTrigger(
                synapse_conn_id=self.synapse_conn_id,
                path=freezer.path,
                job=str(freezer.job),
                poll_interval=self.poll_interval,
                timeout=self.timeout,
            ),
            method_name="execute_complete",
        )

    def _finish(self, freezer: SnapshotMaker, number: int) -> SynapseSnapshot:
        made = freezer.finish(number)
        self.show(made)
        self.log.info("Froze %s as version %s (%s)", made["id"], number, made["label"])
        if self.retain is not None:
            gone = freezer.retain(self.retain, str(self.label_prefix))
            if gone:
                self.log.info("Deleted older snapshots of %s: %s", made["id"], gone)
        return made
