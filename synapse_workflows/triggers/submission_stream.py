"""Stream of announcements of submissions, for a watcher of an asset."""

import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from airflow.sdk.execution_time.context import AssetStateStoreAccessor
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from synapse_workflows.client.core.submission_lists import MAX_IDS, fetch_submission_ids
from synapse_workflows.triggers.shared_polls import PollRequest, subscribe

_log = logging.getLogger(__name__)
#: Key in the state store of the asset.
_KEY: Final = "synapse_submissions"
#: Maximum number of submissions in the state store; about 25 bytes each.
_MAX_STORED: Final = 1000


@dataclass(frozen=True)
class Announcement:
    """Submissions that are announced together.

    Args:
        ids: IDs of the submissions.
        time: Seconds since the epoch.
    """

    ids: tuple[str, ...]
    time: float


class AnnouncedSubmissions:
    """Submissions that were announced and still have the watched status, and when.

    Args:
        repeat_interval: Seconds after which a submission is announced again; None for never.
    """

    def __init__(self, repeat_interval: float | None) -> None:
        self._repeat_interval = repeat_interval
        self._times: dict[str, float] = {}

    def select_due(self, ids: Sequence[str], now: float) -> list[str]:
        """Return the submissions to announce; forget the submissions that are not in `ids`.

        Args:
            ids: All submissions that have the status now.
            now: Seconds since the epoch.
        """
        self.keep(ids)
        return [one for one in ids if self._is_due(one, now)]

    def keep(self, ids: Iterable[str]) -> None:
        """Forget the submissions that are not in `ids`."""
        self._times = {one: self._times[one] for one in ids if one in self._times}

    def add(self, announcement: Announcement) -> None:
        """Record an announcement."""
        self._times |= dict.fromkeys(announcement.ids, announcement.time)

    def remove(self, announcement: Announcement) -> None:
        """Forget an announcement, so that its submissions are announced again."""
        for one in announcement.ids:
            self._times.pop(one, None)

    def to_json(self) -> dict[str, Any]:
        """Return the latest announcements: submission ID -> seconds since the epoch."""
        latest = sorted(self._times.items(), key=lambda item: item[1])[-_MAX_STORED:]
        return {one: int(at) for one, at in latest}

    def load(self, values: Mapping[str, Any], now: float) -> None:
        """Add announcements from the result of `to_json`.

        A time in the future, by a clock that was wrong, counts as now.
        """
        self._times |= {str(one): min(float(at), now) for one, at in values.items()}

    def _is_due(self, submission_id: str, now: float) -> bool:
        announced_at = self._times.get(submission_id)
        if announced_at is None:
            return True
        interval = self._repeat_interval
        return interval is not None and now - announced_at >= interval


class SubmissionStream(SharedStreamProducer):
    """Stream of announcements, which knows which of them Airflow has stored.

    The status of the submissions in Synapse decides what is announced. What was announced is kept
    in memory, and in the state store of the asset once Airflow has stored the event. The store
    only prevents repeated announcements after a restart: if it is lost, all submissions are
    announced again.

    Args:
        synapse_conn_id: The Airflow connection.
        evaluation_id: ID of the evaluation queue.
        status: Status of the submissions.
        poll_interval: Seconds between two polls.
        repeat_interval: Seconds after which a submission is announced again; None for not before
            the stream is opened again.
        asset_name: Name of the asset with the state store; None without one.
    """

    def __init__(
        self,
        *,
        synapse_conn_id: str,
        evaluation_id: str,
        status: str,
        poll_interval: float,
        repeat_interval: float | None,
        asset_name: str | None,
    ) -> None:
        self._request = PollRequest(
            synapse_conn_id, poll_interval, fetch_submission_ids, (evaluation_id, status)
        )
        self._queue = {"evaluation_id": evaluation_id, "status": status}
        self._announced = AnnouncedSubmissions(repeat_interval)
        self._stored = AnnouncedSubmissions(repeat_interval)
        uses_store = asset_name is not None and repeat_interval is not None
        self._store = AssetStateStoreAccessor(name=asset_name) if uses_store else None
        self._subscription = AsyncExitStack()

    async def open_stream(self) -> AsyncIterator[tuple[dict[str, Any], Announcement]]:
        """Yield the payload of each event, and what it announces."""
        await self._load()
        subscription = subscribe(self._request, first_delay=0)
        poll = await self._subscription.enter_async_context(subscription)
        while True:
            result = await poll.next_result()
            if result.value is None:
                _log.warning(
                    "Polling the queue %s again in %s s after %s: %s",
                    self._queue["evaluation_id"],
                    result.delay,
                    type(result.error).__name__,
                    result.error,
                )
                continue
            announcement = self._announce(result.value)
            if announcement is not None:
                number = {"submissions": len(result.value)}
                ids = {"submission_ids": list(announcement.ids)}
                yield self._queue | number | ids, announcement

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Record which announcements Airflow has stored; announce the others again."""
        for item in batch:
            if item.outcome.is_clean:
                self._stored.add(item.broker_payload)
            else:
                self._announced.remove(item.broker_payload)
        await self._save()

    async def aclose(self) -> None:
        """End the subscription to the poll."""
        await self._subscription.aclose()

    def _announce(self, ids: Sequence[str]) -> Announcement | None:
        now = time.time()
        self._stored.keep(ids)
        due = self._announced.select_due(ids, now)[:MAX_IDS]
        if not due:
            return None
        announcement = Announcement(tuple(due), now)
        self._announced.add(announcement)
        return announcement

    async def _load(self) -> None:
        if self._store is None:
            return
        try:
            values: Any = await self._store.aget(_KEY, {})
            for announced in (self._announced, self._stored):
                announced.load(values, time.time())
        except Exception as error:  # noqa: BLE001 - works without the store
            _log.warning("Announcing all submissions: their state is unknown after: %s", error)

    async def _save(self) -> None:
        if self._store is None:
            return
        try:
            await self._store.aset(_KEY, self._stored.to_json())
        except Exception as error:  # noqa: BLE001 - works without the store
            _log.warning("A restart will repeat announcements after: %s", error)
