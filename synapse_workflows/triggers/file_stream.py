"""Stream of announcements of new files, for a watcher of an asset."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from airflow.sdk.execution_time.context import AssetStateStoreAccessor
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from synapse_workflows.client.core.file_listing import (
    ListedFile,
    create_file_listing,
    pack_versions,
    unpack_versions,
)
from synapse_workflows.client.core.new_files import FileFilter, describe_files
from synapse_workflows.triggers.shared_polls import PollRequest, subscribe

_log = logging.getLogger(__name__)
#: Key in the state store of the asset.
_KEY: Final = "synapse_files"
#: Maximum number of files in an announcement; more follow with the next poll.
MAX_FILES: Final = 500

FileListingResult = dict[str, ListedFile]


def poll_files(
    synapse_conn_id: str, poll_interval: float, container_id: str, *, recursive: bool
) -> PollRequest[FileListingResult]:
    """Return the poll of the files below a container, which all its watchers share."""
    arguments = (container_id, recursive)
    return PollRequest(
        synapse_conn_id, poll_interval, create_file_listing, arguments, keeps_state=True
    )


class KnownFiles:
    """Files that exist and are not new, with their versions.

    Args:
        versions: Version numbers by ID.
    """

    def __init__(self, versions: Mapping[str, int]) -> None:
        self.versions = dict(versions)

    def add(self, files: Sequence[ListedFile]) -> None:
        """Add files that were announced."""
        self.versions |= {file.id: file.version for file in files}

    def remove(self, files: Sequence[ListedFile], earlier: Mapping[str, int]) -> None:
        """Restore what was known before files were announced, so that they are announced again.

        Args:
            files: The files.
            earlier: The versions that were known before.
        """
        for file in files:
            self.versions.pop(file.id, None)
            if file.id in earlier:
                self.versions[file.id] = earlier[file.id]

    def keep(self, files: FileListingResult, file_filter: FileFilter) -> bool:
        """Forget the files that are gone, which are new if they return.

        Args:
            files: The files that exist.
            file_filter: If new versions do not count, the current versions become known.

        Returns:
            Whether a file was forgotten.
        """
        kept = {key: one for key, one in self.versions.items() if key in files}
        is_changed = len(kept) != len(self.versions)
        if not file_filter.new_versions:
            kept = {key: files[key].version for key in kept}
        self.versions = kept
        return is_changed


class FileStream(SharedStreamProducer):
    """Stream of announcements of new files, which knows which of them Airflow has stored.

    The known files are in memory, and in the state store of the asset once Airflow has stored the
    event. The files that exist when the asset is watched for the first time are known from the
    start, unless `announce_existing`.

    Args:
        synapse_conn_id: The Airflow connection.
        container_id: The project or folder.
        recursive: Whether files in its folders are announced.
        name_pattern: Pattern of the names; None for all.
        new_versions: Whether new versions are announced.
        announce_existing: Whether the files that exist at the first start are announced.
        poll_interval: Seconds between two polls.
        asset_name: Name of the asset with the state store; None without one.
    """

    def __init__(
        self,
        *,
        synapse_conn_id: str,
        container_id: str,
        recursive: bool,
        name_pattern: str | None,
        new_versions: bool,
        announce_existing: bool,
        poll_interval: float,
        asset_name: str | None,
    ) -> None:
        self._request = poll_files(
            synapse_conn_id, poll_interval, container_id, recursive=recursive
        )
        self._container_id = container_id
        self._scope = f"{container_id} {recursive}"
        self._filter = FileFilter(name_pattern, new_versions)
        self._announce_existing = announce_existing
        self._announced: KnownFiles | None = None
        self._stored = KnownFiles({})
        self._store = None if asset_name is None else AssetStateStoreAccessor(name=asset_name)
        self._subscription = AsyncExitStack()

    async def open_stream(self) -> AsyncIterator[tuple[dict[str, Any], list[ListedFile]]]:
        """Yield the payload of each event, and the files that it announces."""
        await self._load()
        subscription = subscribe(self._request, first_delay=0)
        poll = await self._subscription.enter_async_context(subscription)
        while True:
            result = await poll.next_result()
            if result.value is None:
                _log.warning(
                    "Polling %s again in %s s after %s: %s",
                    self._container_id,
                    result.delay,
                    type(result.error).__name__,
                    result.error,
                )
                continue
            files = await self._select(result.value)
            if files:
                yield describe_files(self._container_id, files), files

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Record which announcements Airflow has stored; announce the others again."""
        for item in batch:
            if item.outcome.is_clean:
                self._stored.add(item.broker_payload)
            elif self._announced is not None:
                self._announced.remove(item.broker_payload, self._stored.versions)
        await self._save()

    async def aclose(self) -> None:
        """End the subscription to the poll."""
        await self._subscription.aclose()

    async def _select(self, files: FileListingResult) -> list[ListedFile]:
        """Return the files to announce now."""
        if self._announced is None:
            if not await self._start(files):
                return []  # the first start is repeated: no file may be lost after a restart
        elif self._stored.keep(files, self._filter):
            await self._save()
        announced = self._announced or KnownFiles({})
        announced.keep(files, self._filter)
        new = self._filter.select(files, announced.versions)[:MAX_FILES]
        announced.add(new)
        return new

    async def _start(self, files: FileListingResult) -> bool:
        """Store the files that are known from the start; return whether this succeeded."""
        self._stored = KnownFiles({})
        if not self._announce_existing:
            self._stored = KnownFiles(self._filter.find_known(files))
        if not await self._save():
            return False
        self._announced = KnownFiles(self._stored.versions)
        return True

    async def _load(self) -> None:
        """Read the known files, until Airflow returns them: without them, files would be lost."""
        while self._store is not None:
            try:
                values: Any = await self._store.aget(_KEY, {})
            except ImportError:
                self._store = None  # not in a triggerer
            except Exception as error:  # noqa: BLE001 - tried again
                _log.warning("Reading the known files of %s again after: %s", self._scope, error)
                await asyncio.sleep(self._request.interval)
            else:
                if values.get("scope") == self._scope:
                    versions = unpack_versions(values["files"])
                    self._announced, self._stored = KnownFiles(versions), KnownFiles(versions)
                return

    async def _save(self) -> bool:
        """Store the known files; return whether this succeeded or there is no store."""
        if self._store is None:
            return True
        values: Any = {"scope": self._scope, "files": pack_versions(self._stored.versions)}
        try:
            await self._store.aset(_KEY, values)
        except Exception as error:  # noqa: BLE001 - works without the store
            _log.warning("A restart will repeat announcements after: %s", error)
            return False
        return True
