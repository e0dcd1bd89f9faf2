"""The commit of a file in a git checkout, for code that does not come from a git bundle."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from synapse_workflows.client.core.redaction import redact_url

#: Maximum time of a git command, in seconds.
_TIMEOUT: Final = 10
#: Hosts whose web pages of files have a known form -> part of the path before the commit.
_PAGES: Final = {"github.com": "blob", "gitlab.com": "-/blob", "bitbucket.org": "src"}
_SCP_MARK: Final = ":"
#: Environment variables that name another repository than that of the file.
_REPOSITORY_VARIABLES: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"})


class _FileState(NamedTuple):
    """A file, its time of modification in nanoseconds, and its size in bytes."""

    path: Path
    modified: int
    size: int


class _Checkout(NamedTuple):
    """A directory for git commands, and the options that permit to read its repository."""

    folder: Path
    options: tuple[str, ...]


@dataclass(frozen=True)
class CommittedFile:
    """A file in a git checkout.

    Args:
        path: Path of the file in the repository.
        commit: The full commit that is checked out.
        remote: URL of the remote repository; None if there is none, or if no branch of it is
            known to contain the commit.
        is_clean: Whether the file has the content that it has in the commit.
    """

    path: str
    commit: str
    remote: str | None
    is_clean: bool

    @property
    def url(self) -> str | None:
        """Permanent URL of the file; None if it is not committed, or the remote is not known."""
        if not self.is_clean or self.remote is None:
            return None
        return create_file_url(self.remote, self.commit, self.path)


#: Commits of files whose state has not changed.
_known: dict[_FileState, CommittedFile | None] = {}
_MAX_KNOWN: Final = 10_000


def create_file_url(remote: str, commit: str, path: str) -> str | None:
    """Return the URL of a file of a remote repository; None for a repository of this machine.

    Args:
        remote: URL of the repository, also in the form of scp: `git@host:org/repo.git`.
        commit: The commit.
        path: Path of the file in the repository.

    Returns:
        The web page of known hosts, else a URL in the format of pip:
        `git+https://host/org/repo.git@commit#path`.
    """
    url = parse_remote(remote)
    if url is None:
        return None
    parts = urlsplit(url)
    marker = _PAGES.get((parts.hostname or "").lower())
    if marker is None:
        return f"git+{url}@{commit}#{quote(path)}"
    repository = parts.path.strip("/").removesuffix(".git")
    return f"https://{parts.hostname}/{repository}/{marker}/{commit}/{quote(path)}"


def parse_remote(remote: str | None) -> str | None:
    """Return the URL of a remote repository; None for a repository of this machine.

    The URL has no user info, query and fragment: a commit is added to it.

    Args:
        remote: A URL, a path, or `user@host:path` as scp and git write it.
    """
    if not remote:
        return None
    start, mark, path = remote.partition(_SCP_MARK)
    is_scp = "://" not in remote and mark and "/" not in start and path and len(start) > 1
    if is_scp:
        remote = f"ssh://{start.rpartition('@')[2]}/{path.lstrip('/')}"
    remote = redact_url(remote).rstrip("/")
    try:
        parts = urlsplit(remote)
        is_remote = bool(parts.scheme and parts.hostname)
    except ValueError:
        return None
    return remote if is_remote else None


def find_commits(files: Iterable[Path]) -> dict[Path, CommittedFile]:
    """Return the commits of files; without those that are in no git checkout.

    Git must be installed. The results are kept while the files do not change. They stay true if
    the checkout moves on: a file has this content in the commit.
    """
    states = {file: state for file in files if (state := _get_state(file)) is not None}
    missing = [state for state in states.values() if state not in _known]
    if len(_known) > _MAX_KNOWN:
        _known.clear()
    while missing:
        found = _read_checkout(missing)
        _known.update(found)
        missing = [state for state in missing if state not in found]
    results = {file: _known.get(state) for file, state in states.items()}
    return {file: found for file, found in results.items() if found is not None}


def _get_state(file: Path) -> _FileState | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return _FileState(file.resolve(), found.st_mtime_ns, found.st_size)


def _read_checkout(states: Sequence[_FileState]) -> dict[_FileState, CommittedFile | None]:
    """Return the commits of the files that are in the same checkout as the first file."""
    folder = states[0].path.parent
    options = _find_options(folder)
    head = _git(_Checkout(folder, options), "rev-parse", "--show-toplevel", "HEAD")
    if head is None:
        return {state: None for state in states if state.path.parent == folder}
    top, _, commit = head.rpartition("\n")
    root = Path(top).resolve()
    inside = {one: one.path for one in states if one.path.is_relative_to(root)}
    if states[0] not in inside:
        return {states[0]: None}
    paths = {one: path.relative_to(root).as_posix() for one, path in inside.items()}
    checkout = _Checkout(root, options)
    known = _list_names(checkout, "ls-tree", "--name-only", "--full-tree", "HEAD", paths.values())
    changed = _list_names(checkout, "diff", "--name-only", "--no-renames", "HEAD", paths.values())
    clean = set() if known is None or changed is None else known - changed
    remote = _find_remote(checkout, commit) if clean else None
    return {one: CommittedFile(path, commit, remote, path in clean) for one, path in paths.items()}


def _list_names(checkout: _Checkout, command: str, *arguments: Any) -> set[str] | None:
    """Return the paths that a git command lists; None if it fails."""
    *options, paths = arguments
    output = _git(checkout, "--literal-pathspecs", command, "-z", *options, "--", *paths)
    return None if output is None else set(output.split("\0"))


def _find_remote(checkout: _Checkout, commit: str) -> str | None:
    """Return the URL of a remote that is known to have a commit."""
    form = "--format=%(refname:strip=2)"
    branches = _git(checkout, "for-each-ref", f"--contains={commit}", form, "refs/remotes")
    for branch in (branches or "").splitlines():
        url = _git(checkout, "remote", "get-url", branch.partition("/")[0])
        if parse_remote(url) is not None:
            return url
    return _find_fetched(checkout, commit)


def _find_fetched(checkout: _Checkout, commit: str) -> str | None:
    """Return the URL from which a commit was fetched without a branch, as git-sync does."""
    directories = _git(checkout, "rev-parse", "--absolute-git-dir", "--git-common-dir") or ""
    for directory in directories.splitlines():
        with suppress(OSError):
            for line in (checkout.folder / directory / "FETCH_HEAD").read_text().splitlines():
                fetched, _, source = line.partition("\t")
                url = source.rpartition("\t")[2].rpartition(" of ")[2]
                if fetched == commit and parse_remote(url) is not None:
                    return url
    return None


def _find_options(folder: Path) -> tuple[str, ...]:
    """Return the options with which git reads a checkout of another user.

    Git refuses such a checkout, because its configuration may run programs. In containers it is
    usual: git-sync has another user than Airflow. A repository of the user who owns the folder of
    the code is as trustworthy as the code, which the task runs.
    """
    top = next((one for one in (folder, *folder.parents) if os.path.lexists(one / ".git")), None)
    if top is None or (top / ".git").lstat().st_uid not in {0, folder.stat().st_uid}:
        return ()
    return ("-c", f"safe.directory={top}")


def _git(checkout: _Checkout, *arguments: str) -> str | None:
    """Return the output of a git command that changes nothing; None if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    environment = {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    options = ["-c", "core.fsmonitor=false", *checkout.options, "-C", str(checkout.folder)]
    command = ["git", *options, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and paths follow `--`
            command, env=environment, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip("\n\0") if done.returncode == 0 else None
