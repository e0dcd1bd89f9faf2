"""OpenLineage events of operators and sensors: inputs, outputs and their versions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.model.ids import VersionedId, is_synapse_id, split_version
from synapse_workflows.hooks.base import SynapseBaseHook
from synapse_workflows.lineage.task_datasets import TaskDatasets, find_collector_of
from synapse_workflows.openlineage_assets import find_portal
from synapse_workflows.provenance.record import EntityRef

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


class OpenLineageMethods:
    """Mixin of operators that report what they read and write to OpenLineage.

    The start event has the entities in the arguments of the operator, the events of success and
    failure what the task has read and written, with exact versions. Facets of another base class
    are kept.
    """

    reports_openlineage: ClassVar[bool] = True

    def get_openlineage_facets_on_start(self) -> "OperatorLineage[Any, Any]":
        """Return the entities in the arguments of the operator as inputs."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from synapse_workflows.openlineage_datasets import build_entity_dataset

        declared = list(dict.fromkeys(_find_entities(self)))
        portal = self._get_portal() if declared else None
        inputs = [
            build_entity_dataset(entity.id, {"portal": portal, "version": entity.version})
            for entity in declared
        ]
        return self._merge("get_openlineage_facets_on_start", OperatorLineage(inputs=inputs))

    def get_openlineage_facets_on_complete(
        self, task_instance: Any
    ) -> "OperatorLineage[Any, Any]":
        """Return what the task has read and written."""
        lineage = self._get_lineage(task_instance)
        lineage.outputs += self.list_file_datasets(lineage.inputs)
        return self._merge("get_openlineage_facets_on_complete", lineage, task_instance)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> "OperatorLineage[Any, Any]":
        """Return what the task has read and written before it failed."""
        lineage = self._get_lineage(task_instance)
        return self._merge("get_openlineage_facets_on_failure", lineage, task_instance)

    def list_file_datasets(self, inputs: Sequence[Any]) -> list[Any]:  # noqa: ARG002 - for subclasses
        """Return the datasets of files that the task has written outside Synapse.

        Args:
            inputs: Datasets that the task has read.
        """
        return []

    def _get_lineage(self, task_instance: Any) -> "OperatorLineage[Any, Any]":
        from airflow.providers.openlineage.extractors import OperatorLineage

        collector = find_collector_of(task_instance)
        if collector is None:
            return OperatorLineage()
        found = TaskDatasets.of(collector)
        inputs = list(self._build_datasets(found, found.inputs, is_output=False))
        outputs = list(self._build_datasets(found, found.outputs, is_output=True))
        return OperatorLineage(inputs=inputs, outputs=outputs)

    def _merge(
        self, method: str, own: "OperatorLineage[Any, Any]", *args: Any
    ) -> "OperatorLineage[Any, Any]":
        """Add the facets of another base class, without datasets that are there already."""
        inherited = getattr(super(), method, None)
        other = inherited(*args) if callable(inherited) else None
        if other is None:
            return own
        merged = own.merge(other)
        merged.inputs = _unique(merged.inputs)
        merged.outputs = _unique(merged.outputs)
        return merged

    def _get_portal(self) -> str | None:
        return find_portal(getattr(self, "synapse_conn_id", SynapseBaseHook.default_conn_name))

    def _build_datasets(
        self, found: TaskDatasets, refs: Iterable[Any], *, is_output: bool
    ) -> Iterator[Any]:
        from synapse_workflows.openlineage_datasets import build_entity_dataset, build_url_dataset

        for ref in refs:
            if isinstance(ref, EntityRef):
                properties = found.get_properties(ref, is_output=is_output)
                portal = properties.get("portal") or self._get_portal()
                yield build_entity_dataset(ref.id, {**properties, "portal": portal})
            else:
                yield build_url_dataset(ref.url)


def _unique(datasets: Iterable[Any]) -> list[Any]:
    known: dict[tuple[str, str, str], Any] = {}
    for one in datasets:
        version = getattr((one.facets or {}).get("version"), "datasetVersion", "")
        known.setdefault((one.namespace, one.name, version), one)
    return list(known.values())


def _find_entities(operator: Any) -> Iterator[VersionedId]:
    """Yield the entities in the data fields of an operator."""
    fields = getattr(operator, "data_fields", None) or operator.template_fields
    for name in fields:
        value = getattr(operator, name, None)
        if name == "sql" and isinstance(value, str):
            try:
                yield parse_table_id(value)
            except ValueError:
                continue  # the task will fail with this error
        else:
            yield from _find_ids(value)


def _find_ids(value: Any) -> Iterator[VersionedId]:
    if is_synapse_id(value):
        yield split_version(value)
    elif isinstance(value, Mapping):
        if is_synapse_id(value.get("id")):
            yield VersionedId(split_version(value["id"]).id, value.get("version"))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for one in value:
            yield from _find_ids(one)
