"""Targets of downloads: object storage, file URLs and local directories."""

from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException
from support.execution_api import Run

from synapse_workflows import (
    SynapseGetOperator,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.client.core.cache_map import file_md5


@pytest.fixture
def memory():
    """File system in memory, and the URL of a new directory in it."""
    return fsspec.filesystem("memory"), f"memory://bucket-{uuid4()}/run 1"


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """An empty working directory, which must stay empty."""
    directory = tmp_path / "working-directory"
    directory.mkdir()
    monkeypatch.chdir(directory)
    yield directory
    assert list(directory.iterdir()) == []


def execute(api, operator, **arguments):
    """Run one task; return its value, or its error if it failed."""
    with DAG(f"targets_{uuid4()}", schedule=None) as dag:
        operator(task_id="task", **arguments)
    dag_run = Run(api, dag)
    result = dag_run.task("task")
    return dag_run.value("task") if result.error is None else result.error


@pytest.mark.parametrize("as_target", [str, Path, ObjectStoragePath])
def test_get_streams_the_file_to_object_storage(api, put, memory, as_target):
    files, url = memory
    entity = put(text="x" * 3_000_000)
    done = execute(api, SynapseGetOperator, entity_id=entity, download_dir=as_target(url))
    assert done["path"] == f"{url}/raw.csv"
    assert files.cat_file(f"{url}/raw.csv") == b"x" * 3_000_000


def test_schemes_of_urls_are_not_case_sensitive(api, put, project, memory):
    files, url = memory
    upper = url.replace("memory:", "MEMORY:")
    done = execute(api, SynapseGetOperator, entity_id=put(text="a"), download_dir=upper)
    assert files.cat_file(f"{url}/raw.csv") == b"a"
    stored = execute(
        api, SynapseStoreOperator, path=done["path"], parent_id=project, folder="copies"
    )
    assert stored["md5"] == done["md5"]


@pytest.mark.parametrize(
    ("collision", "names"),
    [
        ("keep.both", {"raw.csv": b"mine", "raw(1).csv": b"theirs"}),
        ("keep.local", {"raw.csv": b"mine"}),
        ("overwrite.local", {"raw.csv": b"theirs"}),
    ],
)
def test_existing_objects_are_handled_as_files_are(api, put, memory, collision, names):
    files, url = memory
    files.pipe_file(f"{url}/raw.csv", b"mine")
    entity = put(text="theirs")
    options = {"entity_id": entity, "download_dir": url, "if_collision": collision}
    paths = [execute(api, SynapseGetOperator, **options)["path"] for _ in range(2)]
    assert paths[0] == paths[1]
    assert (paths[0] is None) == (collision == "keep.local")
    found = files.find(url.removeprefix("memory:/"))
    assert {name.rpartition("/")[2]: files.cat_file(name) for name in found} == names


def test_query_writes_to_an_object(api, filled, memory):
    files, url = memory
    sql = f"select n from {filled} order by n"
    done = execute(api, SynapseTableQueryOperator, sql=sql, output_path=f"{url}/n.csv")
    assert done["path"] == f"{url}/n.csv"
    assert files.cat_file(f"{url}/n.csv").split() == [b'"n"', b'"1"', b'"2"', b'"3"']
    assert done["size"] == files.size(f"{url}/n.csv")
    parquet = execute(api, SynapseTableQueryOperator, sql=sql, output_path=f"{url}/n.parquet")
    assert parquet["file_format"] == "parquet"
    assert files.cat_file(f"{url}/n.parquet").startswith(b"PAR1")


def test_query_writes_to_a_directory_of_objects(api, filled, memory):
    files, url = memory
    target = ObjectStoragePath(url)
    done = execute(
        api, SynapseTableQueryOperator, sql=f"select n from {filled}", download_dir=target
    )
    assert files.exists(done["path"])
    assert done["path"].startswith(f"{url}/SYNAPSE_TABLE_QUERY_")


def test_object_is_a_source_of_the_next_task(api, put, project, memory):
    _, url = memory
    done = execute(api, SynapseGetOperator, entity_id=put(text="handed on"), download_dir=url)
    stored = execute(api, SynapseStoreOperator, path=done["path"], parent_id=project)
    assert (stored["name"], stored["size"]) == ("raw.csv", 9)


def test_file_url_is_a_local_directory(api, put, tmp_path):
    directory = tmp_path / "file url"
    done = execute(api, SynapseGetOperator, entity_id=put(), download_dir=directory.as_uri())
    assert Path(done["path"]) == directory / "raw.csv"
    assert file_md5(done["path"]) == done["md5"]


@pytest.mark.parametrize("url", ["https://example.org/dir", "nothing://bucket/dir"])
def test_target_that_cannot_be_written_fails_for_good(api, put, filled, url):
    got = execute(api, SynapseGetOperator, entity_id=put(), download_dir=url)
    assert isinstance(got, AirflowFailException)
    assert "download_dir" in str(got)
    query = {"sql": f"select n from {filled}", "output_path": f"{url}/n.csv"}
    queried = execute(api, SynapseTableQueryOperator, snapshot_first=True, **query)
    assert isinstance(queried, AirflowFailException)
    assert "output_path" in str(queried)


@pytest.mark.parametrize(("scheme", "provider"), [("abfs", "microsoft-azure"), ("gs", "google")])
def test_connection_without_its_provider_fails_for_good(
    api, put, filled, project, scheme, provider
):
    url = f"{scheme}://my_conn@bucket/n.csv"
    for operator, arguments in (
        (SynapseGetOperator, {"entity_id": put(), "download_dir": url}),
        (SynapseTableQueryOperator, {"sql": f"select n from {filled}", "output_path": url}),
        (SynapseStoreOperator, {"path": url, "parent_id": project}),
        (SynapseTableStoreOperator, {"table_id": filled, "rows": url}),
    ):
        error = execute(api, operator, **arguments)
        assert isinstance(error, AirflowFailException)
        assert f"requires apache-airflow-providers-{provider}" in str(error)


@pytest.mark.parametrize("method", ["get", "tableQuery"])
@pytest.mark.parametrize("as_target", [str, Path, ObjectStoragePath])
def test_client_refuses_a_url_as_download_directory(alice, put, filled, method, as_target):
    argument = put() if method == "get" else f"select n from {filled}"
    with pytest.raises(ValueError, match=r"downloadLocation 's3://?bucket/dir'"):
        getattr(alice, method)(argument, downloadLocation=as_target("s3://bucket/dir"))
