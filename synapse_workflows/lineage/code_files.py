"""Files that contain the code of a task: the DAG file, imported modules, and scripts."""

import ast
import inspect
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from airflow.sdk import conf

from synapse_workflows.lineage.run_templates import UNKNOWN, render_for_run
from synapse_workflows.lineage.template_references import find_included_files

#: Suffixes of scripts whose path may be a word of a command.
_SCRIPT_SUFFIXES: Final = frozenset(
    (
        ".py", ".sh", ".bash", ".r", ".rmd", ".qmd", ".jl", ".pl", ".rb", ".sql", ".ipynb", ".nf",
        ".wdl", ".cwl", ".smk", ".js", ".jar",
    )
)  # fmt: skip
#: Template fields of operators that contain commands, or the name of a script.
_COMMAND_FIELDS: Final = (
    "bash_command", "command", "cmds", "arguments", "application", "py_files", "python_file",
    "script", "script_path", "input_nb", "entrypoint", "job_args",
)  # fmt: skip
#: Maximum number of files of one task.
_MAX_FILES: Final = 50
#: Maximum number of characters of a command that is searched for scripts.
_MAX_COMMAND: Final = 20_000


class SourceNames(NamedTuple):
    """Names in a Python file.

    Args:
        imports: Imported modules, as level of a relative import, and name. The names after
            `from ... import` are included, because they may be modules.
        texts: Texts that have the suffix of a file.
    """

    imports: tuple[tuple[int, str], ...]
    texts: tuple[str, ...]


def list_code_files(
    task: Any,
    bundle: Any = None,
    context: Mapping[str, Any] | None = None,
    rendered: Any = None,
) -> tuple[list[Path], int]:
    """Return the files with the code of a task.

    They are the DAG file, the file of the task's function, the modules of the bundle that these
    import, also indirectly, and the scripts that the fields of the task name.

    Args:
        task: An operator of a DAG.
        bundle: The DAG bundle; None without a bundle.
        context: Context of a task in the same run; None without a run.
        rendered: The operator with rendered fields; None in the process of another task.

    Returns:
        The files, and the number of files that are left out because there are too many.
    """
    root = find_root(task, bundle)
    start = [Path(task.dag.fileloc)]
    source = find_source_file(get_field(task, "python_callable"))
    if source is not None and is_inside(source, root):
        start.append(source)
    files = _follow_imports(start, root)
    tasks = [task] if rendered is None else [task, rendered]
    files += _find_scripts(tasks, tuple(files), root, context)
    unique: dict[Path, Path] = {}
    for file in files:
        unique.setdefault(file.resolve(), file)
    listed = list(unique.values())
    return listed[:_MAX_FILES], len(listed[_MAX_FILES:])


def get_field(task: Any, name: str) -> Any:
    """Return an attribute of an operator, or an argument of a mapped one; None if it has none."""
    value = getattr(task, name, None)
    if value is not None:
        return value
    return (getattr(task, "partial_kwargs", None) or {}).get(name)


def find_source_file(function: Any) -> Path | None:
    """Return the file of the source code of a function; None for built-in functions."""
    if function is None:
        return None
    try:
        file = inspect.getsourcefile(unwrap_function(function))
    except TypeError:
        return None
    return Path(file) if file else None


def has_unknown_source(function: Any) -> bool:
    """Return whether a function is written in Python, but not in a file that exists."""
    if function is None:
        return False
    code = getattr(unwrap_function(function), "__code__", None)
    return code is not None and not Path(code.co_filename).is_file()


def unwrap_function(function: Any) -> Any:
    """Return the function in decorators and partials, or the class of a callable object."""
    while isinstance(function, partial) or hasattr(function, "__wrapped__"):
        is_partial = isinstance(function, partial)
        function = function.func if is_partial else function.__wrapped__
    is_object = not (inspect.isroutine(function) or inspect.isclass(function))
    return type(function) if is_object else function


def find_root(task: Any, bundle: Any = None) -> Path:
    """Return the directory of the user's code: that of the bundle, or of the DAGs."""
    if bundle is not None:
        return Path(bundle.path)
    dag_file = Path(task.dag.fileloc)
    dags_folder = Path(conf.get("core", "dags_folder"))
    return dags_folder if is_inside(dag_file, dags_folder) else dag_file.parent


def is_inside(file: Path, root: Path) -> bool:
    """Return whether a file is in a directory, after symbolic links are resolved."""
    return file.resolve().is_relative_to(root.resolve())


def _follow_imports(start: Iterable[Path], root: Path) -> list[Path]:
    """Return files, followed by the modules in a directory that they import."""
    found: dict[Path, None] = dict.fromkeys(start)
    queue = list(found)
    while queue:
        file = queue.pop(0)
        parents, search_path = file.parents, [file.parent, *_parents_below(file, root)]
        for level, name in read_names(file).imports:
            folders = parents[level - 1 : level] if level else search_path
            for module in _find_module(name, folders, root):
                if module not in found:
                    found[module] = None
                    queue.append(module)
    return list(found)


