"""Parsers of the definitions of tables and views: columns, scopes, dataset items."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import parse_id, parse_unprefixed_id
from synapse_workflows.local.domain.tables.sql import defining_sql
from synapse_workflows.local.domain.views import (
    container_scope,
    dataset_items,
    type_masks,
    view_types,
)
from synapse_workflows.local.errors import BadRequest

Properties = dict[str, Any]


def parse_table(body: Mapping[str, Any]) -> Properties:
    """Parse the properties that tables and views have in common.

    Raises:
        BadRequest: A property has the wrong type, or full text search is requested.
    """
    _check_search(body)
    columns = request_fields.get_list(body, "columnIds") or []
    return {"columnIds": [str(parse_id(each, "columnIds")) for each in columns]}


def _check_search(body: Mapping[str, Any]) -> None:
    if request_fields.get_boolean(body, "isSearchEnabled"):
        raise BadRequest("Full text search is not available: isSearchEnabled must be false.")


def parse_entity_view(body: Mapping[str, Any]) -> Properties:
    """Parse the properties of an entity view.

    Raises:
        BadRequest: A property has the wrong type, or the mask is invalid.
    """
    scope = container_scope.parse_ids(request_fields.get_list(body, "scopeIds") or [])
    return {
        **parse_table(body),
        "viewTypeMask": type_masks.parse_mask(body),
        "scopeIds": [str(each) for each in scope],
    }


def parse_submission_view(body: Mapping[str, Any]) -> Properties:
    """Parse the properties of a submission view.

    Raises:
        BadRequest: A property has the wrong type, or the scope is too large.
    """
    scope = parse_evaluation_ids(request_fields.get_list(body, "scopeIds") or [])
    view_types.check_scope_size(len(scope))
    return {**parse_table(body), "scopeIds": [str(each) for each in scope]}


def parse_evaluation_ids(values: Iterable[Any]) -> tuple[int, ...]:
    """Parse the evaluation IDs of a scope and remove duplicates.

    Raises:
        BadRequest: A value is not an ID.
    """
    return tuple(dict.fromkeys(parse_unprefixed_id(each, "scopeIds") for each in values))


def parse_dataset(body: Mapping[str, Any]) -> Properties:
    """Parse the properties of a dataset or dataset collection.

    Raises:
        BadRequest: An item is not a reference to a version or not unique, or there are too many
            items.
    """
    items = dataset_items.parse_items(request_fields.get_list(body, "items") or [])
    return {**parse_table(body), "items": [each.serialize() for each in items]}


def parse_materialized_view(body: Mapping[str, Any]) -> Properties:
    """Parse the properties of a materialized view. Its columns follow from its definingSQL.

    Raises:
        BadRequest: The definingSQL is missing or not supported.
    """
    _check_search(body)
    sql = request_fields.get_text(body, "definingSQL")
    if sql is None or not sql.strip():
        raise BadRequest(
            "The definingSQL of the materialized view is required and must not be a blank string."
        )
    defining_sql.parse(sql)
    return {"definingSQL": sql}


def check_entity_view(
    session: Session, properties: Properties, _before: Mapping[str, Any]
) -> Properties:
    """Check that the scope of an entity view is not too large.

    Returns:
        The properties, unchanged.

    Raises:
        BadRequest: The scope has too many containers.
    """
    container_scope.get_scope(properties).check_size(session)
    return properties
