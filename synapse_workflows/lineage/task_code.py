"""References to the code of a task: a permanent URL at a commit, or a file with its SHA-256."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from synapse_workflows.lineage.code_files import (
    find_includes,
    find_root,
    get_field,
    has_unknown_scripts,
    has_unknown_source,
    is_inside,
    list_code_files,
    unwrap_function,
)
from synapse_workflows.lineage.git_checkout import CommittedFile, find_commits, parse_remote
from synapse_workflows.provenance.file_hashes import SHORT_HASH, create_hash_ref
from synapse_workflows.provenance.record import Origin, Record, UrlRef


def identify_code(
    task: Any,
    bundle: Any = None,
    context: Mapping[str, Any] | None = None,
    rendered: Any = None,
) -> Record:
    """Return the code of a task: its DAG file, modules of the bundle, and scripts.

    Args:
        task: An operator of a DAG.
        bundle: The DAG bundle; None without a bundle, for example in `dag.test()`.
        context: Context of a task in the same run, for names of scripts in templates; None without
            a run.
        rendered: The operator with rendered fields; None in the process of another task.

    Returns:
        A record with the files in `ran`. A file that cannot be read is a gap.
    """
    record, start = Record(), f"code of DAG {task.dag_id}"
    try:
        files, omitted = list_code_files(task, bundle, context, rendered)
        if rendered is None and has_unknown_scripts(task, context):
            reason = "the template of its name is rendered in the task only"
            record = record.with_gap(f"{start}: a script of task {task.task_id}: {reason}")
        for gap in (one for one in find_includes(task) if isinstance(one, str)):
            record = record.with_gap(f"{start}: {gap}")
    except (OSError, RuntimeError, ValueError) as error:  # for example a loop of symbolic links
        files, omitted = [Path(task.dag.fileloc)], 0
        record = record.with_gap(f"{start}: imported modules and scripts are not known: {error}")
    if omitted:
        record = record.with_gap(f"{start}: {omitted} more files are not listed")
    function = get_field(task, "python_callable")
    if has_unknown_source(function):
        name = getattr(unwrap_function(function), "__name__", "a function")
        record = record.with_gap(f"{start}: the source of {name} is not in a file")
    if _get_commit(bundle) is None:
        find_commits(files)  # all at once, which is faster
    for file in files:
        ref = identify_file(file, task, bundle)
        if ref is None:
            name = _find_name(file, task, bundle) or file.name
            record = record.with_gap(f"{start}: file {name} could not be read")
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
        return create_hash_ref(file)
    in_bundle = _create_commit_url(bundle, name)
    if in_bundle is not None:
        return in_bundle
    committed = find_commits([file]).get(file)
    if committed is not None and committed.url is not None:
        return UrlRef(committed.url, f"{name} at {committed.commit[:SHORT_HASH]}")
    return create_hash_ref(file, name, _get_commit(bundle) or _describe_state(committed))


def _describe_state(committed: CommittedFile | None) -> str | None:
    """Return the commit of a file that has no permanent URL; None if it is not committed."""
    return committed.commit if committed is not None and committed.is_clean else None


def _find_name(file: Path, task: Any, bundle: Any) -> str | None:
    """Return the path of a file relative to the bundle; None for a file that is not in it."""
    dag_file = Path(task.dag.fileloc)
    if file.resolve() == dag_file.resolve():
        return Path(task.dag.relative_fileloc or dag_file.name).as_posix()
    root = find_root(task, bundle)
    return file.resolve().relative_to(root.resolve()).as_posix() if is_inside(file, root) else None


def _create_commit_url(bundle: Any, name: str) -> UrlRef | None:
    """Return the URL of a file at its commit, or None without a commit or a remote repository."""
    commit = _get_commit(bundle)
    if commit is None:
        return None
    subdir = (getattr(bundle, "subdir", None) or "").strip("/")
    page = _create_page_url(bundle, commit, subdir)
    label = f"{name} at {commit[:SHORT_HASH]}"
    if page is not None:
        return UrlRef(f"{page}/{quote(name)}", label)
    path = "/".join(part for part in (subdir, name) if part)
    repository = parse_remote(getattr(bundle, "repo_url", None))
    return (
        None if repository is None else UrlRef(f"git+{repository}@{commit}#{quote(path)}", label)
    )


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
    string the URL would be wrong. Neither is a URL without the commit, such as that of a branch.
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
    if not parts.scheme or parts.query or commit not in page:
        return None
    host = parts.hostname or ""
    if host == "github.com" or host.endswith(".github.com"):
        page = page.replace(f"/tree/{commit}", f"/blob/{commit}", 1)
    return page
