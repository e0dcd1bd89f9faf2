"""Columns of query results in OpenLineage: their types, and the columns they are computed from.

This module requires the extra `synapse-workflows[openlineage]`; import it where it is used.
"""

import re
from typing import Any, Final

from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import column_lineage_dataset, schema_dataset
from openlineage_sql import parse

from synapse_workflows.openlineage_datasets import build_url_dataset

#: ID of a table, with its version, which the parser does not know.
_TABLE: Final = re.compile(r"\bsyn\d+(?:\.\d+)?\b", re.IGNORECASE)
_ALL_COLUMNS: Final = re.compile(r"select\s+\*\s+from\b", re.IGNORECASE)


def build_result_dataset(url: str, sql: str, table: Dataset) -> Dataset:
    """Build the dataset of a file with the result of a query.

    Args:
        url: URL of the file, without credentials.
        sql: The query.
        table: The queried table; its schema has the columns that the query returned unchanged.

    Returns:
        The dataset, with its columns and their lineage unless the SQL is too complex.
    """
    dataset = build_url_dataset(url)
    schema: Any = (table.facets or {}).get("schema")
    types = {one.name: one.type for one in schema.fields} if schema is not None else {}
    sources = find_source_columns(sql, list(types))
    facets: dict[str, Any] = dict(dataset.facets or {})
    if sources:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            [schema_dataset.SchemaDatasetFacetFields(name, types.get(name)) for name in sources]
        )
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
            {name: _build_fields(table, found) for name, found in sources.items()}
        )
    return Dataset(dataset.namespace, dataset.name, facets=facets)


def find_source_columns(sql: str, columns: list[str]) -> dict[str, list[str]]:
    """Return the columns of the table from which each column of a result is computed.

    Args:
        sql: The query.
        columns: Columns of the table that the query returned unchanged.

    Returns:
        Columns of the table, by column of the result; empty if the SQL cannot be parsed. Results
        without a name are left out.
    """
    if _ALL_COLUMNS.match(sql):
        return {name: [name] for name in columns}
    parsed = parse([f"create table result as {_TABLE.sub('t', sql)}"], dialect="ansi")
    if parsed is None:
        return {}
    return {
        one.descendant.name: sorted({source.name for source in one.lineage})
        for one in parsed.column_lineage
        if one.lineage and not re.fullmatch(r"_\d+", one.descendant.name)
    }


def _build_fields(table: Dataset, sources: list[str]) -> Any:
    return column_lineage_dataset.Fields(
        [
            column_lineage_dataset.InputField(table.namespace, table.name, source)
            for source in sources
        ]
    )
