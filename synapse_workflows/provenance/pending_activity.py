"""Activities that Synapse did not accept when the entity versions were stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

#: Key of the XCom with the pending Activities of a task instance.
PENDING_KEY: Final = "synapse_pending_activities"


@dataclass(frozen=True)
class PendingActivity:
    """An Activity, and the entity versions that were stored without it.

    Args:
        versions: ID and version number of each entity.
        activity: Body of the Activity: `name`, `description` and `used`.
        reason: Why the Activity was not stored.
        synapse_conn_id: Airflow connection of the task.
        site: Repository endpoint of the Synapse that stores the entities.
    """

    versions: tuple[tuple[str, int], ...]
    activity: Mapping[str, Any]
    reason: str
    synapse_conn_id: str
    site: str

    def with_version(self, entity_id: str, version: int) -> Self:
        """Return a copy with one more version."""
        versions = dict.fromkeys((*self.versions, (entity_id, version)))
        return replace(self, versions=tuple(versions))

    def to_json(self) -> dict[str, Any]:
        """Convert to an item of the XCom."""
        return {
            "versions": [list(version) for version in self.versions],
            "activity": dict(self.activity),
            "reason": self.reason,
            "synapse_conn_id": self.synapse_conn_id,
            "site": self.site,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Create a pending Activity from the result of `to_json`."""
        return cls(
            tuple((id_, int(number)) for id_, number in data["versions"]),
            dict(data["activity"]),
            str(data["reason"]),
            str(data["synapse_conn_id"]),
            str(data["site"]),
        )
