"""Registration of the objects below an S3 prefix."""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import boto3.session
import pytest
from airflow.sdk import DAG, AssetAlias, task
from support.execution_api import Run

from synapse_workflows import File, Folder, SynapseHook, SynapseIndexS3PrefixOperator
from synapse_workflows.local.s3.clients import S3Clients

NUMBERS = count(1)
MiB = 2**20


@pytest.fixture(scope="session")
def socket_service(s3_service):
    """The service with the S3 server, for the fixtures of this directory."""
    s3_service.store.create_bucket("data")
    return s3_service.service


@pytest.fixture(scope="session")
def s3(s3_service):
    """S3 client of the administrator."""
    return S3Clients(lambda: s3_service.endpoint).get("s3")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Prefix:
    """A folder with STS, and its storage location in the bucket."""

    def __init__(self, s3, alice, project, api):
        self.s3, self.syn, self.api = s3, alice, api
        self.base = f"base{next(NUMBERS)}"
        folder, setting, _ = alice.create_s3_storage_location(
            parent=project,
            folder_name="indexed",
            bucket_name="data",
            base_key=self.base,
            sts_enabled=True,
        )
        self.folder, self.location = folder.id, setting["storageLocationId"]

    def put(self, path, content="content", **options):
        body = content if isinstance(content, bytes) else content.encode()
        self.s3.put_object(Bucket="data", Key=f"{self.base}/{path}", Body=body, **options)
        return md5(body)

    def put_parts(self, path, *parts):
        key = {"Bucket": "data", "Key": f"{self.base}/{path}"}
        upload = self.s3.create_multipart_upload(**key)["UploadId"]
        done = [
            {
                "PartNumber": number,
                "ETag": self.s3.upload_part(**key, UploadId=upload, PartNumber=number, Body=part)[
                    "ETag"
                ],
            }
            for number, part in enumerate(parts, 1)
        ]
        self.s3.complete_multipart_upload(**key, UploadId=upload, MultipartUpload={"Parts": done})
        return md5(b"".join(parts))

    def delete(self, path):
        self.s3.delete_object(Bucket="data", Key=f"{self.base}/{path}")

    def run(self, tries=1, max_tries=0, **arguments):
        """Run the operator; return its last result and its run."""
        arguments = {"folder_id": self.folder} | arguments
        with DAG("index", schedule=None) as dag:
            SynapseIndexS3PrefixOperator(task_id="index", retries=max_tries, **arguments)
        run = Run(self.api, dag, f"run_{next(NUMBERS)}")
        for _ in range(tries):
            result = run.task("index", max_tries=max_tries)
        return result, run

    def index(self, **arguments):
        """Run the operator; return its value."""
        result, run = self.run(**arguments)
        assert result.state == "success", result.error
        return run.value("index")

    def files(self, parent=None, path=""):
        """Return ID, version, MD5 and key of each file, by path."""
        found = {}
        for child in self.syn.getChildren(parent or self.folder):
            child_path = path + child["name"]
            if child["type"].endswith("Folder"):
                found |= self.files(child["id"], f"{child_path}/")
            else:
                file = self.syn.get(child["id"], downloadFile=False)
                handle = file._file_handle
                found[child_path] = (file.id, file.versionNumber, file.md5, handle["key"])
        return found

    def versions(self):
        return {path: version for path, (_, version, _, _) in self.files().items()}


@pytest.fixture
def prefix(s3, alice, project, api):
    return Prefix(s3, alice, project, api)


def counts(value):
    names = ("created", "updated", "unchanged", "skipped", "missing", "deleted")
    return {name: value[name] for name in names if value[name]}


