"""Lineage of tasks that run in Airflow's task runner."""

import hashlib
import json
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    File,
    Folder,
    Link,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    local_path,
)

THIS_FILE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@pytest.fixture
def summarize(tmp_path):
    """Task that reads a file and returns the path of a summary."""

    @task
    def summarize(file):
        text = Path(local_path(file)).read_text()
        path = tmp_path / "summary.txt"
        path.write_text(f"{len(text)} characters")
        return str(path)

    return summarize


def test_stored_file_has_activity_with_inputs_and_code(
    api, project, put, summarize, sources_of, alice
):
    raw_id = put()
    with DAG("flow", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id.split(".")[0])
        SynapseStoreOperator(
            task_id="store",
            path=summarize(raw.output),
            parent_id=project,
            annotations={"kind": ["summary"]},
        )
    run = Run(api, dag).all()

    stored = run.value("store")
    used, executed = sources_of(stored["id"])
    assert used == [raw_id]
    assert [url.rpartition("#")[2] for url in executed] == [f"sha256={THIS_FILE}"]
    activity = alice.getProvenance(stored["id"])
    assert activity["name"] == "flow.store"
    assert activity["description"] == "Airflow run run_1 of flow.store"
    assert stored["activity_id"] == activity["id"]
    assert alice.get_annotations(stored["id"])["kind"] == ["summary"]
    assert Path(alice.get(stored["id"]).path).read_text() == "8 characters"


