"""References to the code of a task."""

import hashlib
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.providers.git.bundles.git import GitDagBundle
from airflow.sdk import DAG, BaseOperator

from synapse_workflows.lineage.collector import LineageCollector
from synapse_workflows.lineage.task_code import identify_code

FLOW = "# DAG\n"


def git(folder, *arguments):
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *author, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Git repository with a DAG file in a subdirectory."""
    folder = tmp_path / "origin"
    (folder / "dags").mkdir(parents=True)
    (folder / "dags" / "flow.py").write_text(FLOW)
    git(folder, "init", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "b"))


@pytest.fixture
def bundle(repository, storage):
    """Function that creates a GitDagBundle of the repository and returns it with its commit."""

    def make(version="HEAD", **options):
        commit = git(repository, "rev-parse", version) if version else None
        made = GitDagBundle(
            name="flows",
            tracking_ref="main",
            repo_url=str(repository),
            version=commit,
            **{"subdir": "dags"} | options,
        )
        made.initialize()
        return made, commit

    return make


def create_operator(file, relative=None, **attributes):
    with DAG("flow", schedule=None) as dag:
        made = BaseOperator(task_id="t")
    dag.fileloc = str(file)
    dag.relative_fileloc = relative
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def list_code(record):
    return [(source.ref.url, source.ref.name) for source in record.ran]


def test_view_url_template_gives_permanent_url(bundle):
    template = "https://user:secret@github.com/org/repo/tree/{version}/{subdir}"
    made, commit = bundle(view_url_template=template)
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    assert list_code(identify_code(task, made)) == [
        (f"https://github.com/org/repo/blob/{commit}/dags/flow.py", f"flow.py at {commit[:12]}")
    ]


def test_url_has_commit_of_the_run(bundle, repository):
    old = git(repository, "rev-parse", "HEAD")
    (repository / "dags" / "flow.py").write_text("# changed\n")
    git(repository, "commit", "-am", "second")
    made, commit = bundle(old, view_url_template="https://host/{version}/{subdir}")
    assert commit == old
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    ((url, _),) = list_code(identify_code(task, made))
    assert url == f"https://host/{old}/dags/flow.py"


def test_unversioned_git_bundle_has_commit(bundle, repository):
    made, _ = bundle(None, view_url_template="https://host/{version}/{subdir}")
    commit = git(repository, "rev-parse", "HEAD")
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    assert list_code(identify_code(task, made))[0][0] == f"https://host/{commit}/dags/flow.py"


def test_remote_repository_gives_git_url_without_credentials(bundle):
    made, commit = bundle()
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    for remote, expected in (
        ("https://me:pw@git.example.org/org/repo.git", "git+https://git.example.org/org/repo.git"),
        ("git@git.example.org:org/repo.git", "git+ssh://git.example.org/org/repo.git"),
    ):
        made.repo_url = remote
        assert list_code(identify_code(task, made))[0][0] == f"{expected}@{commit}#dags/flow.py"


def test_local_repository_gives_hash_and_commit(bundle):
    made, commit = bundle()
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    digest = hashlib.sha256(FLOW.encode()).hexdigest()
    assert list_code(identify_code(task, made)) == [
        (
            f"file:///flow.py#sha256={digest}",
            f"flow.py at {commit[:12]} (sha256 {digest[:12]})",
        )
    ]


def test_unversioned_file_gives_hash(tmp_path):
    file = tmp_path / "sub" / "my flow.py"
    file.parent.mkdir()
    file.write_text(FLOW)
    bundle = LocalDagBundle(name="local", path=str(tmp_path))
    digest = hashlib.sha256(FLOW.encode()).hexdigest()
    task = create_operator(file, "sub/my flow.py")
    assert list_code(identify_code(task, bundle)) == [
        (
            f"file:///my%20flow.py#sha256={digest}",
            f"my flow.py (sha256 {digest[:12]})",
        )
    ]
    assert list_code(identify_code(task))[0][0] == f"file:///my%20flow.py#sha256={digest}"


def test_absolute_path_is_not_recorded(tmp_path):
    file = tmp_path / "flow.py"
    file.write_text(FLOW)
    text = str(identify_code(create_operator(file)).to_json())
    assert str(tmp_path) not in text


def test_file_of_task_function_is_recorded(tmp_path):
    flow, steps = tmp_path / "flow.py", tmp_path / "steps.py"
    flow.write_text(FLOW)
    steps.write_text("def step():\n    return 1\n")
    scope = {}
    exec(compile(steps.read_text(), str(steps), "exec"), scope)  # noqa: S102
    bundle = LocalDagBundle(name="local", path=str(tmp_path))
    task = create_operator(flow, "flow.py", python_callable=scope["step"])
    names = [name.split(" ")[0] for _, name in list_code(identify_code(task, bundle))]
    assert names == ["flow.py", "steps.py"]
    library_task = create_operator(flow, "flow.py", python_callable=subprocess.run)
    assert len(identify_code(library_task, bundle).ran) == 1


def test_same_code_has_one_identity_with_and_without_a_bundle(tmp_path, monkeypatch):
    """Under the scheduler, a DAG has a bundle and a relative path; in `dag.test()`, neither."""
    flow, steps = tmp_path / "dags" / "flow.py", tmp_path / "lib" / "steps.py"
    for file, text in ((flow, FLOW), (steps, "def step():\n    return 1\n")):
        file.parent.mkdir()
        file.write_text(text)
    scope = {}
    exec(compile(steps.read_text(), str(steps), "exec"), scope)  # noqa: S102
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))
    bundle = LocalDagBundle(name="dags-folder", path=str(tmp_path))
    scheduled = create_operator(flow, "dags/flow.py", python_callable=scope["step"])
    tested = create_operator(flow, python_callable=scope["step"])
    tested.dag.relative_fileloc = None
    assert list_code(identify_code(scheduled, bundle)) == list_code(identify_code(tested))
    assert len(list_code(identify_code(tested))) == 2


def test_unreadable_file_is_a_gap(tmp_path):
    record = identify_code(create_operator(tmp_path / "gone.py", "gone.py"))
    assert not record.ran
    assert record.gaps == ("code of DAG flow: file gone.py could not be read",)


def test_template_with_unknown_field_is_ignored(bundle):
    made, _ = bundle(view_url_template="https://host/{version}/{unknown}")
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    assert list_code(identify_code(task, made))[0][0].startswith("file:///flow.py#sha256=")


def test_template_without_the_commit_is_ignored(bundle):
    made, _ = bundle(view_url_template="https://github.com/org/repo/blob/main/{subdir}")
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    assert list_code(identify_code(task, made))[0][0].startswith("file:///flow.py#sha256=")


def test_template_with_query_is_ignored(bundle):
    made, _ = bundle(view_url_template="https://host/{subdir}?version={version}&token=secret")
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    assert list_code(identify_code(task, made))[0][0].startswith("file:///flow.py#sha256=")


def test_collector_uses_bundle_of_running_task(bundle):
    made, commit = bundle(view_url_template="https://host/{version}/{subdir}")
    task = create_operator(Path(made.path) / "flow.py", "flow.py")
    ti = SimpleNamespace(task=task, task_id="t", bundle_instance=made)
    record = LineageCollector({"ti": ti}).static_lineage
    assert list_code(record)[0][0] == f"https://host/{commit}/dags/flow.py"