def test_objects_become_files_in_mirrored_folders(prefix, sources_of, alice):
    first = prefix.put("a.csv", "a")
    second = prefix.put("deep/er/b.csv", "bb")
    prefix.s3.put_object(Bucket="data", Key=f"{prefix.base}-other/c.csv", Body=b"c")
    prefix.put("owner.txt", str(alice.getUserProfile()["ownerId"]))
    value = prefix.index()
    files = prefix.files()
    assert {path: found[1:] for path, found in files.items()} == {
        "a.csv": (1, first, f"{prefix.base}/a.csv"),
        "deep/er/b.csv": (1, second, f"{prefix.base}/deep/er/b.csv"),
    }
    activity = alice.getProvenance(files["a.csv"][0])["id"]
    assert value == {
        "id": prefix.folder,
        "url": f"s3://data/{prefix.base}/",
        "objects": 3,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "skipped": 0,
        "missing": 0,
        "deleted": 0,
        "bytes": 3,
        "ids": [files[path][0] for path in ("a.csv", "deep/er/b.csv")],
        "missing_ids": [],
        "activity_id": activity,
        "dry_run": False,
    }
    assert alice.getProvenance(files["deep/er/b.csv"][0])["id"] == activity
    used, executed = sources_of(files["a.csv"][0])
    assert used == [f"s3://data/{prefix.base}/"]
    assert len(executed) == 1


def test_only_new_and_changed_objects_are_registered(prefix, alice):
    for path in ("same.csv", "new content.csv", "other size.csv"):
        prefix.put(path, f"{path} 1")
    first = prefix.index()
    before = prefix.files()
    again = prefix.index()
    assert counts(again) == {"unchanged": 3}
    assert again["activity_id"] is None
    assert prefix.files() == before

    prefix.put("new content.csv", "new content.csv 2")
    prefix.put("other size.csv", "other size.csv 10")
    prefix.put("new.csv")
    value = prefix.index()
    assert counts(value) == {"created": 1, "updated": 2, "unchanged": 1}
    assert value["activity_id"] != first["activity_id"]
    assert prefix.versions() == {
        "same.csv": 1,
        "new content.csv": 2,
        "other size.csv": 2,
        "new.csv": 1,
    }
    old = alice.getProvenance(before["other size.csv"][0], 1)
    assert old["id"] == first["activity_id"]


def test_objects_of_several_parts_are_read_once(prefix, alice, s3):
    parts = [b"a" * (5 * MiB), b"b" * 1000]
    content = prefix.put_parts("large.bin", *parts)
    reads = []
    prefix.index()
    (file,) = prefix.files().values()
    assert file[2] == content
    comment = alice.get(file[0], downloadFile=False).versionComment
    etag = s3.head_object(Bucket="data", Key=f"{prefix.base}/large.bin")["ETag"].strip('"')
    assert etag.endswith("-2")
    assert comment == f"S3 etag {etag}"
    s3.meta.events.register("before-call.s3.GetObject", lambda **_: reads.append(1))
    assert counts(prefix.index()) == {"unchanged": 1}
    prefix.put_parts("large.bin", *parts[:1], b"c" * 1000)
    assert counts(prefix.index()) == {"updated": 1}
    assert prefix.versions() == {"large.bin": 2}
    # the same content with another etag
    prefix.put("large.bin", parts[0] + b"c" * 1000)
    assert counts(prefix.index()) == {"unchanged": 1}


def test_invalid_names_are_all_listed(prefix):
    prefix.put("good.csv")
    bad = ["é.csv", "a/ b", "a/b:c/d", " x"]
    for path in bad:
        prefix.put(path)
    prefix.put("directory/", b"")
    result, run = prefix.run(max_tries=3)
    assert result.state == "failed"
    text = str(result.error)
    refused = run.value("index", key="refused")
    assert {one["id"] for one in refused} == {f"{prefix.base}/{path}" for path in bad}
    assert all(repr(f"{prefix.base}/{path}") in text for path in bad)
    assert prefix.files() == {}

    value = prefix.index(invalid_names="skip")
    assert counts(value) == {"created": 1, "skipped": 4}
    assert prefix.versions() == {"good.csv": 1}