def test_activity_of_taskflow_task_names_both_inputs(api, project, put, sources_of, tmp_path):
    one, two = put("one.txt", "1"), put("two.txt", "2")

    with DAG("plain", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            texts = [Path(syn.get(entity.split(".")[0]).path).read_text() for entity in (one, two)]
            path = tmp_path / "sum.txt"
            path.write_text("+".join(texts))
            return syn.store(File(str(path), parent=project)).id

        work()
    run = Run(api, dag).all()
    used, executed = sources_of(run.value("work"))
    assert sorted(used) == sorted([one, two])
    assert len(executed) == 1


def test_record_is_published_before_success_is_reported(api, project, put, summarize):
    raw_id = put()
    with DAG("early", schedule=None) as dag:
        summarize(SynapseGetOperator(task_id="raw", entity_id=raw_id).output)
    run = Run(api, dag).all()
    assert run.record("raw")["used"][0] | {"site": ""} == {
        "id": raw_id.split(".")[0],
        "version": 1,
        "site": "",
        "origin": "read",
    }
    urls = [url for method, url, _ in api.requests if method in ("POST", "PATCH")]
    published = next(i for i, url in enumerate(urls) if "synapse_lineage" in url)
    succeeded = next(i for i, url in enumerate(urls) if url.endswith("/state"))
    assert published < succeeded


def test_task_that_only_reads_publishes_its_record_once(api, put):
    one, two = put("one.txt"), put("two.txt")
    with DAG("reading", schedule=None) as dag:

        @task
        def read():
            syn = SynapseHook().client
            syn.get(one)
            SynapseHook().client.get(two)

        read()
    run = Run(api, dag).all()
    assert len(run.record("read")["used"]) == 2
    assert (
        sum(method == "POST" and "synapse_lineage" in url for method, url, _ in api.requests) == 1
    )


def test_containers_are_not_inputs(api, project, put, sources_of, tmp_path):
    raw_id = put()
    with DAG("containers", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.get(project)
            syn.get(raw_id)
            path = tmp_path / "out.txt"
            path.write_text("x")
            return syn.store(File(str(path), parent=project)).id

        work()
    run = Run(api, dag).all()
    assert sources_of(run.value("work"))[0] == [raw_id]


def test_files_of_one_task_share_one_activity(api, project, put, alice, sources_of, tmp_path):
    one, two = put("one.txt"), put("two.txt")
    with DAG("pair", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            ids = []
            for source, name in ((one, "a.txt"), (two, "b.txt")):
                text = Path(syn.get(source).path).read_text()
                (tmp_path / name).write_text(text + name)
                ids.append(syn.store(File(str(tmp_path / name), parent=project)).id)
            return ids

        work()
    first, second = Run(api, dag).all().value("work")
    assert alice.getProvenance(first)["id"] == alice.getProvenance(second)["id"]
    assert sorted(sources_of(first)[0]) == sorted([one, two])


def test_files_of_one_operator_share_one_activity(api, project, put, alice, tmp_path):
    paths = []
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
        paths.append(str(tmp_path / name))
    with DAG("many", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=paths, parent_id=project, folder="x/y")
    stored = Run(api, dag).all().value("store")
    assert [reference["name"] for reference in stored] == ["a.txt", "b.txt"]
    assert len({reference["activity_id"] for reference in stored}) == 1
    folder = alice.get(stored[0]["parent_id"])
    assert folder.name == "y"
    assert alice.get(folder.parentId).name == "x"


def test_earlier_version_of_output_is_an_input(api, put, sources_of, alice, tmp_path):
    raw_id = put("grows.txt", "1")
    with DAG("grows", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            file = syn.get(raw_id.split(".")[0])
            path = tmp_path / "grows.txt"
            path.write_text(Path(file.path).read_text() + "2")
            file.path = str(path)
            return syn.store(file).versionNumber

        work()
    assert Run(api, dag).all().value("work") == 2
    assert sources_of(raw_id.split(".")[0])[0] == [raw_id]


def test_move_does_not_change_provenance(api, project, put, alice):
    raw_id = put()
    alice.setProvenance(raw_id.split(".")[0], Activity("declared"))
    folder = alice.store(Folder("elsewhere", parent=project)).id
    with DAG("moving", schedule=None) as dag:

        @task
        def tidy():
            SynapseHook().client.move(raw_id.split(".")[0], folder)

        tidy()
    Run(api, dag).all()
    assert alice.getProvenance(raw_id.split(".")[0])["name"] == "declared"
    assert alice.get(raw_id, downloadFile=False).parentId == folder


def test_requests_to_airflow_contain_no_token(api, project, put, summarize, connection):
    token = json.loads(connection)["password"]
    raw_id = put()
    with DAG("secrets", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        SynapseStoreOperator(task_id="store", path=summarize(raw.output), parent_id=project)
    Run(api, dag).all()
    assert len(api.requests) > 10
    assert not [url for _, url, body in api.requests if token in url or token in body]
    assert not [url for _, url, body in api.requests if "X-Amz-Signature" in body]


def test_link_has_activity_and_folder_has_none(api, project, put, alice, sources_of):
    raw_id = put()
    with DAG("places", schedule=None) as dag:

        @task
        def arrange():
            syn = SynapseHook().client
            syn.get(raw_id)
            folder = syn.store(Folder("place", parent=project))
            return [folder.id, syn.store(Link(raw_id.split(".")[0], parent=folder)).id]

        arrange()
    run = Run(api, dag).all()
    folder, link = run.value("arrange")
    with pytest.raises(FileNotFoundError):
        alice.getProvenance(folder)
    assert sources_of(link)[0] == [raw_id]
    assert [wrote["id"] for wrote in run.record("arrange")["wrote"]] == [link]


def test_look_ups_without_a_version_are_not_recorded(api, project, put, alice):
    raw = put().split(".")[0]
    with DAG("look_ups", schedule=None) as dag:

        @task
        def look():
            syn = SynapseHook().client
            syn.get_annotations(raw)
            syn.getPermissions(raw)
            list(syn.getChildren(project))
            list(syn.walk(project))
            syn.restGET(f"/entity/{raw}")
            syn.findEntityId("raw.csv", project)
            syn.getUserProfile()

        @task
        def read_properties():
            SynapseHook().client.get(raw, downloadFile=False)

        [look(), read_properties()]
    run = Run(api, dag).all()
    assert not (run.record("look") or {}).get("used")
    (used,) = run.record("read_properties")["used"]
    assert (used["id"], used["version"], used["origin"]) == (raw, 1, "lookup")


def test_record_is_not_published_after_each_of_many_stores(api, project, tmp_path):
    with DAG("many_stores", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            for n in range(30):
                path = tmp_path / f"{n}.txt"
                path.write_text(str(n))
                syn.store(File(str(path), parent=project))

        work()
    run = Run(api, dag).all()
    pushed = [url for method, url, _ in api.requests if method == "POST" and "lineage" in url]
    assert len(pushed) < 30
    assert len(run.record("work")["wrote"]) == 30
