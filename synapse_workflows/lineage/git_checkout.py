"""The commit of a file in a git checkout, for code that does not come from a git bundle."""

import os
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

#: Maximum time of a git command, in seconds.
_TIMEOUT: Final = 10
#: Hosts whose web pages of files have a known form -> part of the path before the commit.
_PAGES: Final = {"github.com": "blob", "gitlab.com": "-/blob", "bitbucket.org": "src"}
_SCP_MARK: Final = ":"
#: Environment variables that name another repository than that of the file.
_REPOSITORY_VARIABLES: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"})


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


def create_file_url(remote: str, commit: str, path: str) -> str | None:
    """Return the URL of a file of a remote repository; None for a repository of this machine.

    Args:
        remote: URL of the repository, also in the form of scp: `git@host:org/repo.git`. User info
            is not removed here.
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

    Args:
        remote: A URL, a path, or `user@host:path` as scp and git write it.
    """
    if not remote:
        return None
    start, mark, path = remote.partition(_SCP_MARK)
    is_scp = "://" not in remote and mark and "/" not in start and path and len(start) > 1
    if is_scp:
        remote = f"ssh://{start.rpartition('@')[2]}/{path.lstrip('/')}"
    try:
        parts = urlsplit(remote)
        is_remote = bool(parts.scheme and parts.hostname)
    except ValueError:
        return None
    return remote if is_remote else None


def find_commit(file: Path) -> CommittedFile | None:
    """Return the commit of a file; None if it is not in a git checkout, or git is not installed.

    The result is kept while the file does not change. It stays true if the checkout moves on: the
    file has this content in the commit.
    """
    try:
        state = file.stat()
    except OSError:
        return None
    return _find_commit(file.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _find_commit(file: Path, _modified: int, _size: int) -> CommittedFile | None:
    found = _git(file.parent, "rev-parse", "--show-toplevel", "HEAD")
    if found is None:
        return None
    root, _, commit = found.rpartition("\n")
    try:
        path = file.relative_to(Path(root).resolve()).as_posix()
    except ValueError:
        return None
    is_known = bool(_git(file.parent, "ls-tree", "-z", "--name-only", "HEAD", "--", file.name))
    difference = _git(file.parent, "diff", "--quiet", "HEAD", "--", file.name)
    is_clean = is_known and difference is not None
    remote = _find_remote(file.parent, commit) if is_clean else None
    return CommittedFile(path, commit, remote, is_clean)


def _find_remote(folder: Path, commit: str) -> str | None:
    """Return the URL of a remote that is known to have a commit."""
    form = "--format=%(refname:strip=2)"
    branches = _git(folder, "for-each-ref", f"--contains={commit}", form, "refs/remotes")
    for branch in (branches or "").splitlines():
        url = _git(folder, "remote", "get-url", branch.partition("/")[0])
        if parse_remote(url) is not None:
            return url
    return None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command that changes nothing; None if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    environment = {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and paths follow `--`
            command, env=environment, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip("\n\0") if done.returncode == 0 else None