def test_annotations_are_set_on_each_file(prefix, alice):
    prefix.put("a.csv")
    prefix.index(annotations={"kind": "raw", "n": [1, 2]})
    (file,) = prefix.files().values()
    annotations = alice.get_annotations(file[0])
    assert annotations == {"kind": ["raw"], "n": [1, 2]}
    annotations["mine"] = ["kept"]
    alice.set_annotations(annotations)
    value = prefix.index(annotations={"kind": "clean"})
    assert counts(value) == {"unchanged": 1}
    assert value["activity_id"] is None
    assert alice.get_annotations(file[0]) == {"kind": ["clean"], "n": [1, 2], "mine": ["kept"]}
    prefix.put("a.csv", "new")
    assert counts(prefix.index(annotations={"n": 3})) == {"updated": 1}
    assert alice.get_annotations(file[0]) == {"kind": ["clean"], "n": [3], "mine": ["kept"]}
    assert counts(prefix.index(annotations={"n": 3})) == {"unchanged": 1}


def test_missing_objects_are_reported_and_deleted_only_on_request(prefix, alice):
    for path in ("a.csv", "old/b.csv", "old/c.txt"):
        prefix.put(path)
    prefix.index()
    files = prefix.files()
    prefix.delete("old/b.csv")
    prefix.delete("old/c.txt")
    value = prefix.index()
    assert counts(value) == {"unchanged": 1, "missing": 2}
    assert sorted(value["missing_ids"]) == sorted(files[p][0] for p in ("old/b.csv", "old/c.txt"))
    assert counts(prefix.index(missing="ignore")) == {"unchanged": 1}
    value = prefix.index(missing="delete", include="*.csv")
    assert counts(value) == {"unchanged": 1, "missing": 1, "deleted": 1}
    assert alice.findEntityId("c.txt", alice.findEntityId("old", prefix.folder))
    assert not alice.findEntityId("b.csv", alice.findEntityId("old", prefix.folder))


def test_moved_files_stay_the_files_of_their_objects(prefix, alice):
    prefix.put("a.csv", "1")
    prefix.index()
    file = alice.get(prefix.files()["a.csv"][0], downloadFile=False)
    file.name = "renamed.csv"
    alice.store(file, forceVersion=False)
    version = prefix.versions()["renamed.csv"]
    assert counts(prefix.index()) == {"unchanged": 1}
    prefix.put("a.csv", "2")
    assert counts(prefix.index()) == {"updated": 1}
    assert prefix.versions() == {"renamed.csv": version + 1}
    # the name is in use by the file of another object
    prefix.put("renamed.csv", "3")
    result, run = prefix.run()
    assert result.state == "failed"
    (refused,) = run.value("index", key="refused")
    assert refused["id"] == f"{prefix.base}/renamed.csv"
    assert prefix.versions() == {"renamed.csv": version + 1}


def test_a_file_of_another_object_is_not_overwritten(prefix, alice):
    """The other object is not selected, or is below another prefix."""
    prefix.put("raw/a.csv", "1")
    prefix.put("other/a.csv", "2")
    prefix.index(prefix="raw")
    before = prefix.files()
    result, _ = prefix.run(prefix="other")
    assert result.state == "failed"
    assert f"the file of the object s3://data/{prefix.base}/raw/a.csv" in str(result.error)
    (planned,) = prefix.index(prefix="other", dry_run=True)["plan"]
    assert planned == {"action": "refuse", "path": "a.csv", "key": f"{prefix.base}/other/a.csv"}
    file = alice.get(before["a.csv"][0], downloadFile=False)
    file.name = "b.txt"
    alice.store(file, forceVersion=False)
    prefix.put("raw/b.txt", "3")
    result, _ = prefix.run(prefix="raw", include="*.txt")
    assert result.state == "failed"
    assert prefix.files()["b.txt"][2:] == before["a.csv"][2:]
    # the object was moved
    prefix.delete("raw/a.csv")
    prefix.delete("raw/b.txt")
    prefix.put("other/b.txt", "4")
    assert counts(prefix.index(prefix="other", include="b.txt")) == {"updated": 1}
    assert prefix.files()["b.txt"][2] == md5(b"4")


