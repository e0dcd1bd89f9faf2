"""The XCom with the lineage of a task instance: for downstream tasks, and for web pages.

Downstream tasks read only the record. The web pages also show names and links of the entities,
their Activities, and the tasks from which the task inherited its inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from synapse_workflows.client.core.redaction import redact_name
from synapse_workflows.provenance.record import EntityRef, Record

#: Key of the XCom with the record of a task.
XCOM_KEY: Final = "synapse_lineage"
#: Key of the map index in a published record.
INDEX_KEY: Final = "map_index"


@dataclass(frozen=True, slots=True)
class DataFlow:
    """Flow of data between tasks of a run, over which a storing task inherited its inputs.

    Args:
        source_id: ID of the task from which the data comes.
        source_index: Map index; None for all instances, and for a task that is not mapped.
        target_id: ID of the task to which the data goes.
        target_index: Map index, as `source_index`.
    """

    source_id: str
    source_index: int | None
    target_id: str
    target_index: int | None


@dataclass(frozen=True)
class PublishedRecord:
    """Lineage of one try of a task.

    Args:
        record: What the task itself read, ran and wrote.
        map_index: Map index; None for a task that is not mapped.
        upstream: What the Activity of the task inherited from upstream tasks. In the XCom, it is
            merged with `record`, without what the task has read and run itself.
        flows: Flows of data over which it was inherited.
        names: Names of entities, by ID.
        activities: IDs of the Activities of the stored entities, by ID of the entity.
        portals: Base URLs of web portals, by repository endpoint.
        reused: IDs of the stored entities of which an existing version was kept.
    """

    record: Record
    map_index: int | None = None
    upstream: Record = field(default_factory=Record)
    flows: tuple[DataFlow, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    activities: Mapping[str, str] = field(default_factory=dict)
    portals: Mapping[str, str] = field(default_factory=dict)
    reused: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Convert to the value of the XCom. Empty parts are omitted."""
        flows = [
            [flow.source_id, flow.source_index, flow.target_id, flow.target_index]
            for flow in self.flows
        ]
        merged = self.record | self.upstream
        parts = {
            INDEX_KEY: self.map_index,
            "own": [len(self.record.used), len(self.record.ran), len(self.record.gaps)],
            "flows": flows,
            "names": self._list_names(),
            "activities": dict(self.activities),
            "portals": dict(self.portals),
            "reused": list(self.reused),
        }
        known = {name: part for name, part in parts.items() if part or part == 0}
        return merged.to_json() | known

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Create a published record from the result of `to_json`; unknown parts are ignored."""
        merged = Record.from_json(data)
        own = data.get("own", (None, None, None))
        record, upstream = _split(merged, *own)
        return cls(
            record,
            data.get(INDEX_KEY),
            upstream,
            tuple(DataFlow(*flow) for flow in data.get("flows", ())),
            dict(data.get("names", {})),
            dict(data.get("activities", {})),
            dict(data.get("portals", {})),
            tuple(data.get("reused", ())),
        )

    def _list_names(self) -> dict[str, str]:
        """Return the names of the entities in the record, redacted."""
        record = self.record | self.upstream
        refs = [*(entry.ref for entry in record.entries()), *record.wrote]
        ids = {ref.id for ref in refs if isinstance(ref, EntityRef)}
        return {id_: redact_name(name) for id_, name in self.names.items() if id_ in ids}


def pull_own_record(ti: Any) -> Record:
    """Return the record that a task instance published before it was deferred."""
    value = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_KEY, map_indexes=ti.map_index)
    return Record() if value is None else PublishedRecord.from_json(value).record


def _split(
    merged: Record, used: int | None, ran: int | None, gaps: int | None
) -> tuple[Record, Record]:
    """Return the record of the task, which comes first in `merged`, and the inherited rest.

    Args:
        merged: The record with what the task inherited.
        used: Number of inputs in the record of the task; None for all.
        ran: Number of references to code in it.
        gaps: Number of gaps in it.
    """
    own = Record(merged.used[:used], merged.ran[:ran], merged.wrote, merged.gaps[:gaps])
    if used is None or ran is None or gaps is None:
        return own, Record()
    return own, Record(merged.used[used:], merged.ran[ran:], (), merged.gaps[gaps:])
