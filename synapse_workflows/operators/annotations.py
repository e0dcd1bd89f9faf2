"""Operator that annotates entities."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from synapse_workflows.hooks.annotations import parse_entities
from synapse_workflows.idempotency.annotation_writer import AnnotateMode, SynapseAnnotations
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Number of entities in the name of a mapped instance.
_NAMED: Final = 3


class SynapseAnnotateOperator(SynapseOperator):
    """Annotate entities. Only annotations that differ are written.

    An entity that has the annotations already keeps its etag. Concurrent changes of other
    annotations of the same entity are kept. Annotations belong to the current version of an
    entity; they create no version and do not change its Activity.

    If some entities cannot be annotated (unknown, forbidden, invalid annotations), the others are
    annotated, and then the task fails with the list. The list is also the XCom `refused` of the
    task: `[{"id": "syn123", "reason": "..."}]`, at most 1000 items. A retry writes nothing twice.

    Returns the IDs of the `changed` and the `unchanged` entities (`SynapseAnnotations`), over all
    tries of the task.

    Args:
        entities: An entity ID, the reference of another task, or a list of these, such as the
            results of a mapped task; None for all entities in `annotations`. If an ID or a
            reference has a version, it must be the current version (templated).
        annotations: One value or a list of values by key, for all entities; or a dictionary of
            these by entity ID. None, or an empty list, removes a key. NaN is invalid (templated).
        mode: `merge` keeps the other annotations of the entity, `replace` removes them
            (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "entities",
        "annotations",
        "mode",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("entities", "annotations")
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "entities": "json",
        "annotations": "json",
    }

    def __init__(
        self,
        *,
        annotations: Mapping[str, Any],
        entities: Any = None,
        mode: AnnotateMode = "merge",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.entities = entities
        self.annotations = annotations
        self.mode = mode

    def execute(self, context: "Context") -> SynapseAnnotations:
        """Annotate the entities and return their IDs."""
        entities = parse_entities(self.entities)
        if entities:
            self.set_entity_url(entities[-1].id)
            more = ["..."] if len(entities) > _NAMED else []
            names = [entity.id for entity in entities[:_NAMED]]
            self.set_map_index_name(context, ", ".join(names + more))
        result = self.hook.annotate(self.entities, self.annotations, self.mode)
        self.push_items(context, result)
        return result
