"""References to the code of a task: a permanent URL at a commit, or a file with its SHA-256."""

import hashlib
import inspect
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import conf

from synapse_workflows.provenance.record import Origin, Record, UrlRef

#: Characters of a commit or digest in the name of a reference.
_SHORT_HASH = 12


def identify_code(task: Any, bundle: Any = None) -> Record:
    """Return the code of a task: its DAG file, and the file of its function if different.

    Args:
        task: An operator of a DAG.
        bundle: The DAG bundle; None without a bundle, for example in `dag.test()`.

    Returns:
        A record with the files in `ran`. A file that cannot be read is a gap.
    """
    record = Record()
    for file in _iter_files(task, bundle):
        ref = identify_file(file, task, bundle)
        if ref is None:
            name = _find_name(file, task, bundle) or file.name
            record = record.with_gap(f"code of DAG {task.dag_id}: file {name} could not be read")
        else:
            record |= Record.from_refs(Origin.CODE, ran=[ref])
    return record


def identify_file(file: Path, task: Any, bundle: Any = None) -> UrlRef | None:
    """Return the reference of a file of code; None if the file cannot be read.

    Args:
        file: The file.
        task: An operator of the DAG that runs the code.
        bundle: The DAG bundle; None without a bundle.
    """
    name = _find_name(file, task, bundle)
    if name is None:
        return _create_hash_url(file, file.name, None)
    return _create_commit_url(bundle, name) or _create_hash_url(file, name, bundle)


def find_source_file(function: Any) -> Path | None:
    """Return the file of the source code of a function; None for built-in functions."""
    if function is None:
        return None
    try:
        file = inspect.getsourcefile(unwrap_function(function))
    except TypeError:
        return None
    return Path(file) if file else None


def unwrap_function(function: Any) -> Any:
    """Return the function in decorators and partials, or the class of a callable object."""
    while isinstance(function, partial) or hasattr(function, "__wrapped__"):
        is_partial = isinstance(function, partial)
        function = function.func if is_partial else function.__wrapped__
    is_object = not (inspect.isroutine(function) or inspect.isclass(function))
    return type(function) if is_object else function


def _iter_files(task: Any, bundle: Any) -> Iterator[Path]:
    """Yield the DAG file, and the file of the function if it is in the bundle."""
    dag_file = Path(task.dag.fileloc)
    yield dag_file
    source = find_source_file(getattr(task, "python_callable", None))
    if source is None or source.resolve() == dag_file.resolve():
        return
    if _find_name(source, task, bundle) is not None:
        yield source


def _find_name(file: Path, task: Any, bundle: Any) -> str | None:
    """Return the path of a file relative to the bundle; None for a file that is not in it."""
    dag_file = Path(task.dag.fileloc)
    if file.resolve() == dag_file.resolve():
        return Path(task.dag.relative_fileloc or dag_file.name).as_posix()
    root = (Path(bundle.path) if bundle is not None else _find_root(dag_file)).resolve()
    is_inside = file.resolve().is_relative_to(root)
    return file.resolve().relative_to(root).as_posix() if is_inside else None


def _find_root(dag_file: Path) -> Path:
    """Return the directory of the user's code, for a DAG without a bundle."""
    dags_folder = Path(conf.get("core", "dags_folder"))
    is_inside = dag_file.resolve().is_relative_to(dags_folder.resolve())
    return dags_folder if is_inside else dag_file.parent


def _create_commit_url(bundle: Any, name: str) -> UrlRef | None:
    """Return the URL of a file at its commit, or None without a commit or a remote repository."""
    commit = _get_commit(bundle)
    if commit is None:
        return None
    subdir = (getattr(bundle, "subdir", None) or "").strip("/")
    page = _create_page_url(bundle, commit, subdir)
    label = f"{name} at {commit[:_SHORT_HASH]}"
    if page is not None:
        return UrlRef(f"{page}/{quote(name)}", label)
    repository = _create_repository_url(getattr(bundle, "repo_url", None))
    if repository is None:
        return None
    path = "/".join(part for part in (subdir, name) if part)
    return UrlRef(f"{repository}@{commit}#{quote(path)}", label)


def _get_commit(bundle: Any) -> str | None:
    """Return the commit of a bundle; a git bundle has a commit even without versioning."""
    if bundle is None:
        return None
    version = bundle.version
    if version is None and getattr(bundle, "repo_url", None) is not None:
        current = bundle.get_current_version()
        version = getattr(current, "version", current)
    return str(version) if version else None


def _create_page_url(bundle: Any, commit: str, subdir: str) -> str | None:
    """Return the web page of the bundle's directory, from the URL template of the bundle.

    A URL with a query string is not used: query strings are never recorded, and without its query
    string the URL would be wrong.
    """
    template = bundle.view_url_template()
    if not template:
        return None
    if not subdir:
        template = template.replace("/{subdir}", "")
    try:
        page: str = template.format(version=commit, subdir=subdir).rstrip("/")
    except (KeyError, IndexError, ValueError):
        return None
    parts = urlsplit(page)
    if not parts.scheme or parts.query:
        return None
    host = parts.hostname or ""
    if host == "github.com" or host.endswith(".github.com"):
        page = page.replace(f"/tree/{commit}", f"/blob/{commit}", 1)
    return page


def _create_repository_url(url: str | None) -> str | None:
    """Return the URL of a remote repository in pip's format: `git+https://host/org/repo.git`."""
    if not url:
        return None
    if url.startswith("git@") and ":" in url:
        host, _, path = url.removeprefix("git@").partition(":")
        url = f"ssh://{host}/{path}"
    parts = urlsplit(url)
    if not parts.scheme or not parts.hostname:
        return None
    return f"git+{url}"


def _create_hash_url(file: Path, name: str, bundle: Any) -> UrlRef | None:
    """Return a file URL with the SHA-256 of the content, or None if the file is unreadable."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
    # omit the directory: it differs between a DAG bundle and dag.test()
    name = Path(name).name
    commit = _get_commit(bundle)
    at = f" at {commit[:_SHORT_HASH]}" if commit else ""
    return UrlRef(
        f"file:///{quote(name)}#sha256={digest}", f"{name}{at} (sha256 {digest[:_SHORT_HASH]})"
    )