def test_dry_run_changes_nothing(prefix):
    prefix.put("old.csv", "1")
    prefix.put("same.csv")
    prefix.index()
    prefix.put("old.csv", "20")
    prefix.put("deep/new.csv")
    before = prefix.files()
    value = prefix.index(dry_run=True)
    assert counts(value) == {"created": 1, "updated": 1, "unchanged": 1}
    assert value["dry_run"]
    assert sorted((one["action"], one["path"]) for one in value["plan"]) == [
        ("create", "deep/new.csv"),
        ("update", "old.csv"),
    ]
    assert prefix.files() == before


def test_a_name_of_another_entity_is_refused_and_the_others_are_registered(prefix, alice):
    prefix.put("a/b.csv")
    prefix.put("c.csv")
    prefix.put("d.csv")
    alice.store(Folder("c.csv", parent=prefix.folder))
    planned = prefix.index(dry_run=True)
    assert counts(planned) == {"created": 2}
    assert sorted((one["action"], one["path"]) for one in planned["plan"]) == [
        ("create", "a/b.csv"),
        ("create", "d.csv"),
        ("refuse", "c.csv"),
    ]
    result, run = prefix.run()
    assert result.state == "failed"
    assert "is a folder" in str(result.error)
    assert "1 of 3 were not registered" in str(result.error)
    assert prefix.versions() == {"a/b.csv": 1, "d.csv": 1}
    assert [one["id"] for one in run.value("index", key="refused")] == [f"{prefix.base}/c.csv"]
    prefix.put("é.csv")
    _, run = prefix.run(invalid_names="skip")
    refused = [one["id"] for one in run.value("index", key="refused")]
    assert refused == [f"{prefix.base}/c.csv", f"{prefix.base}/é.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prefix": "nothing"}, "No object is selected"),
        ({"include": "*.txt"}, "No object is selected below .* which has 2 objects"),
        ({"max_files": 1}, "2 objects .* more than max_files=1"),
        ({"prefix": "s3://data/other"}, "outside of the storage location"),
        ({"prefix": "a.csv", "allow_empty": True}, "is an object, .* include='a.csv'"),
        ({"aws_conn_id": "nowhere"}, "the connection 'nowhere' is not defined"),
        ({"storage_location_id": 1}, "are in the storage of Synapse"),
        ({"storage_location_id": 2}, "can only have its files"),
        ({"storage_location_id": "x"}, "Invalid storage_location_id"),
        ({"annotations": {"id": 1}}, "Invalid annotation"),
        ({"used": "syn1.999"}, "declared as a source"),
        ({"folder_id": "syn1"}, "syn1"),
    ],
)
def test_invalid_arguments_fail_before_anything_is_changed(prefix, arguments, message):
    prefix.put("a.csv")
    prefix.put("b.csv")
    result, _ = prefix.run(max_tries=3, **arguments)
    assert result.state == "failed"
    assert re.search(message, str(result.error)), result.error
    assert prefix.files() == {}


def test_an_empty_prefix_may_be_valid(prefix):
    assert counts(prefix.index(prefix="nothing", allow_empty=True)) == {}


def test_a_prefix_and_a_folder(prefix):
    prefix.put("results/2026/a.csv")
    prefix.put("results-old/b.csv")
    value = prefix.index(prefix="results", folder="out/put")
    assert value["url"] == f"s3://data/{prefix.base}/results/"
    assert prefix.versions() == {"out/put/2026/a.csv": 1}


def test_stored_files_have_asset_events_and_lineage(prefix, api, alice):
    prefix.put("a.csv", "1")
    prefix.put("b.csv", "2")
    _, run = prefix.run(outlets=[AssetAlias("indexed")])
    files = {found[0]: (path, found[2]) for path, found in prefix.files().items()}
    events = {one["asset"]["uri"].removeprefix("syn://"): one["extra"] for one in api.events}
    activity = run.value("index")["activity_id"]
    assert events == {
        entity: {"version": 1, "md5": md5, "activity_id": activity, "name": path}
        for entity, (path, md5) in files.items()
    }
    assert {one["id"] for one in run.record("index")["wrote"]} == files.keys()


