"""Reports of the entities, or submissions, that could not be changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseAuthenticationError,
    SynapseError,
    SynapseHTTPError,
)
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient

#: Key of the XCom with the refusals of a failed task.
REFUSED_KEY: Final = "refused"
#: Maximum number of refusals in the XCom.
_MAX_REPORTED: Final = 1000
#: Number of refusals in the error message.
_SHOWN: Final = 10
#: Number of temporary failures after which the remaining changes are left to a retry.
_MAX_TEMPORARY: Final = 3


@dataclass(frozen=True)
class Refusal:
    """The reason why an object was not changed.

    Args:
        reason: The reason.
        is_permanent: Whether a retry cannot succeed.
    """

    reason: str
    is_permanent: bool = True

    @classmethod
    def of_error(cls, error: SynapseError) -> "Refusal":
        """Create the refusal for an error of one request.

        Raises:
            SynapseAuthenticationError: The error concerns all requests.
        """
        if isinstance(error, SynapseAuthenticationError):
            raise error
        reason = str(error)
        if isinstance(error, SynapseHTTPError):
            reason = f"{error.status} {error.reason}"
        return cls(reason, error.retry_category is RetryCategory.PERMANENT)


class Refusals:
    """The refusals of one call.

    Args:
        client: Its logger lists the refusals.
        total: Number of objects to change.
        done: What is done to an object, as a past participle.
        others: The state of the other objects.
    """

    def __init__(
        self,
        client: LineageClient,
        total: int,
        done: str = "annotated",
        others: str = "have the given annotations",
    ) -> None:
        self._client = client
        self._total = total
        self._done = done
        self._others = others
        self._by_id: dict[str, Refusal] = {}
        self._temporary: list[SynapseError] = []
        self._skipped: Mapping[str, str] = {}

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._by_id

    def add(self, object_id: str, refusal: Refusal | SynapseError) -> None:
        """Add a refusal.

        Raises:
            SynapseError: Several requests have failed for reasons that are likely to concern all
                requests, for example because the service is down.
        """
        if isinstance(refusal, SynapseError):
            if refusal.retry_category.can_repeat_request:
                self._temporary.append(refusal)
            if len(self._temporary) >= _MAX_TEMPORARY:
                self._report()
                raise refusal
            refusal = Refusal.of_error(refusal)
        self._by_id[object_id] = refusal

    def report_skipped(self, reasons: Mapping[str, str]) -> None:
        """Push objects that are left out as the XCom of the refusals.

        Args:
            reasons: Reason by ID.
        """
        self._skipped = reasons
        self._push()

    def raise_if_any(self) -> None:
        """Raise an error that lists the refusals. In a task, also push them as an XCom.

        Raises:
            AirflowFailException: There are refusals, and a retry cannot succeed.
            AirflowException: There are refusals, and a retry may succeed for some of them.
        """
        if not self._by_id:
            return
        self._report()
        shown = [f"{key}: {one.reason}" for key, one in self._by_id.items()][:_SHOWN]
        more = len(self._by_id) - len(shown)
        message = (
            f"{len(self._by_id)} of {self._total} were not {self._done}; the others "
            f"{self._others}. {'; '.join(shown)}"
            f"{f'; and {more} more, see the log' if more else ''}"
        )
        is_permanent = all(one.is_permanent for one in self._by_id.values())
        raise (AirflowFailException if is_permanent else AirflowException)(message)

    def _report(self) -> None:
        for key, one in self._by_id.items():
            self._client.logger.error("%s was not %s: %s", key, self._done, one.reason)
        self._push()

    def _push(self) -> None:
        collector = current_collector()
        if collector is not None:
            refused = ((key, one.reason) for key, one in self._by_id.items())
            reasons = islice(chain(refused, self._skipped.items()), _MAX_REPORTED)
            report = [{"id": key, "reason": reason} for key, reason in reasons]
            collector.ti.xcom_push(REFUSED_KEY, report)
