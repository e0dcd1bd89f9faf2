"""Code in git checkouts that do not come from a git bundle."""

import os
import shutil
import subprocess

import pytest
from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.sdk import DAG, BaseOperator

from synapse_workflows.lineage.git_checkout import create_file_url, find_commits
from synapse_workflows.lineage.task_code import identify_code

REMOTE = "https://deploy:q7Zx-token@github.com/org/repo.git"
COMMIT = "0123456789abcdef" * 2 + "01234567"


def git(folder, *arguments):
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    command = ["git", *author, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """Checkout with a DAG file that is committed, and pushed to a remote."""
    folder = tmp_path / "checkout"
    (folder / "dags").mkdir(parents=True)
    (folder / "dags" / "flow 1.py").write_text("# DAG")
    git(folder, "init", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    git(folder, "remote", "add", "upstream", REMOTE)
    push(folder)
    return folder


def push(folder):
    """Record that the remote has the current commit, as a push does."""
    git(folder, "update-ref", "refs/remotes/upstream/main", "HEAD")


def identify(folder, name="flow 1.py"):
    """Return the URL and the name of the code of a DAG."""
    with DAG("flow", schedule=None) as dag:
        task = BaseOperator(task_id="t")
    dag.fileloc = str(folder / "dags" / name)
    dag.relative_fileloc = name
    record = identify_code(task, LocalDagBundle(name="local", path=str(folder / "dags")))
    assert "q7Zx" not in str(record.to_json())
    (entry,) = record.ran
    return entry.ref.url, entry.ref.name


def test_committed_file_has_permanent_url(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    expected = f"https://github.com/org/repo/blob/{commit}/dags/flow%201.py"
    assert identify(checkout) == (expected, f"flow 1.py at {commit[:12]}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of files")
@pytest.mark.parametrize("owner_of_repository", [65533, 1234])
def test_checkout_of_another_user(checkout, owner_of_repository):
    """A checkout as git-sync creates it is read; a repository of a third user around it is not."""
    for path in [checkout, *checkout.rglob("*")]:
        is_repository = ".git" in path.relative_to(checkout).parts
        os.chown(path, owner_of_repository if is_repository else 65533, 0)
    is_permanent = identify(checkout)[0].startswith("https://github.com/")
    assert is_permanent == (owner_of_repository == 65533)


@pytest.mark.parametrize("is_staged", [True, False])
def test_changed_file_has_hash(checkout, is_staged):
    (checkout / "dags" / "flow 1.py").write_text("# changed DAG")
    if is_staged:
        git(checkout, "add", ".")
    url, name = identify(checkout)
    assert url.startswith("file:///flow%201.py#sha256=")
    assert " at " not in name


def test_changes_of_other_files_do_not_matter(checkout):
    (checkout / "dags" / "other.py").write_text("# other")
    assert identify(checkout)[0].startswith("https://github.com/")
    assert identify(checkout, "other.py")[0].startswith("file:///other.py#sha256=")


def test_commit_that_no_remote_has_is_no_permanent_url(checkout):
    (checkout / "dags" / "flow 1.py").write_text("# second version")
    git(checkout, "commit", "-am", "second")
    commit = git(checkout, "rev-parse", "HEAD")
    url, name = identify(checkout)
    assert url.startswith("file:///flow%201.py#sha256=")
    assert name.startswith(f"flow 1.py at {commit[:12]} (sha256 ")


@pytest.mark.parametrize("is_worktree", [True, False])
def test_commit_that_was_fetched_without_a_branch_has_permanent_url(checkout, is_worktree):
    """Git-sync fetches a commit, and checks it out in a worktree."""
    git(checkout, "update-ref", "-d", "refs/remotes/upstream/main")
    commit = git(checkout, "rev-parse", "HEAD")
    line = f"{commit}\t\t'{commit}' of https://github.com/org/repo\n"
    (checkout / ".git" / "FETCH_HEAD").write_text(f"{COMMIT}\t\tbranch 'x' of https://h/r\n{line}")
    folder = checkout
    if is_worktree:
        folder = checkout.parent / "worktree"
        git(checkout, "worktree", "add", "--detach", str(folder))
    expected = f"https://github.com/org/repo/blob/{commit}/dags/flow%201.py"
    assert identify(folder)[0] == expected


def test_ignored_and_missing_files_are_not_committed(checkout):
    (checkout / ".gitignore").write_text("ignored.py")
    (checkout / "dags" / "ignored.py").write_text("# ignored")
    ignored, missing = checkout / "dags" / "ignored.py", checkout / "dags" / "missing.py"
    found = find_commits([missing, ignored])
    assert list(found) == [ignored]
    assert not found[ignored].is_clean


def test_files_of_several_checkouts_are_found_together(checkout, tmp_path):
    other, plain = tmp_path / "other", tmp_path / "plain.py"
    shutil.copytree(checkout, other)
    plain.write_text("# plain")
    (other / "dags" / "flow 1.py").write_text("# changed")
    files = [checkout / "dags" / "flow 1.py", plain, other / "dags" / "flow 1.py"]
    found = find_commits(files)
    assert [file in found and found[file].is_clean for file in files] == [True, False, False]
    assert plain not in found


def test_variables_of_another_repository_are_ignored(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    (file,) = find_commits([checkout / "dags" / "flow 1.py"]).values()
    assert file.url


def test_without_git_the_hash_is_recorded(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert identify(checkout)[0].startswith("file:///flow%201.py#sha256=")


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/org/repo", f"https://github.com/org/repo/blob/{COMMIT}/a/b.py"),
        ("git@github.com:org/repo.git", f"https://github.com/org/repo/blob/{COMMIT}/a/b.py"),
        ("ssh://git@github.com:22/org/repo", f"https://github.com/org/repo/blob/{COMMIT}/a/b.py"),
        (
            "git@gitlab.com:org/sub/repo.git",
            f"https://gitlab.com/org/sub/repo/-/blob/{COMMIT}/a/b.py",
        ),
        ("https://bitbucket.org/org/repo", f"https://bitbucket.org/org/repo/src/{COMMIT}/a/b.py"),
        ("deploy@host:/srv/repo.git", f"git+ssh://host/srv/repo.git@{COMMIT}#a/b.py"),
        ("host:repo.git", f"git+ssh://host/repo.git@{COMMIT}#a/b.py"),
        ("https://host:8443/repo.git", f"git+https://host:8443/repo.git@{COMMIT}#a/b.py"),
        ("https://me:q7Zx?#@host/r.git?token=q7Zx", f"git+https://host/r.git@{COMMIT}#a/b.py"),
        ("https://q7Zx@host/r.git/#q7Zx", f"git+https://host/r.git@{COMMIT}#a/b.py"),
        ("/srv/repo.git", None),
        ("../repo.git", None),
        ("file:///srv/repo.git", None),
        ("C:\\repo.git", None),
        ("https://[bad/repo", None),
        ("", None),
    ],
)
def test_create_file_url(remote, expected):
    assert create_file_url(remote, COMMIT, "a/b.py") == expected