def test_a_retry_creates_nothing_twice(prefix, alice):
    prefix.put("a.csv", "1")
    result, run = prefix.run(tries=2, max_tries=1)
    assert result.state == "success"
    value = run.value("index")
    assert counts(value) == {"created": 1}
    assert value["activity_id"] == alice.getProvenance(prefix.files()["a.csv"][0])["id"]
    assert prefix.versions() == {"a.csv": 1}


def test_lineage_off(prefix, alice):
    prefix.put("a.csv", "1")
    result, run = prefix.run(tries=2, max_tries=1, lineage_mode="off")
    assert result.state == "success", result.error
    assert counts(run.value("index")) == {"created": 1}
    assert run.value("index")["activity_id"] is None
    prefix.put("b.csv", "2")
    prefix.put("c.csv", "2")
    result, run = prefix.run(tries=2, max_tries=1, lineage_mode="off", used="https://example.org")
    files = prefix.files()
    assert counts(run.value("index")) == {"created": 2, "unchanged": 1}
    activities = {alice.getProvenance(files[path][0])["id"] for path in ("b.csv", "c.csv")}
    assert activities == {run.value("index")["activity_id"]}


def test_an_aws_connection_for_a_folder_without_sts(
    prefix, project, alice, s3_service, api, tmp_path
):
    prefix.put("a.csv", "a")
    location = alice.createStorageLocationSetting("ExternalS3Storage", bucket="data")
    arguments = {
        "folder_id": project,
        "storage_location_id": location["storageLocationId"],
        "prefix": prefix.base,
    }
    result, _ = prefix.run(**arguments)
    assert "no storage location with STS" in str(result.error)
    endpoint = s3_service.endpoint
    connection = {
        "conn_type": "aws",
        "login": endpoint.access_key_id,
        "password": endpoint.secret_access_key,
        "extra": {"region_name": "us-east-1", "endpoint_url": endpoint.url},
    }
    api.connections["aws_data"] = json.dumps(connection)
    value = prefix.index(**arguments, aws_conn_id="aws_data", folder="found")
    assert counts(value) == {"created": 1}
    assert prefix.files(project)["found/a.csv"][1:] == (1, md5(b"a"), f"{prefix.base}/a.csv")
    # files whose content is in the storage of Synapse
    folder = alice.store(Folder("own", parent=project)).id
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("a")
        alice.store(File(str(tmp_path / name), parent=folder))
    prefix.put("b.csv", "b")
    arguments |= {"aws_conn_id": "aws_data", "folder": "own"}
    planned = prefix.index(**arguments, dry_run=True)
    assert sorted((one["action"], one["path"]) for one in planned["plan"]) == [
        ("compare", "own/b.csv"),
        ("update", "own/a.csv"),
    ]
    result, _ = prefix.run(**arguments)
    assert result.state == "failed"
    assert re.search("b.csv' in .* the file of the object s3://.* Rename", str(result.error))
    files = {path: found[1:3] for path, found in prefix.files(folder).items()}
    assert files == {"a.csv": (2, md5(b"a")), "b.csv": (1, md5(b"a"))}


def test_only_the_creator_of_a_storage_location_registers_objects(
    prefix, project, alice, socket_service, api
):
    prefix.put("a.csv")
    connection = json.loads(api.connections["synapse_default"])
    connection["password"] = socket_service.token("bob")
    api.connections["synapse_default"] = json.dumps(connection)
    with socket_service.client("bob") as bob:
        alice.setPermissions(project, bob.getUserProfile()["ownerId"], ["READ", "DOWNLOAD"])
    for arguments, advice in (
        ({}, "pass another folder_id"),
        ({"folder_id": project, "storage_location_id": prefix.location}, "pass its storage_"),
    ):
        result, _ = prefix.run(max_tries=3, **arguments)
        assert result.state == "failed"
        assert re.search(f"use a connection of that user, or .*{advice}", str(result.error))


