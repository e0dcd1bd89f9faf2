"""Tests of SynapseGetOperator, SynapseStoreOperator and SynapseRetryPolicy."""

import json
import re
from itertools import count
from pathlib import Path

import fsspec
import pytest
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowFailException
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    Folder,
    Link,
    SynapseGetOperator,
    SynapseRetryPolicy,
    SynapseStoreOperator,
)
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConnectionError,
    SynapseFileNotFoundError,
    SynapseHTTPError,
    SynapseMalformedEntityError,
)

RUNS = count(1)


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


@pytest.fixture
def get(api):
    """Run a single SynapseGetOperator."""

    def run(**arguments):
        with DAG("get_one", schedule=None) as dag:
            SynapseGetOperator(task_id="get", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        return one.task("get", max_tries=5), one

    return run


@pytest.fixture
def store(api, project):
    """Run a single SynapseStoreOperator."""

    def run(**arguments):
        with DAG("store_one", schedule=None) as dag:
            SynapseStoreOperator(
                task_id="store", retries=5, **({"parent_id": project} | arguments)
            )
        one = Run(api, dag, f"run_{next(RUNS)}")
        return one.task("store", max_tries=5), one

    return run


def test_version_comes_from_the_id_or_the_argument(get, put):
    entity = put("v.txt", "1").split(".")[0]
    put("v.txt", "2")
    versions = [
        get(**arguments)[1].value("get")["version"]
        for arguments in (
            {"entity_id": entity},
            {"entity_id": f"{entity}.1"},
            {"entity_id": entity, "version": "1"},
            {"entity_id": f"{entity}.2", "version": 1},
        )
    ]
    assert versions == [2, 1, 1, 1]


def test_download_dir_contains_the_file(get, put, tmp_path):
    folder = tmp_path / "here"
    _, run = get(entity_id=put("raw.txt", "raw"), download_dir=str(folder))
    assert run.value("get")["path"] == str(folder / "raw.txt")
    assert (folder / "raw.txt").read_text() == "raw"


def test_download_dir_requires_a_file(get, alice, project, tmp_path):
    folder = alice.store(Folder("no file", parent=project)).id
    result, _ = get(entity_id=folder, download_dir=str(tmp_path))
    assert result.state == "failed"
    assert f"{folder} (type folder) has no file for download_dir" in str(result.error)
    assert get(entity_id=folder)[0].state == "success"


def test_download_file_false_downloads_no_file(get, put, worker):
    _, run = get(entity_id=put(), download_file=False)
    assert run.value("get")["path"] is None
    assert run.value("get")["md5"]
    assert not list(worker.rglob("raw.csv"))


def test_follow_link_downloads_the_target(get, put, alice, project):
    entity = put("raw.txt")
    folder = alice.store(Folder("links", parent=project)).id
    link = alice.store(Link(entity.split(".")[0], parent=folder)).id
    assert get(entity_id=link)[1].value("get")["id"] == link
    _, run = get(entity_id=link, follow_link=True)
    assert run.value("get")["id"] == entity.split(".")[0]
    assert [used["id"] for used in run.record("get")["used"]] == [entity.split(".")[0]]


@pytest.mark.parametrize(
    ("entity", "error"),
    [
        ("syn999999999", SynapseHTTPError),
        ("nonsense", SynapseMalformedEntityError),
        ("", SynapseMalformedEntityError),
    ],
)
def test_permanent_error_fails_without_retry(get, entity, error):
    result, _ = get(entity_id=entity)
    assert result.state == "failed"
    assert isinstance(result.error, error)


def test_missing_permission_fails_without_retry(get, put, api, connection, socket_service):
    bob = json.loads(connection) | {"password": socket_service.token("bob")}
    api.connections["bobs"] = json.dumps(bob)
    result, _ = get(entity_id=put(), synapse_conn_id="bobs")
    assert result.state == "failed"
    assert result.error.status == 403


def test_invalid_token_fails_without_retry(get, put, api, connection):
    api.connections["wrong"] = json.dumps(json.loads(connection) | {"password": "wrong-token"})
    result, _ = get(entity_id=put(), synapse_conn_id="wrong")
    assert result.state == "failed"
    assert "wrong-token" not in str(result.error)


def test_local_file_named_like_the_id_is_ignored(get, tmp_path, monkeypatch):
    """The client finds entities by the content of a local file; the operator accepts only IDs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.csv").write_text("x")
    result, _ = get(entity_id="raw.csv")
    assert isinstance(result.error, SynapseMalformedEntityError)


@pytest.mark.parametrize(
    ("status", "retry_after", "action", "seconds"),
    [
        (400, None, RetryAction.FAIL, None),
        (401, None, RetryAction.FAIL, None),
        (403, None, RetryAction.FAIL, None),
        (404, None, RetryAction.FAIL, None),
        (409, None, RetryAction.DEFAULT, None),
        (412, None, RetryAction.DEFAULT, None),
        (423, None, RetryAction.DEFAULT, None),
        (429, 7, RetryAction.RETRY, 7),
        (429, None, RetryAction.RETRY, 60),
        (503, None, RetryAction.DEFAULT, None),
    ],
)
def test_retry_policy_by_status(status, retry_after, action, seconds):
    error = SynapseHTTPError.of(status, "no", "GET /entity/syn1", retry_after=retry_after)
    decision = SynapseRetryPolicy().evaluate(error, 1, 3)
    assert decision.action is action
    assert (decision.retry_delay and decision.retry_delay.total_seconds()) == seconds


@pytest.mark.parametrize(
    ("category", "action"),
    [
        (RetryCategory.SAFE, RetryAction.DEFAULT),
        (RetryCategory.UNCERTAIN, RetryAction.DEFAULT),
        (RetryCategory.PERMANENT, RetryAction.FAIL),  # for example an untrusted certificate
    ],
)
def test_retry_policy_by_category_of_connection_errors(category, action):
    error = SynapseConnectionError("no connection", retry_category=category)
    assert SynapseRetryPolicy().evaluate(error, 1, 3).action is action


def test_other_errors_follow_the_retries_of_the_task():
    assert SynapseRetryPolicy().evaluate(OSError("disk"), 1, 3).action is RetryAction.DEFAULT


def test_given_retry_policy_is_kept():
    own = SynapseRetryPolicy()
    with DAG("policy", schedule=None, default_args={"retry_policy": own}):
        default = SynapseGetOperator(task_id="default", entity_id="syn1")
        given = SynapseGetOperator(
            task_id="given", entity_id="syn1", retry_policy=(other := SynapseRetryPolicy())
        )
    assert default.retry_policy is own
    assert given.retry_policy is other
    assert isinstance(
        SynapseGetOperator(task_id="plain", entity_id="syn1").retry_policy, SynapseRetryPolicy
    )


def test_stored_file_has_the_given_properties(store, result, alice):
    _, run = store(
        path=str(result),
        name="called.txt",
        annotations={"kind": "summary", "n": [1, 2]},
        version_label="first",
        version_comment="a comment",
    )
    stored = run.value("store")
    file = alice.get(stored["id"])
    assert file.name == "called.txt"
    assert file.versionLabel == "first"
    assert file.versionComment == "a comment"
    assert file.annotations["kind"] == ["summary"]
    assert file.annotations["n"] == [1, 2]
    assert stored["path"] == str(result)


def test_new_label_of_unchanged_content_creates_a_version(store, result, alice):
    first = store(path=str(result), version_label="one")[1].value("store")
    same = store(path=str(result), version_label="one")[1].value("store")
    second = store(path=str(result), version_label="two")[1].value("store")
    assert [one["version"] for one in (first, same, second)] == [1, 1, 2]
    assert alice.get(first["id"]).versionLabel == "two"
    assert alice.get(first["id"], version=1).versionLabel == "one"


def test_task_link_leads_to_the_entity(store, get, put, result):
    _, run = store(path=str(result))
    stored = run.value("store")
    link = run.value("store", "synapse_entity_link")
    assert link.endswith(f"/Synapse:{stored['id']}.1")
    _, run = get(entity_id="syn999999999")
    assert not run.value("get", "synapse_entity_link")


def test_folders_are_created_once(store, result, alice, project):
    first = store(path=str(result), folder="/a/b/")[1].value("store")
    result.write_text("other")
    second = store(path=str(result), folder="a/b")[1].value("store")
    assert first["parent_id"] == second["parent_id"]
    assert second["version"] == 2
    assert [child["name"] for child in alice.getChildren(project)] == ["a"]


def test_file_in_the_folder_path_fails(store, result, put):
    put("a", "a file")
    failed, _ = store(path=str(result), folder="a/b")
    assert failed.state == "failed"
    assert "'a' in syn" in str(failed.error)
    assert "FileEntity" in str(failed.error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"used": "syn999999999"}, "syn999999999 is declared as a source"),
        ({"executed": ["syn999999999"], "lineage_mode": "declared"}, "is declared as a source"),
        ({"used": ["syn999999999"], "lineage_mode": "off"}, "is declared as a source"),
        ({"activity": Activity(used="syn999999999")}, "is declared as a source"),
        ({"activity": {"name": "a", "used": "syn1"}}, "Invalid activity .*'used': 'syn1'"),
        ({"activity": {"id": "999999999", "name": "a"}}, "999999999"),
        ({"annotations": {"etag": 1}}, "Invalid annotation name 'etag'"),
        ({"annotations": {"a b": 1}}, "a b"),
        ({"name": "a/b.txt"}, "Invalid name 'a/b.txt' of the file"),
        ({"path": "result=1.txt"}, "Invalid name 'result=1.txt' of the file"),
        ({"path": "empty.txt"}, "the file is empty"),
        ({"path": ["result.txt", "missing.txt"]}, "missing.txt"),
        ({"path": "s3://bucket/a=b.txt"}, "Invalid name 'a=b.txt' of the file"),
        ({"folder": "new/a*b"}, "Invalid name 'a[*]b' of the folder"),
    ],
)
def test_rejected_store_creates_no_folder(
    store, alice, project, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    for name in ("result.txt", "result=1.txt"):
        Path(name).write_text("text")
    Path("empty.txt").touch()
    arguments = {"path": "result.txt", "folder": "new/folder"} | arguments
    failed, _ = store(**arguments)
    assert failed.state == "failed"
    assert re.search(message, str(failed.error))
    assert list(alice.getChildren(project)) == []


def test_object_with_an_invalid_name_is_stored_under_another_name(store, alice, tmp_path):
    with fsspec.open("memory://bucket/a=b.csv", "wb") as file:
        file.write(b"text")
    stored, run = store(path="memory://bucket/a=b.csv", name="a-b.csv")
    assert stored.state == "success", stored.error
    file = alice.get(run.value("store")["id"])
    assert (file.name, Path(file.path).read_text()) == ("a-b.csv", "text")


def test_missing_path_is_reported_with_advice(store, tmp_path):
    failed, _ = store(path=str(tmp_path / "elsewhere.txt"))
    assert isinstance(failed.error, SynapseFileNotFoundError)
    assert "not found on this worker" in str(failed.error)
    assert "ObjectStoragePath" in str(failed.error)


def test_directory_as_path_fails(store, tmp_path):
    failed, _ = store(path=str(tmp_path))
    assert "is a directory" in str(failed.error)


def test_name_for_several_files_fails(store, result):
    failed, _ = store(path=[str(result), str(result)], name="one.txt")
    assert failed.state == "failed"
    assert "2 files cannot have one name" in str(failed.error)


@pytest.mark.parametrize("nonsense", [3, None, b"bytes"])
def test_invalid_path_fails(store, nonsense):
    failed, _ = store(path=nonsense)
    assert isinstance(failed.error, AirflowFailException)
    assert "expected the path of a file" in str(failed.error)


def test_parent_that_is_a_file_fails_without_retry(store, result, put):
    failed, _ = store(path=str(result), parent_id=put("file.txt"))
    assert failed.state == "failed"


def test_object_url_is_uploaded_and_recorded_as_used(
    store, sources_of, alice, monkeypatch, tmp_path
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    with fsspec.open("memory://bucket/dir/object.bin", "wb") as file:
        file.write(b"far away")
    _, run = store(path="memory://bucket/dir/object.bin")
    stored = run.value("store")
    assert stored["name"] == "object.bin"
    assert stored["path"] is None
    assert sources_of(stored["id"])[0] == ["memory://bucket/dir/object.bin"]
    assert Path(alice.get(stored["id"]).path).read_bytes() == b"far away"
    assert not list((tmp_path / "tmp").iterdir())


def test_object_storage_path_from_xcom_is_uploaded(api, project, result, alice):
    with DAG("object_storage", schedule=None) as dag:

        @task
        def make():
            return ObjectStoragePath(f"file://{result}")

        SynapseStoreOperator(task_id="store", path=make(), parent_id=project)
    stored = Run(api, dag).all().value("store")
    assert stored["name"] == "result.txt"
    assert Path(alice.get(stored["id"]).path).read_text() == "result"


def test_signature_of_a_url_is_not_recorded_or_logged(store, put, alice, sources_of, capsys):
    handle = alice.get(put("signed.txt", "signed"), downloadFile=False)
    answer = alice.restPOST(
        "/fileHandle/batch",
        json.dumps(
            {
                "includePreSignedURLs": True,
                "requestedFiles": [
                    {
                        "fileHandleId": handle.dataFileHandleId,
                        "associateObjectId": handle.id,
                        "associateObjectType": "FileEntity",
                    }
                ],
            }
        ),
        endpoint=alice.fileHandleEndpoint,
    )
    url = answer["requestedFiles"][0]["preSignedURL"]
    capsys.readouterr()
    _, run = store(path=url, name="copy.txt")
    assert sources_of(run.value("store")["id"])[0] == [url.partition("?")[0]]
    failed, _ = store(path=url.replace("/download/", "/nothing/"))
    assert failed.error is not None
    shown = str(failed.error) + capsys.readouterr().out
    assert url.partition("X-Amz-Signature=")[2] not in shown


def test_missing_object_fails(store):
    failed, _ = store(path="memory://bucket/nothing")
    assert isinstance(failed.error, SynapseFileNotFoundError)


def test_stored_reference_uses_its_source(api, project, put, alice, sources_of):
    entity = put("raw.txt", "raw")
    other = alice.store(Folder("copies", parent=project)).id
    with DAG("copy", schedule=None) as dag:
        get_task = SynapseGetOperator(task_id="get", entity_id=entity)
        SynapseStoreOperator(task_id="store", path=get_task.output, parent_id=other)
    stored = Run(api, dag).all().value("store")
    assert stored["parent_id"] == other
    assert sources_of(stored["id"])[0] == [entity]


def test_nested_lists_of_mapped_tasks_are_flattened(api, project, tmp_path):
    with DAG("lists", schedule=None) as dag:

        @task
        def make(n):
            paths = [tmp_path / f"{n}_{m}.txt" for m in range(2)]
            for path in paths:
                path.write_text(path.name)
            return [str(path) for path in paths]

        SynapseStoreOperator(task_id="store", path=make.expand(n=[0, 1]), parent_id=project)
    stored = Run(api, dag).all(make=2).value("store")
    assert [reference["name"] for reference in stored] == [
        "0_0.txt",
        "0_1.txt",
        "1_0.txt",
        "1_1.txt",
    ]


def test_force_version_creates_a_version_of_equal_content(store, result):
    assert store(path=str(result))[1].value("store")["version"] == 1
    assert store(path=str(result))[1].value("store")["version"] == 1
    assert store(path=str(result), force_version=True)[1].value("store")["version"] == 2


def test_templates_are_rendered(api, project, result, alice):
    with DAG("templates", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id="{{ dag_run.conf['parent'] }}",
            name="{{ run_id }}.txt",
            annotations={"run": "{{ run_id }}"},
        )
    run = Run(api, dag, conf={"parent": project}).all()
    stored = run.value("store")
    assert stored["name"] == "run_1.txt"
    assert alice.get_annotations(stored["id"])["run"] == ["run_1"]
    assert api.rendered["store"]["annotations"] == {"run": "run_1"}


def test_template_fields_are_unchanged_arguments():
    for operator, given in (
        (SynapseGetOperator, {"entity_id": "syn1"}),
        (SynapseStoreOperator, {"path": "x", "parent_id": "syn1"}),
    ):
        values = {name: f"{{{{ {name} }}}}" for name in operator.template_fields} | given
        made = operator(task_id="t", **values)
        assert {name: getattr(made, name) for name in values} == values
