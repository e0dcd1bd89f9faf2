"""Sphinx extension: the parts of the reference pages that are made from the code.

The pages in `reference/` are Jinja templates. Each function in `FUNCTIONS` renders a part of them
as reStructuredText.
"""

import inspect
import logging
import re
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

import synapse_workflows
from synapse_workflows.docs.code_examples import DOCS, find_example
from synapse_workflows.provider_info import get_provider_info

_log: Final = logging.getLogger(f"sphinx.{__name__}")  # Sphinx counts its warnings
#: Base classes, by kind in the provider metadata.
_BASES: Final = {
    "operators": ("airflow.sdk", "BaseOperator"),
    "sensors": ("airflow.sdk", "BaseSensorOperator"),
    "triggers": ("airflow.triggers.base", "BaseTrigger"),
    "hooks": ("airflow.sdk", "BaseHook"),
}
#: Hooks are used by their methods, tasks by their arguments.
_HOOK_OPTIONS: Final = "   :members:\n   :inherited-members: BaseHook, DbApiHook, S3Hook\n"
#: Modules with the classes of tables, below `synapse_workflows`.
TABLE_MODULES: Final = tuple(
    f"client.model.{name}"
    for name in (
        "column_inference", "columns", "csv_tables", "datasets", "query_result", "rows", "schemas",
        "table_factory", "tables", "views",
    )
)  # fmt: skip
#: Class -> what creates it in a DAG. A trigger names this itself, in its docstring.
_CREATED_BY: Final = {
    "SynHook": "SynapseHook",
    "SynapseSqlHook": "SQLColumnCheckOperator",
    "SynapseStsMixin": "SynapseStsBashOperator",
}
_CREATOR: Final = re.compile(r"`(Synapse\w+(?:Sensor|Operator)|synapse_\w+_asset)`")


def list_classes(kind: str) -> dict[str, type]:
    """Return the classes of a kind in the provider metadata, by the path to import them from.

    Args:
        kind: `operators`, `sensors`, `triggers` or `hooks`.
    """
    module, name = _BASES[kind]
    base = getattr(import_module(module), name)
    paths = [path for entry in get_provider_info()[kind] for path in entry["python-modules"]]
    return {
        _get_public_path(cls): cls
        for path in paths
        for cls in _iter_classes(import_module(path))
        if issubclass(cls, base)
    }


def _iter_classes(module: ModuleType) -> Iterator[type]:
    """Yield the public classes that a module defines."""
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_":
            yield value


def _get_public_path(cls: type) -> str:
    """Return the path to import a class from: the package, or its module."""
    public = cls.__name__ in synapse_workflows.__all__
    return f"{'synapse_workflows' if public else cls.__module__}.{cls.__name__}"


def render_classes(kind: str) -> str:
    """Render the classes of a kind, each with its templated fields and an example."""
    classes = list(list_classes(kind).items())
    if kind != "hooks":
        classes.sort(key=_by_name)
    return "\n".join(_render_class(path, cls, _get_options(kind, path)) for path, cls in classes)


def _get_options(kind: str, path: str) -> str:
    """Return the options of `autoclass`: the hooks of the public names have all their methods."""
    return _HOOK_OPTIONS if kind == "hooks" and _is_public(path) else ""


def _is_public(path: str) -> bool:
    return path.count(".") == 1


def _by_name(item: tuple[str, Any]) -> str:
    return item[0].rpartition(".")[2]


def _render_class(path: str, cls: type, options: str) -> str:
    fields = ", ".join(f"``{one}``" for one in getattr(cls, "template_fields", ()))
    parts = [
        _render_title(cls.__name__, "-"),
        f".. autoclass:: {path}\n{options}",
        f"Templated fields: {fields}\n" if fields else "",
    ]
    try:
        parts.append(render_class_example(cls))
    except LookupError as error:
        _log.warning("%s", error)
    return "\n".join(parts)


def render_class_example(cls: type) -> str:
    """Render an example of a class, or of the task or asset that creates it.

    Raises:
        LookupError: Neither a guide nor an example DAG uses it.
    """
    creator = _CREATOR.search(cls.__doc__ or "")
    if not cls.__name__.endswith("Trigger") or creator is None:
        return render_example(_CREATED_BY.get(cls.__name__, cls.__name__))
    return render_example(creator[1], None if creator[1].endswith("_asset") else "deferrable")


def render_example(name: str, keyword: str | None = None) -> str:
    """Render an example of a class, a function or a decorator.

    Args:
        name: The name.
        keyword: Name of an argument that the call in the example must have.

    Raises:
        LookupError: Neither a guide nor an example DAG uses it.
    """
    example = find_example(name, keyword)
    if example is None:
        argument = f" with {keyword}=" if keyword else ""
        raise LookupError(
            f"No example of {name}{argument}: use it in a code block of a guide, or in a file of "
            "dags_examples"
        )
    code = "".join(f"   {line}\n" for line in example.text.splitlines())
    return f"Example, from {_render_link(example.page)}:\n\n.. code-block:: python\n\n{code}"


def _render_link(page: Any) -> str:
    if page.suffix == ".md" and page.parent.name == DOCS.name:
        return f":doc:`/{page.stem}`"
    return f"``{page}``"


