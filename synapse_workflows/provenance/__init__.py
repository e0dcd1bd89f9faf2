"""Lineage records of tasks, and provenance of entities: walk, check, compare, export.

Public names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_workflows.provenance.comparison import (
        ProvenanceComparison as ProvenanceComparison,
        compare_provenance as compare_provenance,
        format_comparison as format_comparison,
    )
    from synapse_workflows.provenance.coverage import (
        CoverageReport as CoverageReport,
        check_coverage as check_coverage,
        format_report as format_report,
    )
    from synapse_workflows.provenance.export import (
        ProvenanceExport as ProvenanceExport,
        export_provenance as export_provenance,
    )
    from synapse_workflows.provenance.graph_drawing import to_drawing as to_drawing
    from synapse_workflows.provenance.pending_xcoms import (
        read_pending_file as read_pending_file,
        read_pending_xcoms as read_pending_xcoms,
    )
    from synapse_workflows.provenance.provenance_graph import ProvenanceGraph as ProvenanceGraph
    from synapse_workflows.provenance.repair import (
        Repair as Repair,
        repair_activities as repair_activities,
    )
    from synapse_workflows.provenance.tree import (
        format_results as format_results,
        format_sources as format_sources,
        render_tree as render_tree,
    )
    from synapse_workflows.provenance.walk import walk_provenance as walk_provenance

_MODULES = {
    "CoverageReport": "coverage",
    "ProvenanceComparison": "comparison",
    "ProvenanceExport": "export",
    "ProvenanceGraph": "provenance_graph",
    "Repair": "repair",
    "check_coverage": "coverage",
    "compare_provenance": "comparison",
    "export_provenance": "export",
    "format_comparison": "comparison",
    "format_report": "coverage",
    "format_results": "tree",
    "format_sources": "tree",
    "read_pending_file": "pending_xcoms",
    "read_pending_xcoms": "pending_xcoms",
    "render_tree": "tree",
    "repair_activities": "repair",
    "to_drawing": "graph_drawing",
    "walk_provenance": "walk",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605 - the names are listed once, in _MODULES


if not TYPE_CHECKING:  # type checkers report unknown names

    def __getattr__(name: str) -> Any:
        """Import a public name from its module and cache it."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
