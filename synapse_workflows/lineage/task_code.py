"""The code of a task, named exactly: a permanent URL at a commit, else a file and its hash."""

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from synapse_workflows.provenance.record import Origin, Record, UrlRef

_SHORT = 12


def identify_code(task: Any, bundle: Any = None) -> Record:
    """Name the code of a task: its DAG's file, and the file of its function if that is another.

    Args:
        task: an operator of a DAG.
        bundle: the bundle the code came in; None where there is none, as in `dag.test()`.

    Returns:
        A record of what was run; a file that cannot be read is a gap.
    """
    record = Record()
    for file, name in _iter_files(task, bundle):
        ref = _create_commit_url(bundle, name) or _create_hash_url(file, name, bundle)
        if ref is None:
            record = record.with_gap(f"the code of {task.dag_id}: {name} could not be read")
        else:
            record |= Record.from_refs(Origin.CODE, ran=[ref])
    return record


def _iter_files(task: Any, bundle: Any) -> Iterator[tuple[Path, str]]:
    """Find the files, each with its path in the bundle."""
    dag_file = Path(task.dag.fileloc)
    relative = task.dag.relative_fileloc or dag_file.name
    root = Path(bundle.path) if bundle is not None else dag_file.parent
    yield dag_file, Path(relative).as_posix()
    function = getattr(task, "python_callable", None)
    source = _find_source_file(function)
    if source is None or source.resolve() == dag_file.resolve():
        return
    if source.resolve().is_relative_to(root.resolve()):
        yield source, source.resolve().relative_to(root.resolve()).as_posix()


def _find_source_file(function: Any) -> Path | None:
    if function is None:
        return None
    try:
        found = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
    return Path(found) if found else None


def _create_commit_url(bundle: Any, name: str) -> UrlRef | None:
    """Name a file at the commit that runs, where the bundle knows one and a place to see it."""
    version = _get_commit(bundle)
    if version is None:
        return None
    subdir = (getattr(bundle, "subdir", None) or "").strip("/")
    page = _create_page_url(bundle, version, subdir)
    label = f"{name} at {version[:_SHORT]}"
    if page is not None:
        return UrlRef(_without_credentials(f"{page}/{quote(name)}"), label)
    repository = _create_repository_url(getattr(bundle, "repo_url", None))
    if repository is None:
        return None
    place = "/".join(part for part in (subdir, name) if part)
    return UrlRef(f"{repository}@{version}#{quote(place)}", label)


def _get_commit(bundle: Any) -> str | None:
    """Read the commit; a git bundle without versioning still knows which one it has."""
    if bundle is None:
        return None
    version = bundle.version
    if version is None and getattr(bundle, "repo_url", None) is not None:
        found = bundle.get_current_version()
        version = getattr(found, "version", found)
    return str(version) if version else None


def _create_page_url(bundle: Any, version: str, subdir: str) -> str | None:
    """Fill in the bundle's own template of a web page."""
    template = bundle.view_url_template()
    if not template:
        return None
    if not subdir:
        template = template.replace("/{subdir}", "")
    try:
        page: str = template.format(version=version, subdir=subdir).rstrip("/")
    except (KeyError, IndexError, ValueError):
        return None
    host = urlsplit(page).hostname or ""
    if host == "github.com" or host.endswith(".github.com"):
        page = page.replace(f"/tree/{version}", f"/blob/{version}", 1)
    return page if urlsplit(page).scheme else None


def _create_repository_url(url: str | None) -> str | None:
    """Write a remote repository as a URL in pip's way, `git+https://host/org/repo.git`."""
    if not url:
        return None
    if url.startswith("git@") and ":" in url:
        host, _, path = url.removeprefix("git@").partition(":")
        url = f"ssh://{host}/{path}"
    parts = urlsplit(url)
    if not parts.scheme or not parts.hostname:
        return None
    return "git+" + _without_credentials(url)


def _create_hash_url(file: Path, name: str, bundle: Any) -> UrlRef | None:
    """Name a file by its content."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
    place = name if bundle is None else f"{bundle.name}/{name}"
    commit = _get_commit(bundle)
    at = f" at {commit[:_SHORT]}" if commit else ""
    return UrlRef(
        f"file:///{quote(place)}#sha256={digest}", f"{name}{at} (sha256 {digest[:_SHORT]})"
    )


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
