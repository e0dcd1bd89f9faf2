"""Facets of a query result: counts of values, or the range, of each faceted column."""

from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain.tables import cell_values, query_filters
from synapse_workflows.local.domain.tables.column_types import ITEM_TYPES, LIST_TYPES, Column
from synapse_workflows.local.domain.tables.queries import QueryExecution

_M: Final = f"{MODEL}.table"
_MAX_VALUES: Final = 100


def list_facets(execution: QueryExecution) -> list[dict[str, Any]]:
    """Return the facets of a query, in the order of the columns.

    The counts of a facet apply the selections of all other facets, but not the selection of the
    facet itself. So a facet still contains values that the user has not selected.
    """
    results = []
    query, schema = execution.query, execution.queryable.schema
    for column in schema:
        if column.facet is None:
            continue
        tree = query_filters.apply_facets(
            query.tree_without_facets, query.body, schema, without=column.name
        )
        get_result = _get_range if column.facet == "range" else _count_values
        results.append(get_result(execution, tree, column))
    return results


def _get_selection(execution: QueryExecution, column: Column) -> dict[str, Any]:
    for each in execution.query.body.get("selectedFacets") or []:
        if each.get("columnName") == column.name:
            return dict(each)
    return {}


def _select(tree: exp.Select, *items: exp.Expression) -> exp.Select:
    """Return a query of other expressions, with the FROM and WHERE clauses of a query."""
    selected = exp.Select(expressions=list(items), from_=tree.args["from_"].copy())
    where = tree.args.get("where")
    if where is not None:
        selected.set("where", where.copy())
    return selected


def _get_value_expression(column: Column) -> exp.Expression:
    expression = exp.column(exp.to_identifier(column.name, quoted=True))
    if column.type in LIST_TYPES:
        return exp.Anonymous(this="UNNEST", expressions=[expression])
    return expression


def _count_values(execution: QueryExecution, tree: exp.Select, column: Column) -> dict[str, Any]:
    value = _get_value_expression(column)
    count = exp.Anonymous(this="COUNT", expressions=[exp.Star()])
    counts = _select(tree, value, count)
    counts.set("group", exp.Group(expressions=[value.copy()]))
    by_count = exp.Ordered(this=count.copy(), desc=True, nulls_first=False)
    by_value = exp.Ordered(this=value.copy(), desc=False, nulls_first=True)
    counts.set("order", exp.Order(expressions=[by_count, by_value]))
    sql, params = execution.compile(counts).with_limit(_MAX_VALUES)
    serialize = cell_values.get_serializer(ITEM_TYPES.get(column.type, column.type))
    selected = _get_selection(execution, column).get("facetValues") or []
    rows = [
        (query_filters.NULL_FACET_VALUE if value is None else serialize(value), number)
        for value, number in execution.connection.execute(sql, params)
    ]
    return {
        "concreteType": f"{_M}.FacetColumnResultValues",
        "columnName": column.name,
        "facetType": "enumeration",
        "facetValues": [
            {"value": value, "count": number, "isSelected": value in selected}
            for value, number in rows
        ],
    }


def _get_range(execution: QueryExecution, tree: exp.Select, column: Column) -> dict[str, Any]:
    ends = [
        exp.Anonymous(this=name, expressions=[_get_value_expression(column)])
        for name in ("MIN", "MAX")
    ]
    sql, params = execution.compile(_select(tree, *ends)).with_limit()
    serialize = cell_values.get_serializer(column.type)
    low, high = (
        None if value is None else serialize(value)
        for value in execution.connection.execute(sql, params).fetchone()
    )
    selected = _get_selection(execution, column)
    return {
        "concreteType": f"{_M}.FacetColumnResultRange",
        "columnName": column.name,
        "facetType": "range",
        "columnMin": low,
        "columnMax": high,
        "selectedMin": selected.get("min"),
        "selectedMax": selected.get("max"),
    }
