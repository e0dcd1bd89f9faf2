"""What the bodies of tables and views say: columns, scopes, items."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import format_entity_id, parse_id
from synapse_workflows.local.domain.views import (
    container_scope,
    dataset_items,
    type_masks,
    view_types,
)
from synapse_workflows.local.errors import BadRequest

Properties = dict[str, Any]


def parse_table(body: Mapping[str, Any]) -> Properties:
    """Read what all tables have.

    Raises:
        BadRequest: a field is ill-typed, or full text search is asked for.
    """
    if request_fields.get_boolean(body, "isSearchEnabled"):
        raise BadRequest("Full text search is not available: isSearchEnabled must be false.")
    columns = request_fields.get_list(body, "columnIds") or []
    return {"columnIds": [str(parse_id(each, "columnIds")) for each in columns]}


def parse_entity_view(body: Mapping[str, Any]) -> Properties:
    """Read what an entity view has.

    Raises:
        BadRequest: a field is ill-typed, or the mask means nothing.
    """
    scope = container_scope.parse_ids(request_fields.get_list(body, "scopeIds") or [])
    return {
        **parse_table(body),
        "viewTypeMask": type_masks.parse_mask(body, "type"),
        "type": request_fields.get_text(body, "type"),
        "scopeIds": [format_entity_id(each) for each in scope],
    }


def parse_submission_view(body: Mapping[str, Any]) -> Properties:
    """Read what a submission view has.

    Raises:
        BadRequest: a field is ill-typed, or the scope too large.
    """
    scope = parse_evaluation_ids(request_fields.get_list(body, "scopeIds") or [])
    view_types.check_scope_size(len(scope))
    return {**parse_table(body), "scopeIds": [str(each) for each in scope]}


def parse_evaluation_ids(values: Iterable[Any]) -> tuple[int, ...]:
    """Read the evaluation ids of a scope, each once.

    Raises:
        BadRequest: one is no id.
    """
    return tuple(dict.fromkeys(parse_id(each, "scopeIds") for each in values))


def parse_dataset(body: Mapping[str, Any]) -> Properties:
    """Read what a dataset has.

    Raises:
        BadRequest: an item is no reference to a version, occurs twice, or there are too many.
    """
    items = dataset_items.parse_items(request_fields.get_list(body, "items") or [])
    return {**parse_table(body), "items": [each.wire() for each in items]}


def check_entity_view(
    session: Session, properties: Properties, _before: Mapping[str, Any]
) -> Properties:
    """Check that the containers of an entity view are not too many.

    Raises:
        BadRequest: they are.
    """
    container_scope.get_scope(properties).require_size(session)
    return properties
