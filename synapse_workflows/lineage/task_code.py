"""References to the code of a task: a permanent URL at a commit, or a file with its SHA-256."""

import hashlib
import inspect
from collections.abc import Iterator
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
    for file, name in _iter_files(task, bundle):
        ref = _create_commit_url(bundle, name) or _create_hash_url(file, name, bundle)
        if ref is None:
            record = record.with_gap(f"code of DAG {task.dag_id}: file {name} could not be read")
        else:
            record |= Record.from_refs(Origin.CODE, ran=[ref])
    return record


def _iter_files(task: Any, bundle: Any) -> Iterator[tuple[Path, str]]:
    """Yield each file with its path relative to the bundle."""
    dag_file = Path(task.dag.fileloc)
    relative = task.dag.relative_fileloc or dag_file.name
    root = Path(bundle.path) if bundle is not None else _find_root(dag_file)
    yield dag_file, Path(relative).as_posix()
    source = _find_source_file(getattr(task, "python_callable", None))
    if source is None or source.resolve() == dag_file.resolve():
        return
    if source.resolve().is_relative_to(root.resolve()):
        yield source, source.resolve().relative_to(root.resolve()).as_posix()


def _find_root(dag_file: Path) -> Path:
    """Return the directory of the user's code, for a DAG without a bundle."""
    dags_folder = Path(conf.get("core", "dags_folder"))
    is_inside = dag_file.resolve().is_relative_to(dags_folder.resolve())
    return dags_folder if is_inside else dag_file.parent


def _find_source_file(function: Any) -> Path | None:
    if function is None:
        return None
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
    return Path(file) if file else None


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
