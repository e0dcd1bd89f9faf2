"""How large the files are, all together, that the rows of a query show (SumFileSizes)."""

from typing import Any

from synapse_workflows.local.domain.tables.queries import Answering


def of(work: Answering) -> dict[str, Any]:
    """Sum up the sizes of files: those of the rows of a view, whatever its columns are.

    A table has no files of its own, and an aggregate no rows.
    """
    total, statement, source = 0, work.statement, work.source
    if source.sizes is not None and statement is not None and statement.has_rows:
        rows, bound = statement.limited()
        query = (
            f"SELECT coalesce(sum({source.sizes}), 0) FROM {source.relation.text} "  # noqa: S608 - ours
            f"WHERE row_id IN (SELECT row_id FROM ({rows}))"
        )
        total = work.one(query, (*source.relation.bound, *bound))
    return {"sumFileSizesBytes": total, "greaterThan": False}
