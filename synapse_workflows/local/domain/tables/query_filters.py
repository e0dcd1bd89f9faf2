"""What a request asks on top of its SQL: filters, facets and sorting, put into the SQL's tree."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, Column
from synapse_workflows.local.domain.tables.sql.dialect import Has, HasLike
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
#: The value of a facet that stands for null.
NULL_FACET_VALUE: Final = "org.sagebionetworks.UNDEFINED_NULL_NOTSET"


def _column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _texts(body: Mapping[str, Any], key: str) -> list[str]:
    return [request_fields.as_text(each, key) for each in request_fields.items(body, key) or []]


def _objects(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = request_fields.items(body, key) or []
    if not all(isinstance(each, dict) for each in found):
        raise BadRequest(f"{key} must be an array of objects.")
    return found


def _any(conditions: Sequence[exp.Expression]) -> exp.Expression:
    return exp.Paren(this=reduce(lambda one, two: exp.Or(this=one, expression=two), conditions))


def _all(conditions: Sequence[exp.Expression]) -> exp.Expression:
    return reduce(lambda one, two: exp.And(this=one, expression=two), conditions)


def _with(tree: exp.Select, conditions: Sequence[exp.Expression]) -> exp.Select:
    """Narrow a query down."""
    if not conditions:
        return tree
    narrowed = tree.copy()
    where = narrowed.args.get("where")
    there = [] if where is None else [exp.Paren(this=where.this)]
    narrowed.set("where", exp.Where(this=_all([*there, *conditions])))
    return narrowed


def _single(body: Mapping[str, Any]) -> exp.Expression:
    name, words = _column(request_fields.required(body, "columnName")), _texts(body, "values")
    literals = [exp.Literal.string(word) for word in words]
    if not literals:
        raise BadRequest("A filter needs at least one value.")
    operator = request_fields.one_of(("LIKE", "EQUAL", "IN"), body.get("operator"), "operator")
    if operator == "IN":
        return exp.In(this=name, expressions=literals)
    kind = exp.Like if operator == "LIKE" else exp.EQ
    return _any([kind(this=name.copy(), expression=each) for each in literals])


def _multiple(body: Mapping[str, Any]) -> exp.Expression:
    name, words = _column(request_fields.required(body, "columnName")), _texts(body, "values")
    literals = [exp.Literal.string(word) for word in words]
    if not literals:
        raise BadRequest("A filter needs at least one value.")
    function = request_fields.one_of(("HAS", "HAS_LIKE"), body.get("function"), "function")
    kind = Has if function == "HAS" else HasLike
    return kind(this=name, expressions=literals)


_FILTERS: Final[Mapping[str, Callable[[Mapping[str, Any]], exp.Expression]]] = {
    f"{_M}.ColumnSingleValueQueryFilter": _single,
    f"{_M}.ColumnMultiValueFunctionQueryFilter": _multiple,
}


def apply_filters(tree: exp.Select, body: Mapping[str, Any]) -> exp.Select:
    """Put the additional filters and the sorting of a request into its query.

    Raises:
        BadRequest: one of them cannot be.
    """
    conditions = []
    for each in _objects(body, "additionalFilters"):
        kind = request_fields.one_of(_FILTERS, each.get("concreteType"), "concreteType")
        conditions.append(_FILTERS[kind](each))
    found = _with(tree, conditions)
    items = _objects(body, "sort")
    if not items:
        return found
    found = found.copy()
    found.set("order", exp.Order(expressions=[_ordered(each) for each in items]))
    return found


def _ordered(body: Mapping[str, Any]) -> exp.Expression:
    direction = request_fields.one_of(("ASC", "DESC"), body.get("direction") or "ASC", "direction")
    descends = direction == "DESC"
    column = _column(request_fields.required(body, "column"))
    return exp.Ordered(this=column, desc=descends, nulls_first=not descends)


def build_facet_condition(
    body: Mapping[str, Any], columns: Mapping[str, Column]
) -> exp.Expression:
    """Make a condition of a FacetColumnRequest.

    Raises:
        BadRequest: its column has no such facet.
    """
    name = request_fields.required(body, "columnName")
    column = columns.get(name)
    ranged = str(body.get("concreteType")) == f"{_M}.FacetColumnRangeRequest"
    if column is None or column.facet != ("range" if ranged else "enumeration"):
        raise BadRequest(f"The column '{name}' has no facet of this kind.")
    return _ranged(name, body) if ranged else _chosen(column, _texts(body, "facetValues"))


def _ranged(name: str, body: Mapping[str, Any]) -> exp.Expression:
    low, high = request_fields.text(body, "min"), request_fields.text(body, "max")
    if NULL_FACET_VALUE in {low, high}:
        return exp.Is(this=_column(name), expression=exp.Null())
    parts: list[exp.Expression] = []
    if low:
        parts.append(exp.GTE(this=_column(name), expression=exp.Literal.string(low)))
    if high:
        parts.append(exp.LTE(this=_column(name), expression=exp.Literal.string(high)))
    if not parts:
        raise BadRequest(f"The facet of '{name}' needs a min or a max.")
    return exp.Paren(this=_all(parts))


def _chosen(column: Column, chosen: Sequence[str]) -> exp.Expression:
    parts: list[exp.Expression] = []
    for word in chosen:
        if word == NULL_FACET_VALUE:
            parts.append(exp.Is(this=_column(column.name), expression=exp.Null()))
        elif column.type in LIST_TYPES:
            literals = [exp.Literal.string(word)]
            parts.append(Has(this=_column(column.name), expressions=literals))
        else:
            parts.append(exp.EQ(this=_column(column.name), expression=exp.Literal.string(word)))
    if not parts:
        raise BadRequest(f"The facet of '{column.name}' needs values.")
    return _any(parts)


def apply_facets(
    tree: exp.Select,
    body: Mapping[str, Any],
    schema: Sequence[Column],
    *,
    without: str | None = None,
) -> exp.Select:
    """Put the facets that a request selects into its query.

    Args:
        tree: the query.
        body: the request.
        schema: the columns of the table.
        without: a column whose facet is left out.

    Raises:
        BadRequest: a column has no such facet.
    """
    columns = {each.name: each for each in schema}
    return _with(
        tree,
        [
            build_facet_condition(each, columns)
            for each in _objects(body, "selectedFacets")
            if each.get("columnName") != without
        ],
    )
