"""Examples of a class or function, found in the code of the guides and of the example DAGs.

Tests run all of this code, so an example in the reference is always one that works.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Final

DOCS: Final = Path(__file__).parent
REPO: Final = DOCS.parents[1]
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CodeBlock:
    """A block of code in a document, or a file of code.

    Args:
        page: Path of the document or file, relative to the repository.
        language: `python`, `sh`, ...
        text: The code.
    """

    page: Path
    language: str
    text: str


def list_pages() -> list[Path]:
    """Return the README and the guides, sorted by name."""
    return [REPO / "README.md", *sorted(DOCS.glob("*.md"))]


@cache
def list_blocks() -> tuple[CodeBlock, ...]:
    """Return the blocks of the README and of the guides, in their order."""
    return tuple(
        CodeBlock(page.relative_to(REPO), language, text)
        for page in list_pages()
        for language, text in _BLOCK.findall(page.read_text())
    )


@cache
def _list_sources() -> tuple[CodeBlock, ...]:
    """Return all Python code of which examples are made: example DAGs first.

    Blocks that start with `# before` are code of other packages.
    """
    files = tuple(
        CodeBlock(path.relative_to(REPO), "python", path.read_text())
        for path in sorted((REPO / "dags_examples").glob("*.py"))
    )
    return files + tuple(
        block
        for block in list_blocks()
        if block.language == "python" and not block.text.startswith("# before")
    )


def find_example(name: str, keyword: str | None = None) -> CodeBlock | None:
    """Return the first statement that calls a class or function, or uses a decorator.

    Args:
        name: Name of the class or function; of a decorator, its attribute, as `synapse_score` for
            `@task.synapse_score`.
        keyword: Name of an argument that the call must have.
    """
    for source in _list_sources():
        if name not in source.text:
            continue
        for statement in _iter_statements(ast.parse(source.text)):
            if any(_calls(node, name, keyword) for node in _own_nodes(statement)):
                return CodeBlock(source.page, "python", _get_lines(source.text, statement))
    return None


def _iter_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield all statements, also of functions and blocks, except imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the expressions of a statement, without those of statements inside it."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        pending += [one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt)]


def _calls(node: ast.AST, name: str, keyword: str | None) -> bool:
    """Return whether a node calls `name`, `name.partial`, `task.name` or a base class `name`."""
    if isinstance(node, ast.ClassDef):
        return keyword is None and any(_is_named(base, name) for base in node.bases)
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    owner = function.value if isinstance(function, ast.Attribute) else function
    if not _is_named(function, name) and not _is_named(owner, name):
        return False
    return keyword is None or any(one.arg == keyword for one in node.keywords)


def _is_named(node: ast.AST, name: str) -> bool:
    found = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return found == name


def _get_lines(text: str, statement: ast.stmt) -> str:
    """Return the lines of a statement; of a DAG or a `with` block, only its head."""
    decorators = getattr(statement, "decorator_list", ())
    first = min([statement.lineno, *(one.lineno for one in decorators)])
    last = statement.end_lineno or statement.lineno
    if isinstance(statement, ast.With | ast.For) and statement.body[0].lineno > first:
        last = statement.body[0].end_lineno or last
    return dedent("\n".join(text.splitlines()[first - 1 : last])) + "\n"
