"""The code of a task: where it is at its commit, else what is in it."""

import hashlib
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.providers.git.bundles.git import GitDagBundle
from airflow.sdk import DAG, BaseOperator

from synapse_workflows.lineage.task_code import identify_code

FLOW = "# a flow\n"


def git(folder, *words):
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository with a flow in a folder, and its commit."""
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
    """Make a real git bundle of the repository, at the commit of a run."""

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


def operator_in(file, relative=None, **attributes):
    with DAG("flow", schedule=None) as dag:
        made = BaseOperator(task_id="t")
    dag.fileloc = str(file)
    dag.relative_fileloc = relative
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def ran(record):
    return [(source.ref.url, source.ref.name) for source in record.ran]


def test_a_commit_and_a_page_make_a_permanent_address(bundle):
    template = "https://someone:secret@github.com/org/repo/tree/{version}/{subdir}"
    made, commit = bundle(view_url_template=template)
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    assert ran(identify_code(task, made)) == [
        (f"https://github.com/org/repo/blob/{commit}/dags/flow.py", f"flow.py at {commit[:12]}")
    ]


def test_the_commit_is_that_of_the_run_not_the_newest(bundle, repository):
    old = git(repository, "rev-parse", "HEAD")
    (repository / "dags" / "flow.py").write_text("# changed\n")
    git(repository, "commit", "-am", "second")
    made, commit = bundle(old, view_url_template="https://host/{version}/{subdir}")
    assert commit == old
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    ((url, _),) = ran(identify_code(task, made))
    assert url == f"https://host/{old}/dags/flow.py"


def test_a_git_bundle_without_versions_still_knows_its_commit(bundle, repository):
    made, _ = bundle(None, view_url_template="https://host/{version}/{subdir}")
    commit = git(repository, "rev-parse", "HEAD")
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    assert ran(identify_code(task, made))[0][0] == f"https://host/{commit}/dags/flow.py"


def test_without_a_page_the_remote_repository_is_named(bundle):
    made, commit = bundle()
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    for remote, expected in (
        ("https://me:pw@git.example.org/org/repo.git", "git+https://git.example.org/org/repo.git"),
        ("git@git.example.org:org/repo.git", "git+ssh://git.example.org/org/repo.git"),
    ):
        made.repo_url = remote
        assert ran(identify_code(task, made))[0][0] == f"{expected}@{commit}#dags/flow.py"


def test_a_repository_that_nobody_else_can_reach_gives_hash_and_commit(bundle):
    made, commit = bundle()
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    digest = hashlib.sha256(FLOW.encode()).hexdigest()
    assert ran(identify_code(task, made)) == [
        (
            f"file:///flows/flow.py#sha256={digest}",
            f"flow.py at {commit[:12]} (sha256 {digest[:12]})",
        )
    ]


def test_files_without_versions_are_named_by_their_content(tmp_path):
    file = tmp_path / "sub" / "my flow.py"
    file.parent.mkdir()
    file.write_text(FLOW)
    bundle = LocalDagBundle(name="local", path=str(tmp_path))
    digest = hashlib.sha256(FLOW.encode()).hexdigest()
    task = operator_in(file, "sub/my flow.py")
    assert ran(identify_code(task, bundle)) == [
        (
            f"file:///local/sub/my%20flow.py#sha256={digest}",
            f"sub/my flow.py (sha256 {digest[:12]})",
        )
    ]
    assert ran(identify_code(task))[0][0] == f"file:///sub/my%20flow.py#sha256={digest}"


def test_no_path_of_the_machine_is_told(tmp_path):
    file = tmp_path / "flow.py"
    file.write_text(FLOW)
    told = str(identify_code(operator_in(file)).to_json())
    assert str(tmp_path) not in told


def test_the_file_of_the_tasks_function_is_named_too(tmp_path):
    flow, steps = tmp_path / "flow.py", tmp_path / "steps.py"
    flow.write_text(FLOW)
    steps.write_text("def step():\n    return 1\n")
    scope = {}
    exec(compile(steps.read_text(), str(steps), "exec"), scope)  # noqa: S102
    bundle = LocalDagBundle(name="local", path=str(tmp_path))
    named = [
        name
        for _, name in ran(
            identify_code(operator_in(flow, "flow.py", python_callable=scope["step"]), bundle)
        )
    ]
    assert [name.split(" ")[0] for name in named] == ["flow.py", "steps.py"]
    foreign = identify_code(operator_in(flow, "flow.py", python_callable=subprocess.run), bundle)
    assert len(foreign.ran) == 1


def test_code_that_cannot_be_read_is_a_gap(tmp_path):
    record = identify_code(operator_in(tmp_path / "gone.py", "gone.py"))
    assert not record.ran
    assert record.gaps == ("code of DAG flow: file gone.py could not be read",)


def test_a_template_that_asks_for_more_is_no_address(bundle):
    made, _ = bundle(view_url_template="https://host/{version}/{nonsense}")
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    assert ran(identify_code(task, made))[0][0].startswith("file:///flows/flow.py#sha256=")


def test_the_bundle_of_the_running_task_is_asked(bundle):
    """As the task runner has it: the bundle is the task instance's."""
    from synapse_workflows.lineage.collector import LineageCollector

    made, commit = bundle(view_url_template="https://host/{version}/{subdir}")
    task = operator_in(Path(made.path) / "flow.py", "flow.py")
    ti = SimpleNamespace(task=task, task_id="t", bundle_instance=made)
    record = LineageCollector({"ti": ti}).static_lineage
    assert ran(record)[0][0] == f"https://host/{commit}/dags/flow.py"
