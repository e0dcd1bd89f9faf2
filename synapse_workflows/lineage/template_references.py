"""XComs that Jinja templates pull, and files that they include, read from their syntax trees."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, TemplateError, meta, nodes

_METHOD: Final = "xcom_pull"
_NO_FILE: Final = " is not in a file"
#: Positional parameters of `xcom_pull`.
_PARAMETERS: Final = ("task_ids", "dag_id", "key", "include_prior_dates")


@dataclass(frozen=True)
class XComPull:
    """XComs of one task of the same run that a template pulls.

    Args:
        task_id: Id of the task.
        map_index: Map index of the instance to pull from; None for all instances.
        is_own_index: Whether the template pulls from the instance with its own map index.
    """

    task_id: str
    map_index: int | None = None
    is_own_index: bool = False


def find_xcom_pulls(text: str, environment: Environment, dag_id: str) -> Iterator[XComPull | str]:
    """Yield the XComs that a template pulls. Nothing is rendered.

    Args:
        text: The template.
        environment: Jinja environment of the DAG, which loads the files that the template
            includes.
        dag_id: Id of the DAG.

    Yields:
        Pulls, and a description of each call whose task cannot be determined.
    """
    for tree in _iter_trees([text], environment):
        if isinstance(tree, nodes.Template):
            yield from _find_in_tree(tree, dag_id)
        elif isinstance(tree, str) and not tree.endswith(_NO_FILE):
            yield tree


def find_included_files(texts: Iterable[str], environment: Environment) -> Iterator[Path | str]:
    """Yield the files that templates include, import or extend, also indirectly.

    Args:
        texts: The templates. Nothing is rendered.
        environment: Jinja environment of the DAG, which loads the files.

    Yields:
        Files, and a description of each template whose file cannot be determined.
    """
    for found in _iter_trees([text for text in texts if "{%" in text], environment):
        if not isinstance(found, nodes.Template):
            yield found


def _iter_trees(
    texts: Iterable[str], environment: Environment
) -> Iterator[nodes.Template | Path | str]:
    """Yield the trees of templates, of those that they include, the files of these, and gaps."""
    pending = list(texts)
    visited: set[str | None] = set()
    while pending:
        try:
            tree = environment.parse(pending.pop())
        except TemplateError:
            continue  # rendering raises the same error
        yield tree
        for name in meta.find_referenced_templates(tree):
            if name not in visited:
                visited.add(name)
                source, file = _load(environment, name)
                if source is None:
                    yield f"template {name or 'with a computed name'} could not be read"
                    continue
                pending.append(source)
                yield Path(file) if file else f"template {name}{_NO_FILE}"


def _load(environment: Environment, name: str | None) -> tuple[str | None, str | None]:
    """Return the text and the file of a template; None if they are not known."""
    if name is None or environment.loader is None:
        return None, None
    try:
        return environment.loader.get_source(environment, name)[:2]
    except TemplateError:
        return None, None


def _find_in_tree(tree: nodes.Template, dag_id: str) -> Iterator[XComPull | str]:
    called = set()
    for call in tree.find_all(nodes.Call):
        if _is_xcom_pull(call.node):
            called.add(id(call.node))
            yield from _parse_call(call, dag_id)
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        if _is_xcom_pull(node) and id(node) not in called:
            yield f"line {node.lineno} refers to {_METHOD} without calling it"


def _is_xcom_pull(node: nodes.Node) -> bool:
    """Return whether a node is `ti.xcom_pull`, `ti['xcom_pull']` or `ti|attr('xcom_pull')`."""
    if isinstance(node, nodes.Getattr):
        return node.attr == _METHOD
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and node.arg.value == _METHOD
    if isinstance(node, nodes.Filter):
        return node.name == "attr" and [_evaluate(one) for one in node.args] == [_METHOD]
    return False


def _parse_call(call: nodes.Call, dag_id: str) -> Iterator[XComPull | str]:
    arguments: dict[str, nodes.Expr] = dict(zip(_PARAMETERS, call.args, strict=False))
    arguments |= {keyword.key: keyword.value for keyword in call.kwargs}
    if call.dyn_args is not None or call.dyn_kwargs is not None:
        yield _describe(call, "its arguments are computed")
        return
    if "dag_id" in arguments and _evaluate(arguments["dag_id"]) not in (None, dag_id):
        yield _describe(call, "the XCom is that of another DAG, or its DAG is computed")
        return
    if "run_id" in arguments and not _is_name(arguments["run_id"], "run_id"):
        yield _describe(call, "the XCom may be that of another run")
        return
    yield from _parse_tasks(call, arguments)


def _parse_tasks(call: nodes.Call, arguments: dict[str, nodes.Expr]) -> Iterator[XComPull | str]:
    task_ids = _evaluate(arguments.get("task_ids"))
    if task_ids is None:
        return  # XCom of the task itself
    named = [task_ids] if isinstance(task_ids, str) else task_ids
    if not isinstance(named, list | tuple) or not all(isinstance(one, str) for one in named):
        yield _describe(call, "its task_ids are computed")
        return
    indexes = arguments.get("map_indexes")
    is_own = indexes is not None and _is_own_index(indexes)
    numbers = None if indexes is None or is_own else _evaluate(indexes)
    several = numbers if isinstance(numbers, list | tuple) else [numbers]
    for task_id in named:
        for number in several:
            index = number if isinstance(number, int) and number >= 0 else None
            yield XComPull(task_id, index, is_own)


def _evaluate(node: nodes.Expr | None) -> Any:
    """Return the value of a constant; None without a node, `...` for a computed expression."""
    if node is None:
        return None
    try:
        return node.as_const()
    except nodes.Impossible:
        return ...


def _is_own_index(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Getattr) and node.attr == "map_index"


def _is_name(node: nodes.Expr, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _describe(call: nodes.Call, reason: str) -> str:
    return f"{_METHOD} in line {call.lineno} of a template: {reason}"
