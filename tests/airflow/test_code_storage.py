"""Code that is stored in Synapse, with a version for each content."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import File, Folder, SynapseGetOperator, SynapseHook, SynapseStoreOperator
from synapse_workflows.lineage.code_storage import CodeStorage
from synapse_workflows.provenance.activity import parse_declared

THIS_FILE = Path(__file__)


@pytest.fixture
def code_folder(alice, project):
    return alice.store(Folder("code", parent=project)).id


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return str(path)


@pytest.fixture
def write(tmp_path):
    """Function that writes a code file and returns the arguments of `CodeStorage.store`."""

    def write_file(text, name="flow.py"):
        path = tmp_path / f"{hashlib.md5(text.encode()).hexdigest()}.py"
        path.write_text(text)
        return path, name, hashlib.sha256(text.encode()).hexdigest()

    return write_file


def list_versions(alice, entity_id):
    return [
        one["versionNumber"] for one in alice.restGET(f"/entity/{entity_id}/version")["results"]
    ]


def test_executed_leads_to_the_stored_version(
    api, project, result, alice, put, code_folder, sources_of
):
    raw = put()
    with DAG("stored_code", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)
        options = {"path": result, "parent_id": project, "code_parent_id": code_folder}
        first = SynapseStoreOperator(task_id="first", name="first.txt", **options)
        get >> first >> SynapseStoreOperator(task_id="second", name="second.txt", **options)
    run = Run(api, dag).all()
    used, executed = sources_of(run.value("first")["id"])
    assert used == [raw]
    (code,) = executed
    stored = alice.get(code)
    assert stored.parentId == code_folder
    assert stored.name == THIS_FILE.name
    assert Path(stored.path).read_bytes() == THIS_FILE.read_bytes()
    assert stored.versionLabel == hashlib.sha256(THIS_FILE.read_bytes()).hexdigest()[:16]
    assert sources_of(run.value("second")["id"])[1] == [code]
    assert list_versions(alice, stored.id) == [1]
    assert run.record("first")["wrote"][0]["id"] == run.value("first")["id"]


@pytest.mark.parametrize("way", ["configuration", "connection", "hook"])
def test_ways_to_set_the_folder(
    api, connection, project, result, sources_of, code_folder, monkeypatch, way
):
    argument = None
    if way == "configuration":
        monkeypatch.setenv("AIRFLOW__SYNAPSE__CODE_PARENT_ID", code_folder)
    elif way == "connection":
        fields = json.loads(connection)
        fields["extra"]["code_parent_id"] = code_folder
        api.connections["synapse_default"] = json.dumps(fields)
    else:
        argument = code_folder
    with DAG("ways", schedule=None) as dag:

        @task
        def store():
            client = SynapseHook(code_parent_id=argument).client
            return client.store(File(result, parent=project)).id

        store()
    executed = sources_of(Run(api, dag).all().value("store"))[1]
    assert [one.startswith("syn") for one in executed] == [True]


@pytest.mark.parametrize("form", ["template", "output"])
def test_folder_from_a_template(api, project, result, sources_of, code_folder, form):
    with DAG("templates", schedule=None, params={"code": code_folder}) as dag:

        @task
        def find():
            return code_folder

        given = "{{ params.code }}" if form == "template" else find()
        SynapseStoreOperator(task_id="store", path=result, parent_id=project, code_parent_id=given)
    executed = sources_of(Run(api, dag).all().value("store")["id"])[1]
    assert [one.startswith("syn") for one in executed] == [True]


@pytest.mark.parametrize(
    ("given", "state"), [("x", "failed"), ("syn1.2", "failed"), ("", "success")]
)
def test_rendered_folder_is_checked_before_anything_is_stored(
    api, project, result, alice, given, state
):
    with DAG("invalid", schedule=None, params={"code": given}) as dag:
        SynapseStoreOperator(
            task_id="store", path=result, parent_id=project, code_parent_id="{{ params.code }}"
        )
    failed = Run(api, dag).task("store", max_tries=3)
    assert failed.state == state
    if state == "failed":
        assert "Invalid code_parent_id" in str(failed.error)
        assert list(alice.getChildren(project)) == []


def test_folder_without_access_is_a_gap(api, project, result, alice, sources_of):
    with DAG("no_folder", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=result, parent_id=project, code_parent_id="syn404"
        )
    stored = Run(api, dag).all().value("store")
    assert sources_of(stored["id"])[1][0].startswith(f"file:///{THIS_FILE.name}#sha256=")
    (gap,) = (
        line
        for line in alice.getProvenance(stored["id"])["description"].splitlines()
        if line.startswith("Not pinned: ")
    )
    assert "is not stored in syn404: 404" in gap


@pytest.mark.parametrize("form", [Path, str])
@pytest.mark.parametrize("mode", ["merge", "off"])
def test_given_code_is_stored(
    api, project, result, alice, sources_of, code_folder, tmp_path, form, mode
):
    script = tmp_path / "plot.R"
    script.write_text("plot(1)")
    with DAG("given", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=result,
            parent_id=project,
            executed=form(script),
            code_parent_id=code_folder,
            lineage_mode=mode,
        )
    executed = sources_of(Run(api, dag).all().value("store")["id"])[1]
    if mode == "off":  # only what is declared
        sha256 = hashlib.sha256(b"plot(1)").hexdigest()
        assert executed == [f"file:///plot.R#sha256={sha256}"]
    else:
        names = {alice.get(code).name: alice.get(code) for code in executed}
        assert names.keys() == {"plot.R", THIS_FILE.name}
        assert Path(names["plot.R"].path).read_text() == "plot(1)"


def test_missing_given_code_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Invalid executed"):
        parse_declared(executed=tmp_path / "missing.R")


def test_each_content_is_stored_once(alice, code_folder, write):
    first, second = write("print(1)"), write("print(2)")
    refs = [CodeStorage(alice, code_folder).store(*code) for code in (first, second, first)]
    assert [ref.version for ref in refs] == [1, 2, 1]
    other = CodeStorage(alice, code_folder).store(*write("print(1)", "dags/flow.py"))
    assert alice.get(other.id, downloadFile=False).name == "dags__flow.py"


def test_parallel_tasks_share_the_versions(socket_service, code_folder, write):
    codes = [write(f"print({number})") for number in range(3)]

    def store(number):
        with socket_service.client("alice") as client:
            return codes[number % 3][2], CodeStorage(client, code_folder).store(*codes[number % 3])

    with ThreadPoolExecutor(6) as pool:
        stored = set(pool.map(store, range(12)))
    assert sorted(ref.version for _, ref in stored) == [1, 2, 3]
    assert len({ref.id for _, ref in stored}) == 1


def test_name_of_another_type_is_an_error(alice, code_folder, write):
    alice.store(Folder("flow.py", parent=code_folder))
    with pytest.raises(Exception, match=r"has the name 'flow\.py', but is no file"):
        CodeStorage(alice, code_folder).store(*write("print(1)"))
