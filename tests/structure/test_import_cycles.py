"""No import cycles among the modules of the package.

All imports count: at the top of a module, inside functions and for type checkers only.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "synapse_workflows"
#: `__init__` lists the public names of all modules, and imports them lazily.
ROOT = "synapse_workflows"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield every name that a module imports, as dotted paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return the modules of the package that each module imports."""
    modules = {module_name(path): path for path in sorted(package.rglob("*.py"))}
    graph = {}
    for name, path in modules.items():
        found = set()
        for imported in imported_names(ast.parse(path.read_text())):
            target = imported if imported in modules else imported.rpartition(".")[0]
            if target in modules and target not in {name, ROOT}:
                found.add(target)
        graph[name] = found
    del graph[ROOT]
    return graph


def test_no_import_cycles():
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_the_graph_includes_function_and_type_checking_imports():
    graph = import_graph()
    assert "synapse_workflows.local.server" in graph["synapse_workflows.cli"]
    assert len(graph) > 200
    assert sum(map(len, graph.values())) > 500
