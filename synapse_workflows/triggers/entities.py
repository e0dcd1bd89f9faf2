"""Triggers that wait for new files below a container."""

from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from synapse_workflows.client.core.file_listing import unpack_versions
from synapse_workflows.client.core.new_files import FileFilter
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.operator_arguments import check_flags, check_text, parse_seconds
from synapse_workflows.triggers.base import SynapsePollTrigger
from synapse_workflows.triggers.file_stream import FileListingResult, FileStream, poll_files
from synapse_workflows.triggers.shared_polls import PollRequest


class SynapseFileCountTrigger(SynapsePollTrigger[FileListingResult]):
    """Trigger of `SynapseNewFilesSensor`: fires when there are enough new files.

    The event is `{"files": 2}`; the sensor then lists the files in the worker.

    Args:
        container_id: The project or folder.
        recursive: Whether files in its folders count.
        name_pattern: Pattern of the names; None for all.
        new_versions: Whether new versions count.
        min_files: Minimum number of files.
        known: The known files, as `pack_versions` returns them; None for none.
        kwargs: `synapse_conn_id`, `poll_interval`.
    """

    def __init__(
        self,
        *,
        container_id: str,
        recursive: bool,
        name_pattern: str | None,
        new_versions: bool,
        min_files: int,
        known: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container_id = container_id
        self.recursive = recursive
        self.name_pattern = name_pattern
        self.new_versions = new_versions
        self.min_files = min_files
        self.known = known
        self._known = {} if known is None else unpack_versions(known)

    def extra_arguments(self) -> dict[str, Any]:
        """Return the container, the files that count, and the known files."""
        return {
            "container_id": self.container_id,
            "recursive": self.recursive,
            "name_pattern": self.name_pattern,
            "new_versions": self.new_versions,
            "min_files": self.min_files,
            "known": self.known,
        }

    def poll_request(self) -> PollRequest[FileListingResult]:
        """Return the requests that list the files."""
        return poll_files(
            self.synapse_conn_id, self.poll_interval, self.container_id, recursive=self.recursive
        )

    def check(self, value: FileListingResult) -> dict[str, Any] | None:
        """Return the number of new files if there are enough."""
        file_filter = FileFilter(self.name_pattern, self.new_versions)
        number = len(file_filter.select(value, self._known))
        return {"files": number} if number >= self.min_files else None


class SynapseFilesTrigger(BaseEventTrigger):
    """Trigger for an `AssetWatcher`: announces new files below a container.

    `synapse_files_asset` creates an asset with this trigger. An event has a batch of new files,
    and triggers one DAG run: `{"container_id": "syn123", "files": [{"id": "syn124", "version": 1,
    "name": "a.csv", "parent_id": "syn123"}]}`. These are at most 500 references, which operators
    accept as `entity_id`; more follow with the next poll. Airflow may give a run several events:
    `triggering_asset_events` has them all. In the provenance of the run, the announced files are
    inputs; if the tasks read some of them, only these.

    A file is new if it was not below the container before: it was created there, moved there or
    restored, or became readable. It is announced once, by its current version. A file that was
    announced may be deleted before the run starts. A file that leaves the container, or becomes
    unreadable, and returns is announced again.

    The account of the connection needs READ on the container. Folders without READ are left out.
    Only children that were modified are read in each poll, at least one request per folder; all
    are read at the start and in every 30th poll. All watchers and deferred sensors of a triggerer
    share the requests for a container. Errors are logged and polled again, with an increasing
    delay of up to 5 minutes.

    Args:
        container_id: The project or folder, without a version.
        recursive: Whether files in its folders are announced, at any depth.
        name_pattern: Pattern of the names, such as `*.csv`, in which case matters; None for all.
        new_versions: Whether new versions of files are announced as well. Of several versions
            between two polls, the latest is announced.
        announce_existing: Whether the files that exist at the first start are announced.
        synapse_conn_id: The Airflow connection.
        poll_interval: Seconds between two polls.
        asset_name: Name of the watched asset. Airflow stores there which files are known, so that
            a restart of the triggerer loses no file. It repeats an announcement only if the
            triggerer was killed just after Airflow had stored the event. Without `asset_name`,
            files that are added between a stop and a start are not announced.

    Raises:
        ValueError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        container_id: Any,
        recursive: bool = True,
        name_pattern: str | None = None,
        new_versions: bool = False,
        announce_existing: bool = False,
        synapse_conn_id: str = "synapse_default",
        poll_interval: float = 60.0,
        asset_name: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
        check_flags(
            recursive=recursive, new_versions=new_versions, announce_existing=announce_existing
        )
        check_text(synapse_conn_id, "synapse_conn_id")
        for argument, text in (("name_pattern", name_pattern), ("asset_name", asset_name)):
            if text is not None:
                check_text(text, argument)
        self.container_id = parse_unversioned_id(container_id, "container_id")
        self.recursive = recursive
        self.name_pattern = name_pattern
        self.new_versions = new_versions
        self.announce_existing = announce_existing
        self.synapse_conn_id = synapse_conn_id
        self.poll_interval = parse_seconds(poll_interval, "poll_interval")
        self.asset_name = asset_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments of the trigger."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "container_id": self.container_id,
                "recursive": self.recursive,
                "name_pattern": self.name_pattern,
                "new_versions": self.new_versions,
                "announce_existing": self.announce_existing,
                "synapse_conn_id": self.synapse_conn_id,
                "poll_interval": self.poll_interval,
                "asset_name": self.asset_name,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return a key for this trigger alone: each asset has announcements of its own.

        A shared stream, even of one trigger, lets the stream know which events were stored.
        """
        path, arguments = self.serialize()
        return path, *arguments.values()

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> FileStream:
        """Create the stream of announcements."""
        return FileStream(**kwargs)

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Any]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each announcement of the stream."""
        async for announcement in shared_stream:
            yield TriggerEvent(announcement)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the announcements without a shared stream.

        Nothing confirms that an event was stored. A restart repeats the announcements.
        """
        async with aclosing(FileStream(**self.serialize()[1])) as stream:
            async for announcement, _ in stream.open_stream():
                yield TriggerEvent(announcement)
