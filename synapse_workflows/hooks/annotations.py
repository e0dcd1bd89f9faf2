"""Arguments of the operator and the hook that annotate entities."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.ids import VersionedId, parse_version_number
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.idempotency.annotation_writer import (
    AnnotateMode,
    SynapseAnnotations,
    annotate,
)
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import (
    invalid_type,
    optional_mapping,
    parse_reference_text,
)


def parse_entities(value: Any) -> list[VersionedId] | None:
    """Parse the argument `entities`; return None for None.

    Args:
        value: An entity ID, a reference, or a list or another iterable of these, such as a
            column of a DataFrame. It may be nested, such as the results of mapped tasks.

    Raises:
        SynapseMalformedEntityError: An item is not an entity ID.
    """
    if value is None:
        return None
    return [_parse_entity(item) for item in _flatten(parse_reference_text(_parse_literal(value)))]


def _flatten(value: Any) -> Iterator[Any]:
    """Yield the items of a collection, and of the collections in it."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        for item in value:
            yield from _flatten(item)
    else:
        yield value


def _parse_entity(value: Any) -> VersionedId:
    parsed = parse_entity_id(value, "entities")
    version = None if parsed.version is None else parse_version_number(parsed.version)
    return VersionedId(parsed.id, version)


def _parse_literal(value: Any) -> Any:
    """Return the list or dictionary that a text contains as Python writes it, as templates do."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        with suppress(ValueError, SyntaxError):
            return ast.literal_eval(value.strip())
    return value


def annotate_entities(
    client: LineageClient, entities: Any, annotations: Any, mode: AnnotateMode
) -> SynapseAnnotations:
    """Check the arguments and annotate entities; see `SynapseHook.annotate`.

    Raises:
        AirflowFailException: An argument is invalid, or some entities were not annotated and a
            retry cannot succeed.
        AirflowException: Some entities were not annotated.
        SynapseMalformedEntityError: An item of `entities` is not an entity ID.
    """
    if mode not in get_args(AnnotateMode):
        raise AirflowFailException(
            f"Invalid mode {mode!r}: expected one of {', '.join(get_args(AnnotateMode))}"
        )
    if annotations is None:
        raise invalid_type(annotations, "annotations", "a dictionary")
    parsed = optional_mapping(_parse_literal(annotations), "annotations")
    return annotate(client, parse_entities(entities), parsed, mode)
