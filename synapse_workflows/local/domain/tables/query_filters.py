"""Filters, facets and sorting of a query request, added to the syntax tree of its SQL."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, Column
from synapse_workflows.local.domain.tables.sql.dialect import Has, HasLike
from synapse_workflows.local.errors import BadRequest, InvalidFacetRequest

_M: Final = f"{MODEL}.table"
#: The value in a FacetColumnRequest that stands for null.
NULL_FACET_VALUE: Final = "org.sagebionetworks.UNDEFINED_NULL_NOTSET"


def _create_column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _create_literals(texts: Sequence[str]) -> list[exp.Expression]:
    return [exp.Literal.string(text) for text in texts]


def _parse_texts(body: Mapping[str, Any], key: str) -> list[str]:
    return [
        request_fields.parse_text(each, key) for each in request_fields.get_list(body, key) or []
    ]


def _or(conditions: Sequence[exp.Expression]) -> exp.Expression:
    joined = reduce(lambda left, right: exp.Or(this=left, expression=right), conditions)
    return exp.Paren(this=joined)


def _and(conditions: Sequence[exp.Expression]) -> exp.Expression:
    return reduce(lambda left, right: exp.And(this=left, expression=right), conditions)


def _add_conditions(tree: exp.Select, conditions: Sequence[exp.Expression]) -> exp.Select:
    """Return a query with the given conditions added to its WHERE clause."""
    if not conditions:
        return tree
    filtered = tree.copy()
    where = filtered.args.get("where")
    existing = [] if where is None else [exp.Paren(this=where.this)]
    filtered.set("where", exp.Where(this=_and([*existing, *conditions])))
    return filtered


def _parse_values(body: Mapping[str, Any]) -> tuple[exp.Column, list[exp.Expression]]:
    """Return the column and the values of a filter."""
    column = _create_column(request_fields.get_required_text(body, "columnName"))
    literals = _create_literals(_parse_texts(body, "values"))
    if not literals:
        raise BadRequest("A filter needs at least one value.")
    return column, literals


def _create_single_value_filter(body: Mapping[str, Any]) -> exp.Expression:
    column, literals = _parse_values(body)
    operator = request_fields.parse_choice(
        ("LIKE", "EQUAL", "IN"), body.get("operator"), "operator"
    )
    if operator == "IN":
        return exp.In(this=column, expressions=literals)
    kind = exp.Like if operator == "LIKE" else exp.EQ
    return _or([kind(this=column.copy(), expression=each) for each in literals])


def _create_list_filter(body: Mapping[str, Any]) -> exp.Expression:
    column, literals = _parse_values(body)
    function = request_fields.parse_choice(("HAS", "HAS_LIKE"), body.get("function"), "function")
    kind = Has if function == "HAS" else HasLike
    return kind(this=column, expressions=literals)


_FILTERS: Final[Mapping[str, Callable[[Mapping[str, Any]], exp.Expression]]] = {
    f"{_M}.ColumnSingleValueQueryFilter": _create_single_value_filter,
    f"{_M}.ColumnMultiValueFunctionQueryFilter": _create_list_filter,
}


def apply_filters(tree: exp.Select, body: Mapping[str, Any]) -> exp.Select:
    """Return a query with the additional filters and the sorting of a request.

    Raises:
        BadRequest: A filter or sort item is invalid.
    """
    conditions = []
    for each in request_fields.get_objects(body, "additionalFilters"):
        kind = request_fields.parse_choice(_FILTERS, each.get("concreteType"), "concreteType")
        conditions.append(_FILTERS[kind](each))
    filtered = _add_conditions(tree, conditions)
    items = request_fields.get_objects(body, "sort")
    if not items:
        return filtered
    filtered = filtered.copy()
    filtered.set("order", exp.Order(expressions=[_create_sort_item(each) for each in items]))
    return filtered


def _create_sort_item(body: Mapping[str, Any]) -> exp.Expression:
    direction = request_fields.parse_choice(
        ("ASC", "DESC"), body.get("direction") or "ASC", "direction"
    )
    is_descending = direction == "DESC"
    column = _create_column(request_fields.get_required_text(body, "column"))
    return exp.Ordered(this=column, desc=is_descending, nulls_first=not is_descending)


def build_facet_condition(
    body: Mapping[str, Any], columns: Mapping[str, Column]
) -> exp.Expression:
    """Return the condition of a FacetColumnRequest.

    Raises:
        InvalidFacetRequest: The column has no facet of this type.
        BadRequest: The request selects no value and no range.
    """
    name = request_fields.get_required_text(body, "columnName")
    column = columns.get(name)
    is_range = str(body.get("concreteType")) == f"{_M}.FacetColumnRangeRequest"
    facet = "range" if is_range else "enumeration"
    if column is None or column.facet != facet:
        raise InvalidFacetRequest(f"The column '{name}' has no facet of type {facet}.")
    if is_range:
        return _create_range_condition(name, body)
    return _create_value_condition(column, _parse_texts(body, "facetValues"))


def _create_range_condition(name: str, body: Mapping[str, Any]) -> exp.Expression:
    low, high = request_fields.get_text(body, "min"), request_fields.get_text(body, "max")
    column = _create_column(name)
    if NULL_FACET_VALUE in {low, high}:
        return exp.Is(this=column, expression=exp.Null())
    conditions: list[exp.Expression] = []
    if low:
        conditions.append(exp.GTE(this=column, expression=exp.Literal.string(low)))
    if high:
        conditions.append(exp.LTE(this=column.copy(), expression=exp.Literal.string(high)))
    if not conditions:
        raise BadRequest(f"The facet of '{name}' needs a min or a max.")
    return exp.Paren(this=_and(conditions))


def _create_value_condition(column: Column, values: Sequence[str]) -> exp.Expression:
    conditions: list[exp.Expression] = []
    for value in values:
        target = _create_column(column.name)
        if value == NULL_FACET_VALUE:
            conditions.append(exp.Is(this=target, expression=exp.Null()))
        elif column.type in LIST_TYPES:
            conditions.append(Has(this=target, expressions=_create_literals([value])))
        else:
            conditions.append(exp.EQ(this=target, expression=exp.Literal.string(value)))
    if not conditions:
        raise BadRequest(f"The facet of '{column.name}' needs values.")
    return _or(conditions)


def apply_facets(
    tree: exp.Select,
    body: Mapping[str, Any],
    schema: Sequence[Column],
    *,
    without: str | None = None,
) -> exp.Select:
    """Return a query with the selected facets of a request.

    Args:
        tree: The query.
        body: The request.
        schema: The columns of the table.
        without: Name of a column whose selected facet is not applied; None to apply all.

    Raises:
        BadRequest: A selected facet is invalid.
    """
    columns = {each.name: each for each in schema}
    return _add_conditions(
        tree,
        [
            build_facet_condition(each, columns)
            for each in request_fields.get_objects(body, "selectedFacets")
            if each.get("columnName") != without
        ],
    )
