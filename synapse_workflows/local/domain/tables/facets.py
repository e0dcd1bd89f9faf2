"""Facets: which values the rows of a query have in the columns that are made for browsing."""

from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain.tables import cell_values, query_filters
from synapse_workflows.local.domain.tables.column_types import ITEMS, LISTS, Column
from synapse_workflows.local.domain.tables.queries import Answering

_M: Final = f"{MODEL}.table"
_MOST_VALUES: Final = 100


def of(work: Answering) -> list[dict[str, Any]]:
    """Give the facets of a query, in the order of the columns.

    A facet counts the rows that all other facets leave, so that one can choose anew.
    """
    found = []
    for column in work.source.schema:
        if column.facet is None:
            continue
        tree = query_filters.with_facets(
            work.query.plain, work.query.body, work.source.schema, without=column.name
        )
        one = _range if column.facet == "range" else _values
        found.append(one(work, tree, column))
    return found


def _chosen(work: Answering, column: Column) -> dict[str, Any]:
    for each in work.query.body.get("selectedFacets") or []:
        if each.get("columnName") == column.name:
            return dict(each)
    return {}


def _only(tree: exp.Select, *items: exp.Expression) -> exp.Select:
    """Keep where a query is from and how it is narrowed, and select something else."""
    found = exp.Select(expressions=list(items), from_=tree.args["from_"].copy())
    where = tree.args.get("where")
    if where is not None:
        found.set("where", where.copy())
    return found


def _column(column: Column) -> exp.Expression:
    named = exp.column(exp.to_identifier(column.name, quoted=True))
    if column.type in LISTS:
        return exp.Anonymous(this="UNNEST", expressions=[named])
    return named


def _values(work: Answering, tree: exp.Select, column: Column) -> dict[str, Any]:
    item, count = _column(column), exp.Anonymous(this="COUNT", expressions=[exp.Star()])
    counted = _only(tree, item, count)
    counted.set("group", exp.Group(expressions=[item.copy()]))
    largest = exp.Ordered(this=count.copy(), desc=True, nulls_first=False)
    smallest = exp.Ordered(this=item.copy(), desc=False, nulls_first=True)
    counted.set("order", exp.Order(expressions=[largest, smallest]))
    text, bound = work.compile(counted).limited(_MOST_VALUES)
    write = cell_values.writer(ITEMS.get(column.type, column.type))
    chosen = _chosen(work, column).get("facetValues") or []
    rows = [
        (query_filters.NOT_SET if value is None else write(value), number)
        for value, number in work.connection.execute(text, bound)
    ]
    return {
        "concreteType": f"{_M}.FacetColumnResultValues",
        "columnName": column.name,
        "facetType": "enumeration",
        "facetValues": [
            {"value": value, "count": number, "isSelected": value in chosen}
            for value, number in rows
        ],
    }


def _range(work: Answering, tree: exp.Select, column: Column) -> dict[str, Any]:
    ends = [exp.Anonymous(this=name, expressions=[_column(column)]) for name in ("MIN", "MAX")]
    text, bound = work.compile(_only(tree, *ends)).limited()
    write = cell_values.writer(column.type)
    low, high = (
        None if value is None else write(value)
        for value in work.connection.execute(text, bound).fetchone()
    )
    chosen = _chosen(work, column)
    return {
        "concreteType": f"{_M}.FacetColumnResultRange",
        "columnName": column.name,
        "facetType": "range",
        "columnMin": low,
        "columnMax": high,
        "selectedMin": chosen.get("min"),
        "selectedMax": chosen.get("max"),
    }