def test_uploaded_files_are_not_registered_again(prefix, alice, tmp_path):
    local = tmp_path / "uploaded.csv"
    for text in ("first", "second"):
        local.write_text(text)
        alice.store(File(str(local), parent=prefix.folder))
    prefix.put("a.csv")
    before = prefix.files()
    assert counts(prefix.index()) == {"created": 1, "unchanged": 1}
    assert prefix.versions() == {"uploaded.csv": 2, "a.csv": 1}
    assert prefix.files()["uploaded.csv"] == before["uploaded.csv"]


@pytest.fixture
def after(monkeypatch):
    """Function that calls a function once after a request to S3 of any boto3 client."""

    def call(operation, function):
        create, calls = boto3.session.Session.client, iter([function])

        def create_watched(session, *args, **options):
            client = create(session, *args, **options)
            client.meta.events.register(
                f"after-call.s3.{operation}", lambda **_: next(calls, lambda: None)()
            )
            return client

        monkeypatch.setattr(boto3.session.Session, "client", create_watched)

    return call


@pytest.mark.parametrize("content", ["2", "22"])
def test_an_object_that_changes_during_the_run_is_registered_again(prefix, after, content):
    prefix.put("a.csv", "1")
    after("HeadObject", lambda: prefix.put("a.csv", content))
    assert counts(prefix.index()) == {"created": 1}
    assert prefix.files()["a.csv"][2] == md5(content.encode())


def test_an_object_that_changes_while_it_is_read_is_read_again(prefix, after):
    prefix.put_parts("a.bin", b"1" * (5 * MiB), b"1")
    content = {}

    def change():
        content["md5"] = prefix.put_parts("a.bin", b"2" * (5 * MiB), b"2")

    after("HeadObject", change)
    assert counts(prefix.index()) == {"created": 1}
    assert prefix.files()["a.bin"][1:3] == (1, content["md5"])


def test_an_object_that_is_deleted_during_the_run_is_left_out(prefix, after):
    prefix.put("a.csv", "1")
    prefix.put("b.csv", "1")
    after("ListObjectsV2", lambda: prefix.delete("a.csv"))
    assert counts(prefix.index()) == {"created": 1}
    assert prefix.versions() == {"b.csv": 1}


def test_the_registered_objects_are_not_sources_of_their_files(sts):
    """An upstream task wrote them; its own sources are the sources."""
    folder = sts.folder()
    folder.put("raw/a.csv")
    with DAG("etl", schedule=None) as dag:

        @task.synapse_sts(folder_id=folder.id, permission="read_write")
        def work(sts_session):
            s3, bucket = sts_session.client("s3"), sts_session.bucket
            body = s3.get_object(Bucket=bucket, Key=sts_session.key("raw/a.csv"))["Body"].read()
            for name in ("results/a.csv", "other/a.csv"):
                s3.put_object(Bucket=bucket, Key=sts_session.key(name), Body=body)
            return "results"

        SynapseIndexS3PrefixOperator(task_id="index", folder_id=folder.id, prefix=work())
    value = sts.run(dag).value("index")
    activity = sts.alice.restGET(f"/activity/{value['activity_id']}")
    used = {item["url"] for item in activity["used"] if not item["wasExecuted"]}
    assert used == {folder.recorded_url(path) for path in ("raw/a.csv", "other/a.csv")}


@pytest.fixture
def hooks(lineage_client):
    """Two hooks, for two runs at the same time."""
    found = [SynapseHook(), SynapseHook()]
    for hook in found:
        hook.__dict__["_client"] = lineage_client
    return found


def test_concurrent_runs_create_each_file_and_version_once(prefix, hooks):
    for version in (1, 2):
        for number in range(30):
            prefix.put(f"d{number % 3}/{number}.txt", f"version {version} of {number}")
        with ThreadPoolExecutor() as pool:
            values = list(pool.map(lambda hook: hook.index_s3_prefix(prefix.folder), hooks))
        assert sum(one["created"] + one["updated"] for one in values) == 30
        assert len(prefix.files()) == 30
        assert set(prefix.versions().values()) == {version}
