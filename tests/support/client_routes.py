"""Routes that the package can call, read from its source code.

A path is a text such as `f"/entity/{entity}/version"`, in the arguments of a request, or in a
name, an attribute or the result of a function that a request or a longer path uses. A request
states its method next to the path, as `syn.call("GET", path)` or `syn.restGET(path)`. A path
without a method, as in `Team.getURI`, stands for all methods, so that the result may contain
routes that are never called. It misses no route whose path is written in the package. What users
pass to `restGET` and the like is not known.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import synapse_workflows
from support.route_coverage import normalize

PACKAGE = Path(synapse_workflows.__file__).parent
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
OWNERS = ("entity", "evaluation", "access_requirement")
#: Paths with a parameter that stands for parts of the path.
EXPANDED = {
    "/evaluation/{}/{}": ["/evaluation/{}/submission", "/evaluation/{}/submission/bundle"],
    "/evaluation/{}/{}/all": [
        "/evaluation/{}/submission/all",
        "/evaluation/{}/submission/bundle/all",
    ],
    "/evaluation/{}/submission/{}/all": [
        "/evaluation/{}/submission/status/all",
        "/evaluation/{}/submission/bundle/all",
    ],
    "/file/multipart/{}/add/1": ["/file/multipart/{}/add/{}"],
}
#: Number of names that a path may consist of, one within another.
MAX_DEPTH = 5


@dataclass
class Module:
    """The source code of a module.

    Args:
        nodes: All nodes of its syntax tree.
        functions: Names of the functions of all modules -> what they return.
        names: Names and attributes -> the values that are assigned to them.
    """

    nodes: list[ast.AST]
    functions: dict[str, list[tuple["Module", ast.expr]]]
    names: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                self._assign(node.targets[0], node.value)
            elif isinstance(node, ast.AugAssign):
                self._assign(node.target, ast.BinOp(node.target, node.op, node.value))
            elif isinstance(node, ast.FunctionDef):
                for each in ast.walk(node):
                    if isinstance(each, ast.Return) and each.value is not None:
                        self.functions[node.name].append((self, each.value))

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for each in zip(target.elts, value.elts, strict=False):
                self._assign(*each)
        else:
            self.names[_get_name(target)].append(value)

    def texts(self, node: ast.expr, depth: int = 0) -> list[str]:
        """Return the texts that an expression may be, with `{}` for what is not known."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else ["{}"]
        if isinstance(node, ast.IfExp):
            return [*self.texts(node.body, depth), *self.texts(node.orelse, depth)]
        if isinstance(node, ast.FormattedValue):
            return self.texts(node.value, depth)
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node.left, node.right]
            choices = product(*(self.texts(part, depth) for part in parts))
            return ["".join(choice) for choice in choices]
        found = {
            text
            for module, value in self.values(node)
            if depth < MAX_DEPTH
            for text in module.texts(value, depth + 1)
        }
        return [text for text in found if re.fullmatch(r"[\w/{}]*", text)] or ["{}"]

    def values(self, node: ast.expr) -> list[tuple["Module", ast.expr]]:
        """Return the values of a name or an attribute, or the results of a function."""
        if not isinstance(node, ast.Call | ast.Name | ast.Attribute):
            return []
        if (name := _get_name(node)) and (values := self.names.get(name)):
            return [(self, value) for value in values]
        function = node.func if isinstance(node, ast.Call) else node
        return self.functions.get(_get_name(function).rpartition(".")[2], [])

    def sources(self, node: ast.expr) -> set[int]:
        """Return the IDs of the expressions of a path and of the names in it."""
        parts = [part for part in ast.walk(node) if isinstance(part, ast.expr)]
        values = [value for part in parts for module, value in self.values(part) if module is self]
        return {id(part) for each in (node, *values) for part in ast.walk(each)}


def _get_name(node: ast.expr) -> str:
    """Return a name, or an attribute as `object.attribute`; empty for another expression."""
    if isinstance(node, ast.Attribute):
        return f"{_get_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def list_client_routes(routes: Iterable[str]) -> set[str]:
    """Return those of some routes that the package can call.

    Raises:
        ValueError: The package sends a request to a path of another route.
    """
    table = defaultdict(dict)
    for route in routes:
        method, path = normalize(route).split(" ", 1)
        table[path.split("/v1", 1)[1]][method] = route
    chapters = {path.split("/")[1] for path in table}
    called = set()
    for method, paths in list_requests():
        found = [path for path in paths if path in table]
        if method and not found and any(path.split("/")[1] in chapters for path in paths):
            raise ValueError(f"{method} {paths} is no route of the table")
        for path in found:
            called |= {route for verb, route in table[path].items() if method in {"", verb}}
    return called


@cache
def list_requests() -> list[tuple[str, list[str]]]:
    """List the method and the possible paths of each request that the package contains.

    The method is empty where it is not known. Parameters of the path are `{}`.
    """
    functions = defaultdict(list)
    modules = [
        Module(list(ast.walk(ast.parse(file.read_text()))), functions)
        for file in sorted(PACKAGE.rglob("*.py"))
        if file.relative_to(PACKAGE).parts[0] != "local" and '"/' in file.read_text()
    ]
    no_paths, found = set(), []
    for module in modules:
        for node in module.nodes:
            no_paths |= {id(part) for part in _fragments(node)}
            for method, path in _requests(node) if isinstance(node, ast.Call) else ():
                no_paths |= module.sources(path)
                found += _expand(method, module.texts(path))
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in no_paths:
                found += _expand("", module.texts(node))
    return found


def _fragments(node: ast.AST) -> list[ast.expr]:
    """Return the parts of a longer text, and what a text is compared with."""
    if isinstance(node, ast.JoinedStr):
        return node.values
    return [node.left, *node.comparators] if isinstance(node, ast.Compare) else []


def _requests(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield the method and the path of a call."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    method = name.removeprefix("rest")
    if method in METHODS and call.args:
        yield method, call.args[0]
    for first, second in zip(call.args, call.args[1:], strict=False):
        if isinstance(first, ast.Constant) and first.value in METHODS:
            yield first.value, second


def _expand(method: str, texts: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the requests of a path; one that ends with `/async` is that of a job."""
    paths = []
    for text in texts:
        if text.startswith("/{}/{}/wiki"):
            paths += [text.replace("{}", owner, 1) for owner in OWNERS]
        elif re.fullmatch(r"/[a-zA-Z]+(/[\w{}]+)*", text):
            paths += EXPANDED.get(text, [text])
    jobs = [path for path in paths if path.endswith("/async")]
    if jobs:
        yield "POST", [f"{path}/start" for path in jobs]
        yield "GET", [f"{path}/get/{{}}" for path in jobs]
    elif paths:
        yield method, [re.sub(r"(?<=[^/{])\{\}", "", path) for path in paths]