def render_client() -> str:
    """Render the methods of `Synapse`, in the chapters of its source."""
    from synapse_workflows import Synapse

    parts = []
    body = inspect.getsource(Synapse).partition("    # Configuration\n")
    for line in (body[1] + body[2]).splitlines():
        if chapter := re.fullmatch(r"    # (.+)", line):
            parts.append(_render_title(chapter[1], "-"))
        elif method := re.fullmatch(r"    (\w+) = .+", line):
            parts.append(f".. automethod:: synapse_workflows.Synapse.{method[1]}\n")
    return "\n".join(parts)


def render_names(*modules: str, without: Collection[str] = ()) -> str:
    """Render the public names that modules of the package define.

    Args:
        modules: Names below `synapse_workflows`; a name also stands for the modules below it.
        without: Names of modules to leave out.
    """
    values = {name: getattr(synapse_workflows, name) for name in synapse_workflows.__all__}
    return "\n".join(
        _render_name(f"synapse_workflows.{name}", value)
        for name, value in values.items()
        if _is_below(value, modules) and not _is_below(value, without)
    )


def _is_below(value: Any, modules: Collection[str]) -> bool:
    """Return whether one of the modules, or a module below it, defines a value."""
    return any(
        f"{value.__module__}.".startswith(f"synapse_workflows.{module}.") for module in modules
    )


def _render_name(path: str, value: Any) -> str:
    title = _render_title(path.rpartition(".")[2], "-")
    if inspect.isclass(value):
        return f"{title}\n.. autoclass:: {path}\n   :members:\n"
    return f"{title}\n.. autofunction:: {path}\n"


def render_options() -> str:
    """Render the options in the section `[synapse]` of Airflow's configuration."""
    options = get_provider_info()["config"]["synapse"]["options"]
    return "\n".join(
        f".. confval:: [synapse] {name}\n   :type: ``{one['type']}``\n"
        f"   :default: ``{one['default']!r}``\n\n   {one['description']}\n"
        for name, one in options.items()
    )


def render_fields() -> str:
    """Render the fields in the extra of a connection."""
    (connection,) = get_provider_info()["connection-types"]
    return "\n".join(
        f"``{name}``\n   {one['label']}. {one['description']}.\n"
        for name, one in connection["conn-fields"].items()
    )


def render_commands() -> str:
    """Render the commands of the command line with their options."""
    from typer.main import get_command

    from synapse_workflows.cli import app

    return "\n".join(_iter_commands(get_command(app), "synapse-workflows"))


def _iter_commands(command: Any, name: str) -> Iterator[str]:
    from typer import Context

    for child, each in sorted(getattr(command, "commands", {}).items()):
        yield from _iter_commands(each, f"{name} {child}")
    if not hasattr(command, "commands"):
        with Context(command, info_name=name) as context:
            yield _render_title(name, "-")
            yield f"{command.help}\n"
            yield from _iter_parameters(command, context)


def _iter_parameters(command: Any, context: Any) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[0] != "--help":
            yield f"``{record[0]}``\n   {record[1]}\n"


def _render_title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


#: Functions of the templates.
FUNCTIONS: Final[dict[str, Callable[..., str]]] = {
    "classes": render_classes,
    "client": render_client,
    "commands": render_commands,
    "example": render_example,
    "fields": render_fields,
    "names": render_names,
    "options": render_options,
}


def render_page(text: str) -> str:
    """Render a page of the reference from its template."""
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string(text).render(table_modules=TABLE_MODULES, **FUNCTIONS)


def _expand(app: Any, docname: str, source: list[str]) -> None:  # noqa: ARG001 - of Sphinx
    if docname.startswith("reference/"):
        source[0] = render_page(source[0])


def _mark_code(app: Any, *args: Any) -> None:  # noqa: ARG001 - of Sphinx
    """Insert `::` before each indented block of a docstring, which is code."""
    lines: list[str] = args[-1]
    marked: list[str] = []
    paragraph = ""
    for line in lines:
        if line.startswith("    ") and marked and not marked[-1] and not paragraph.startswith(" "):
            marked += ["::", ""]
        marked.append(line)
        paragraph = line if line.strip() else paragraph
    lines[:] = marked


def _remove_session(app: Any, what: str, name: str, *args: Any) -> None:  # noqa: ARG001
    """Remove the argument `syn` from the docstring of a method: it is the client itself."""
    if what == "method" and name.startswith("synapse_workflows.Synapse."):
        text = re.sub(
            r"^    syn: .*\n(?:        .*\n)*", "", "\n".join(args[-1]), flags=re.MULTILINE
        )
        args[-1][:] = re.sub(r"Args:\n\n", "", text).split("\n")


def _find_public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link a public name in backquotes, or an attribute of it, from any docstring."""
    target: str = node.get("reftarget", "")
    if node.get("refdomain") != "py" or target.partition(".")[0] not in synapse_workflows.__all__:
        return None
    arguments = (env, node["refdoc"], app.builder, "obj", f"synapse_workflows.{target}")
    return env.get_domain("py").resolve_xref(*arguments, node, content)


def setup(app: Any) -> dict[str, Any]:
    """Register the extension.

    autodoc imports modules with `TYPE_CHECKING` set, which FastAPI does not support. So these are
    imported before.
    """
    import_module("synapse_workflows.testing")
    app.connect("source-read", _expand)
    app.connect("missing-reference", _find_public_name)
    # before napoleon, which has the default priority
    app.connect("autodoc-process-docstring", _mark_code, priority=100)
    app.connect("autodoc-process-docstring", _remove_session, priority=100)
    return {"parallel_read_safe": True, "version": synapse_workflows.__version__}
