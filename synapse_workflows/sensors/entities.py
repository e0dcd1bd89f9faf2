"""Sensor that waits for new files below a container."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import PokeReturnValue

from synapse_workflows.client.core.file_listing import (
    FileListing,
    pack_versions,
    unpack_versions,
)
from synapse_workflows.client.core.new_files import FileFilter, describe_files, parse_time
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.idempotency.task_state import SavedState, TaskState
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    check_flags,
    check_text,
    is_template,
    optional_text,
)
from synapse_workflows.sensors.base import SynapseSensor
from synapse_workflows.triggers.entities import SynapseFileCountTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Key of the known files in the task state store.
_KEY: Final = "synapse_new_files"


class SynapseNewFilesSensor(SynapseSensor):
    """Wait until there are new files below a container.

    By default, a file is new if it was not there at the first poll of this task instance: it was
    created, moved or restored there, or became readable. To miss no file between two runs, pass
    `since`, or let `synapse_files_asset` trigger the DAG.

    The account of the connection needs READ on the container. Folders without READ are left out.
    After the first poll, only children that were modified are read. Deferred sensors of a
    triggerer that wait below the same container, with the same interval, share their requests.

    Returns `{"container_id": "syn123", "files": [{"id": "syn124", "version": 1, "name": "a.csv",
    "parent_id": "syn123"}]}`: all new files, in the order of their IDs. Each is a reference, which
    operators accept as `entity_id`.

    Args:
        container_id: The project or folder, without a version, or a reference (templated).
        recursive: Whether files in its folders count, at any depth.
        name_pattern: Pattern of the names, such as `*.csv`, in which case matters (templated).
        new_versions: Whether new versions of files count as well; not with `since`.
        since: Files that were created at or after this time count as well, if they exist at the
            first poll: a datetime, or text in ISO 8601, such as `{{ data_interval_start }}`; a
            time without a zone is in UTC. Files that were moved there before the first poll count
            by the time of their creation (templated).
        min_files: Minimum number of new files.
        kwargs: `synapse_conn_id`, `deferrable` and the arguments of `BaseSensorOperator`.

    Raises:
        ValueError: Invalid `recursive`, `name_pattern`, `new_versions`, `since` or `min_files`.
    """

    template_fields: Sequence[str] = (
        "container_id",
        "name_pattern",
        "since",
        *SynapseSensor.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ()
    id_key = "container_id"

    def __init__(
        self,
        *,
        container_id: Any,
        recursive: bool = True,
        name_pattern: str | None = None,
        new_versions: bool = False,
        since: datetime | str | None = None,
        min_files: int = 1,
        **kwargs: Any,
    ) -> None:
        check_flags(recursive=recursive, new_versions=new_versions)
        if new_versions and since is not None:
            raise ValueError("Invalid new_versions=True with since: pass only one of them")
        _check_min_files(min_files)
        if isinstance(name_pattern, str) and not is_template(name_pattern):
            check_text(name_pattern, "name_pattern")
        super().__init__(**kwargs)
        self.container_id = container_id
        self.recursive = recursive
        self.name_pattern = name_pattern
        self.new_versions = new_versions
        self.since = since
        self.min_files = min_files
        self._has_since = since is not None
        self._has_pattern = name_pattern is not None

    @property
    def polled_id(self) -> str:
        """ID of the container."""
        return parse_unversioned_id(self.container_id, "container_id")

    def poll(self, context: "Context") -> PokeReturnValue:
        """List the files, and compare them with the known files."""
        file_filter, state = self._create_filter(), self._get_state(context)
        saved = state.load()
        listing = FileListing(self.polled_id, self.recursive)
        if saved is not None:
            listing = FileListing.from_text(self.polled_id, self.recursive, saved["listing"])
        files = self.client.run(listing.fetch())
        since = self._parse_since()
        known = (
            file_filter.find_known(files, since)
            if saved is None
            else unpack_versions(saved["known"])
        )
        new = file_filter.select(files, known)
        if saved is None:
            text = listing.to_text(without=[file.id for file in new])
            state.save({"listing": text, "known": pack_versions(known)})
        is_done = len(new) >= self.min_files
        if is_done:
            state.mark_done()
        return PokeReturnValue(is_done, describe_files(self.polled_id, new))

    def create_trigger(self, context: "Context") -> SynapseFileCountTrigger:
        """Create the trigger for deferral."""
        saved = self._get_state(context).load()
        return SynapseFileCountTrigger(
            synapse_conn_id=self.synapse_conn_id,
            container_id=self.polled_id,
            recursive=self.recursive,
            name_pattern=self._create_filter().name_pattern,
            new_versions=self.new_versions,
            min_files=self.min_files,
            known=None if saved is None else saved["known"],
            poll_interval=self.poke_interval,
        )

    def complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        deadline: float,
        execution_deadline: float | None,
    ) -> Any:
        """List the new files in the worker; wait again if they are gone."""
        if "error" in event:
            self.log.warning("Polling in the triggerer failed: %s", event["error"])
        return self._poke_or_defer(context, deadline, execution_deadline)

    def _create_filter(self) -> FileFilter:
        pattern = optional_text(self.name_pattern, "name_pattern", allow_empty=False)
        if self._has_pattern and pattern is None:
            raise InvalidArgumentError(
                "Invalid name_pattern None: check its template, or omit name_pattern"
            )
        return FileFilter(pattern, self.new_versions)

    def _parse_since(self) -> float | None:
        """Return `since` in seconds since the epoch; None if it is omitted.

        Raises:
            InvalidArgumentError: `since` is no time. A template that renders to None, for example
                in the first run of a DAG, must have a default.
        """
        if not self._has_since:
            return None
        if isinstance(self.since, datetime):
            return parse_time(self.since.isoformat())
        try:
            return parse_time(str(self.since).strip())
        except ValueError as error:
            raise InvalidArgumentError(
                f"Invalid since {self.since!r:.100}: expected a datetime, or its text in ISO 8601 "
                "such as '2026-11-26T16:00:00Z'"
            ) from error

    def _get_state(self, context: "Context") -> SavedState:
        """Return what the first poll has saved, because each poll may run in another process."""
        target = f"{self.polled_id} {self.recursive} {self.since}"
        return SavedState(TaskState.from_context(context), _KEY, target)


def _check_min_files(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Invalid min_files={value!r}: expected a positive integer")
