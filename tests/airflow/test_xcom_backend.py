"""References, results and lineage with the XCom backend that keeps values in object storage."""

import json
from pathlib import Path

import pytest
from airflow.providers.common.io.xcom import backend as xcom_backend
from airflow.providers.common.io.xcom.backend import XComObjectStorageBackend
from airflow.sdk import DAG, task
from airflow.sdk.execution_time import task_runner, xcom
from support.execution_api import Run
from support.s3_service import use_bucket

from synapse_workflows import (
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
    local_path,
    staged,
)
from synapse_workflows.lineage.hook_lineage import is_xcom


@pytest.fixture(scope="module")
def bucket(s3_service):
    with use_bucket(s3_service, "xcoms") as client:
        yield client


@pytest.fixture(params=["folder", "s3"])
def backend(request, tmp_path, monkeypatch):
    """Use the backend for all values, as `[core] xcom_backend` does; return the values' URL."""
    url = f"file://{tmp_path}/xcoms"
    if request.param == "s3":
        request.getfixturevalue("bucket")
        url = "s3://xcoms/values"
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH", url)
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD", "0")
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", str(tmp_path / "staging"))
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(tmp_path / "cache"))
    caches = [getattr(xcom_backend, f"_get_{name}") for name in ("base_path", "threshold")]
    for cache in caches:
        cache.cache_clear()
    for module in (xcom, task_runner):
        monkeypatch.setattr(module, "XCom", XComObjectStorageBackend)
    yield url
    for cache in caches:
        cache.cache_clear()


def test_references_and_lineage_pass_through_object_storage(
    api, backend, put, project, table, alice, rows_of, sources_of, tmp_path
):
    entity = put("raw.csv", "a name,n\nx,1\n")
    with DAG("xcoms", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=entity)

        @task
        def summarize(number, file):
            path = tmp_path / "summary.csv"
            path.write_text(Path(local_path(file)).read_text() + f"y,{number}\n")
            SynapseHook()
            return staged(path)

        made = summarize.partial(file=get.output).expand(number=[2, 3])
        SynapseStoreOperator(
            task_id="store", path="{{ ti.xcom_pull('get') }}", parent_id=project, name="copy.csv"
        )
        rows = SynapseTableStoreOperator(task_id="rows", rows=made, table_id=table)
        query = SynapseTableQueryOperator(
            task_id="query", sql=f"select n from {table} order by n", output_format="jsonl"
        )
        SynapseStoreOperator(task_id="result", path=query.output, parent_id=project)
        rows >> query
    run = Run(api, dag).all(summarize=2)
    assert run.value("get").startswith(f"{backend}/xcoms/run_1/get/")
    assert sorted(rows_of(table)) == [["x", 1], ["x", 1], ["y", 2], ["y", 3]]
    for name in ("store", "rows"):
        assert sources_of(_stored_id(run, name))[0] == [entity]
    used, _ = sources_of(_stored_id(run, "result"))
    assert used == [f"{table}.1"]
    assert backend not in json.dumps([used, sources_of(table)])


def test_values_of_the_backend_are_recognized_by_their_url(monkeypatch):
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH", "s3://my_aws@xcoms/values/")
    assert is_xcom("s3://xcoms/values/a_dag/a_run/a_task/1")
    assert not is_xcom("s3://xcoms/values-of-others/1")
    monkeypatch.delenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH")
    assert not is_xcom("s3://xcoms/values/1")


def _stored_id(run, task_id):
    stored = XComObjectStorageBackend.deserialize_value(_Result(run.value(task_id)))
    return stored["id"]


class _Result:
    """XCom as the Execution API returns it."""

    def __init__(self, value):
        self.value = value