def _find_module(name: str, folders: Sequence[Path], root: Path) -> Iterator[Path]:
    """Yield the file of a module below the root, and those of the packages that contain it."""
    parts = name.split(".") if name else []
    for folder in folders if parts else ():
        path = folder.joinpath(*parts)
        candidates = [path.with_suffix(".py"), path / "__init__.py"]
        module = next((one for one in candidates if one.is_file()), None)
        if module is not None and is_inside(module, root):
            for depth in range(1, len(parts)):
                package = folder.joinpath(*parts[:depth], "__init__.py")
                if package.is_file():
                    yield package
            yield module
            return


def _parents_below(file: Path, root: Path) -> list[Path]:
    """Return the directories of a file, up to the root, of which some are in `sys.path`."""
    parents = [one for one in file.parents if is_inside(one, root)]
    return [*parents[1:], *([] if root in parents else [root])]


def read_names(file: Path) -> SourceNames:
    """Return the imported modules and the file names in a Python file; none if it is invalid."""
    try:
        state = file.stat()
    except OSError:
        return SourceNames((), ())
    return _read_names(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _read_names(file: Path, _modified: int, _size: int) -> SourceNames:
    imports: dict[tuple[int, str], None] = {}
    texts: dict[str, None] = {}
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return SourceNames((), ())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(dict.fromkeys((0, alias.name) for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = [base, *(f"{base}.{alias.name}".strip(".") for alias in node.names)]
            imports.update(dict.fromkeys((node.level, name) for name in names if name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if "." in text and "\n" not in text and Path(text).suffix:
                texts[text] = None
    return SourceNames(tuple(imports), tuple(texts))


def _find_scripts(
    tasks: Sequence[Any], sources: Iterable[Path], root: Path, context: Mapping[str, Any] | None
) -> Iterator[Path]:
    """Yield the scripts of a task: files of its templates, and files in its commands.

    Args:
        tasks: The operator, and the same operator with rendered fields in its own process.
        sources: Files of which the texts may be names of templates.
        root: Directory of the user's code.
        context: Context of a task in the same run.
    """
    task, folders = tasks[0], _list_template_folders(tasks[0], root)
    values = {
        name: [text for one in tasks for text in _iter_field_texts(one, name)]
        for name in task.template_fields
    }
    contents = {text for texts in values.values() for text in texts if text}
    yield from _match_templates(task, contents, sources, folders)
    yield from (one for one in find_includes(task) if isinstance(one, Path))
    for name in _COMMAND_FIELDS:
        for text in values.get(name, ()):
            for word in _split_command(render_for_run(text, task, context)):
                yield from (one for one in _resolve(word, folders) if is_inside(one, root))


def find_includes(task: Any) -> list[Path | str]:
    """Return the files that the templates of a task include, import or extend.

    Args:
        task: An operator of a DAG, whose fields are not rendered.

    Returns:
        Files, and a description of each template whose file cannot be determined.
    """
    texts = [text for name in task.template_fields for text in _iter_field_texts(task, name)]
    if not any("{%" in text for text in texts):
        return []
    return list(dict.fromkeys(find_included_files(texts, task.dag.get_template_env())))


def has_unknown_scripts(task: Any, context: Mapping[str, Any] | None) -> bool:
    """Return whether a command of a task runs a script whose name only the task knows.

    Args:
        task: An operator of a DAG.
        context: Context of another task in the same run.
    """
    return any(
        UNKNOWN in word
        for name in set(_COMMAND_FIELDS).intersection(task.template_fields)
        for text in _iter_field_texts(task, name)
        for word in _split_command(render_for_run(text, task, context))
    )


def _list_template_folders(task: Any, root: Path) -> list[Path]:
    searched = getattr(task.dag, "template_searchpath", None) or ()
    searched = [searched] if isinstance(searched, str) else searched
    return [Path(task.dag.fileloc).parent, *map(Path, searched), root]


def _iter_field_texts(task: Any, name: str) -> Iterator[str]:
    """Yield the texts in a field of an operator, or in all instances of a mapped one."""
    yield from _iter_texts(get_field(task, name))
    expanded = getattr(getattr(task, "expand_input", None), "value", None)
    items = expanded.get(name) if isinstance(expanded, Mapping) else None
    for item in items if isinstance(items, list | tuple) else ():
        yield from _iter_texts(item)


def _iter_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        yield from (one for one in value if isinstance(one, str))


def _match_templates(
    task: Any, contents: set[str], sources: Iterable[Path], folders: Iterable[Path]
) -> Iterator[Path]:
    """Yield the files of templates. Airflow has replaced their names by their content."""
    suffixes = tuple(getattr(task, "template_ext", ()) or ())
    if not suffixes or not contents:
        return
    names = [text for file in sources for text in read_names(file).texts]
    for name in dict.fromkeys(name for name in names if name.endswith(suffixes)):
        for file in _resolve(name, folders):
            with suppress(OSError, ValueError):
                if file.read_text() in contents:
                    yield file


def _split_command(text: str) -> Iterator[str]:
    """Yield the words of a command that have the suffix of a script."""
    if len(text) > _MAX_COMMAND or "." not in text:
        return
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # a quotation mark that is not closed
        words = text.split()
    yield from (
        word for word in words if Path(word.rstrip(UNKNOWN)).suffix.lower() in _SCRIPT_SUFFIXES
    )


def _resolve(name: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the first file of a name in directories."""
    with suppress(OSError, ValueError):  # for example a name that is too long
        yield from [file for file in (one / name for one in folders) if file.is_file()][:1]
