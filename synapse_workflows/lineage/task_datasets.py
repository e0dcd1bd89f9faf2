"""Inputs and outputs of a task as assets, for OpenLineage and other readers of hook lineage."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.lineage import get_hook_lineage_collector

from synapse_workflows.assets import SCHEME
from synapse_workflows.lineage.context_key import CONTEXT_KEY
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef

if TYPE_CHECKING:
    from synapse_workflows.lineage.collector import LineageCollector

#: Attribute of operators that report their inputs and outputs to OpenLineage themselves.
REPORTS_OPENLINEAGE: Final = "reports_openlineage"


@dataclass(frozen=True)
class TaskDatasets:
    """What a task has read and written.

    Args:
        inputs: Inputs of the Activity of the task, with the versions that were read. For a task
            that stored nothing, what the task itself has read.
        outputs: What the task has written.
        collector: The collector of the task.
    """

    inputs: tuple[EntityRef | UrlRef, ...]
    outputs: tuple[EntityRef | UrlRef, ...]
    collector: "LineageCollector"

    @classmethod
    def of(cls, collector: "LineageCollector") -> "TaskDatasets":
        """Return the inputs and outputs so far. Metadata that was read is not an input."""
        record = _get_known_lineage(collector)
        read = (entry for entry in record.used if entry.origin is not Origin.LOOKUP)
        inputs = replace(record, used=tuple(read)).inputs()
        return cls(inputs, record.wrote, collector)

    def get_properties(self, ref: EntityRef, *, is_output: bool) -> dict[str, Any]:
        """Return what is known of a version, as in `openlineage_datasets.build_entity_dataset`."""
        details = self.collector.details
        portals = details.portals
        default = next(iter(portals.values()), None)
        properties = {
            **details.properties.get((ref.id, ref.version), {}),
            "portal": default if ref.site is None else portals.get(ref.site, default),
            "version": ref.version,
            "name": details.names.get(ref.id),
            "open_version": ref.is_open or None,
        }
        if is_output:
            properties["activity_id"] = self.collector.activity_ids.get(ref.id)
        return {name: value for name, value in properties.items() if value is not None}


def find_collector_of(ti: Any) -> "LineageCollector | None":
    """Return the collector of a task instance of this process, also after its end."""
    collector: LineageCollector | None = ti.get_template_context().get(CONTEXT_KEY)
    return collector


def _get_known_lineage(collector: "LineageCollector") -> Record:
    """Return the record of a task, with its inlets and what it inherited, if these were read.

    Nothing is read here: the task has ended, and may have failed.
    """
    known = vars(collector)  # has the cached properties that were read
    record: Record = collector.observed | known.get("static_lineage", Record())
    if record.stored_entities and "upstream" in known:
        record |= collector.upstream.record
    return record


def report_entities(collector: "LineageCollector") -> None:
    """Report what a task has read and written in Synapse to Airflow's hook lineage collector.

    This happens at the end of the task: Airflow collects at most 100 inputs and outputs, and what
    other hooks report must not be left out because of entities.
    """
    if hasattr(collector.ti.task, REPORTS_OPENLINEAGE):
        return
    datasets = TaskDatasets.of(collector)
    airflow = get_hook_lineage_collector()
    for ref, options in _iter_entities(datasets, is_output=False):
        airflow.add_input_asset(ref, **options)
    for ref, options in _iter_entities(datasets, is_output=True):
        airflow.add_output_asset(ref, **options)


def _iter_entities(
    datasets: TaskDatasets, *, is_output: bool
) -> Iterator[tuple[Any, dict[str, Any]]]:
    for ref in datasets.outputs if is_output else datasets.inputs:
        if isinstance(ref, EntityRef):
            yield (
                datasets.collector,
                {
                    "scheme": SCHEME,
                    "asset_kwargs": {"entity_id": ref.id, "version": ref.version},
                    "asset_extra": datasets.get_properties(ref, is_output=is_output),
                },
            )
