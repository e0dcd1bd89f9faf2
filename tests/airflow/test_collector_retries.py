"""Lineage of retries, cleared tasks and repeated runs."""

import pytest
from airflow.sdk import DAG, get_current_context, task
from support.execution_api import Run

from synapse_workflows import (
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
)


class AfterWorkError(RuntimeError):
    """Failure after the work of the task."""


def fail_first_try(context, result=None):
    if context["ti"].try_number == 1:
        raise AfterWorkError


@pytest.fixture
def result(tmp_path):
    """Path of a file to store."""
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


def count_versions(alice, entity):
    return alice.restGET(f"/entity/{entity}/version")["totalNumberOfResults"]


def find_result(alice, project):
    return alice.findEntityId("result.txt", project)


def test_retry_of_operator_creates_no_version_and_no_activity(
    api, project, put, result, alice, sources_of
):
    raw_id = put()
    with DAG("again", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            retries=1,
            post_execute=fail_first_try,
        )
        raw >> store
    run = Run(api, dag)
    run.task("raw")
    assert run.task("store", max_tries=1).state == "up_for_retry"
    entity = find_result(alice, project)
    before = alice.getProvenance(entity)
    etag = alice.get(entity, downloadFile=False).etag
    assert run.task("store", max_tries=1).state == "success"

    assert count_versions(alice, entity) == 1
    assert alice.getProvenance(entity) == before
    assert alice.get(entity, downloadFile=False).etag == etag
    assert run.value("store")["activity_id"] == before["id"]
    assert sources_of(entity)[0] == [raw_id]


def test_retry_of_taskflow_task_updates_its_activity_and_creates_no_version(
    api, project, put, result, alice, sources_of
):
    one, two = put("one.txt"), put("two.txt")
    with DAG("plain_again", schedule=None) as dag:

        @task(retries=1)
        def work():
            syn = SynapseHook().client
            syn.get(one)
            if get_current_context()["ti"].try_number > 1:
                syn.get(two)
            syn.store(File(str(result), parent=project), used=["https://host/more"])
            fail_first_try(get_current_context())

        work()
    run = Run(api, dag)
    assert run.task("work", max_tries=1).state == "up_for_retry"
    entity = find_result(alice, project)
    before = alice.getProvenance(entity)
    assert run.task("work", max_tries=1).state == "success"
    after = alice.getProvenance(entity)
    assert count_versions(alice, entity) == 1
    assert after["id"] == before["id"]
    assert sorted(sources_of(entity)[0]) == sorted([one, two, "https://host/more"])


def test_retry_with_other_content_creates_version_with_same_activity(api, project, result, alice):
    with DAG("other", schedule=None) as dag:

        @task(retries=1)
        def work():
            attempt = get_current_context()["ti"].try_number
            result.write_text(f"result of try {attempt}")
            SynapseHook().client.store(File(str(result), parent=project))
            fail_first_try(get_current_context())

        work()
    run = Run(api, dag)
    run.task("work", max_tries=1)
    entity = find_result(alice, project)
    first = alice.getProvenance(entity)["id"]
    run.task("work", max_tries=1)
    assert count_versions(alice, entity) == 2
    assert alice.getProvenance(entity)["id"] == first


def test_cleared_task_creates_new_activity(api, project, result, alice):
    with DAG("cleared", schedule=None) as dag:

        @task
        def work():
            result.write_text(f"try {get_current_context()['ti'].try_number}")
            SynapseHook().client.store(File(str(result), parent=project))

        work()
    run = Run(api, dag)
    run.task("work")
    entity = find_result(alice, project)
    run.task("work")
    one, two = (alice.getProvenance(entity, version)["id"] for version in (1, 2))
    assert one != two


def test_run_with_same_content_and_sources_changes_nothing(api, project, put, result, alice):
    raw_id = put()
    with DAG("nightly", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
        raw >> store
    first = Run(api, dag, "night_1").all().value("store")
    before = alice.getProvenance(first["id"])
    second = Run(api, dag, "night_2").all().value("store")
    assert second["version"] == first["version"] == 1
    assert second["activity_id"] == first["activity_id"]
    assert alice.getProvenance(first["id"]) == before
