"""Versions and Activities of what tasks store: other runs, failed tries and rejected stores."""

import logging

import pytest
from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    Column,
    File,
    Schema,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    Table,
)
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.errors import SynapseNotFoundError


class TryFailedError(RuntimeError):
    """Failure of the first try of a task."""


def fail_first_try(context, result=None):
    if context["ti"].try_number == 1:
        raise TryFailedError


@pytest.fixture
def result(tmp_path):
    """Path of a file to store."""
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


@pytest.fixture
def store_again(api, project, result):
    """Function that stores one file, with another source in each run, and returns the result."""

    def run(run_id, source, **arguments):
        with DAG("again", schedule=None) as dag:
            raw = SynapseGetOperator(task_id="raw", entity_id=source)
            store = SynapseStoreOperator(
                task_id="store", path=str(result), parent_id=project, **arguments
            )
            raw >> store
        return Run(api, dag, run_id).all().value("store")

    return run


def list_versions(alice, entity):
    return alice.restGET(f"/entity/{entity}/version")["results"]


def list_activities(alice, start):
    """Return the IDs of the Activities that were stored since the Activity `start`."""
    end = int(alice.restPOST("/activity", "{}")["id"])
    found = []
    for number in range(start + 1, end):
        try:
            found.append(alice.restGET(f"/activity/{number}")["id"])
        except SynapseNotFoundError:
            continue
    return found


def test_content_of_other_run_keeps_its_version_and_activity(store_again, put, alice, caplog):
    caplog.set_level(logging.INFO)
    first = store_again("r1", put("one.txt"))
    before = alice.getProvenance(first["id"])
    activity_count = int(alice.restPOST("/activity", "{}")["id"])
    etag = alice.get(first["id"], downloadFile=False).etag
    second = store_again("r2", put("two.txt"))
    assert (second["version"], second["activity_id"]) == (1, first["activity_id"])
    assert alice.getProvenance(first["id"]) == before
    assert alice.get(first["id"], downloadFile=False).etag == etag
    assert list_activities(alice, activity_count) == []
    assert f"{first['id']}.1 (result.txt) already has this content" in caplog.text
    assert "Airflow run r1 of again.store" in caplog.text


@pytest.mark.parametrize("arguments", [{"if_unchanged": "new_version"}, {"force_version": True}])
def test_new_version_of_same_content_has_its_own_sources(
    store_again, put, alice, sources_of, arguments
):
    one, two = put("one.txt"), put("two.txt")
    first = store_again("r1", one)
    second = store_again("r2", two, **arguments)
    assert (first["version"], second["version"]) == (1, 2)
    assert sources_of(first["id"], 1)[0] == [one]
    assert sources_of(first["id"], 2)[0] == [two]
    assert first["activity_id"] != second["activity_id"]
    assert first["md5"] == second["md5"]


def test_content_stored_by_hand_is_kept(store_again, put, project, alice, result):
    by_hand = alice.store(File(str(result), parent=project))
    stored = store_again("r1", put("one.txt"))
    assert stored["version"] == by_hand.versionNumber
    assert "activity_id" not in stored
    with pytest.raises(SynapseNotFoundError):
        alice.getProvenance(by_hand.id)


def test_invalid_if_unchanged_is_rejected(project):
    with pytest.raises(ValueError, match=r"Invalid if_unchanged 'link'.*keep, new_version"):
        SynapseStoreOperator(task_id="t", path="x", parent_id="syn1", if_unchanged="link")


def test_version_comment_is_on_its_version(store_again, put, alice, result):
    raw = put("raw.txt")
    comments = []
    for number, text in enumerate(("a", "b", "b"), 1):
        result.write_text(text)
        stored = store_again(f"r{number}", raw, version_comment=f"comment {number}")
        comments.append((stored["version"], f"comment {number}"))
    store_again("r4", raw)
    versions = [
        (one["versionNumber"], one.get("versionComment"))
        for one in list_versions(alice, stored["id"])
    ]
    assert sorted(versions) == comments == [(1, "comment 1"), (2, "comment 2"), (3, "comment 3")]


def test_hook_keeps_unchanged_content_without_force_version(api, project, put, result, alice):
    by_hand = alice.store(File(str(result), parent=project), versionLabel="by hand")
    with DAG("hook", schedule=None) as dag:

        @task
        def work(if_unchanged):
            syn = SynapseHook().client
            syn.get(put())
            file = File(str(result), parent=project)
            return syn.store(file, forceVersion=False, if_unchanged=if_unchanged).versionNumber

        work.override(task_id="keep")("keep")
        work.override(task_id="new")("new_version")
    run = Run(api, dag).all()
    assert (run.value("keep"), run.value("new")) == (1, 2)
    assert list_versions(alice, by_hand.id)[-1]["versionLabel"] == "by hand"


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("fails", ["pre_execute", "post_execute"])
def test_force_version_creates_one_version_however_the_first_try_ended(
    api, project, result, alice, mode, fails
):
    entity = alice.store(File(str(result), parent=project)).id
    with DAG(f"forced_{mode}_{fails}", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            force_version=True,
            lineage_mode=mode,
            retries=1,
            **{fails: fail_first_try},
        )
    run = Run(api, dag)
    assert run.task("store", max_tries=1).state == "up_for_retry"
    assert len(list_versions(alice, entity)) == (1 if fails == "pre_execute" else 2)
    assert run.task("store", max_tries=1).state == "success"
    assert len(list_versions(alice, entity)) == run.value("store")["version"] == 2
    assert run.task("store", max_tries=2).state == "success"  # cleared
    assert run.value("store")["version"] == 3


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("stores_first", [False, True])
def test_plain_store_creates_its_version_in_a_retry(
    api, project, result, alice, mode, stores_first
):
    entity = alice.store(File(str(result), parent=project)).id
    with DAG(f"plain_{mode}_{stores_first}", schedule=None) as dag:

        @task(retries=1)
        def work():
            syn = SynapseHook(lineage_mode=mode).client
            if stores_first:
                syn.store(File(str(result), parent=project))
            fail_first_try(get_current_context())
            return syn.store(File(str(result), parent=project)).versionNumber

        work()
    run = Run(api, dag)
    assert run.task("work", max_tries=1).state == "up_for_retry"
    assert run.task("work", max_tries=1).state == "success"
    versions = 3 if stores_first else 2  # as without a failure
    assert run.value("work") == len(list_versions(alice, entity)) == versions


def test_retry_returns_its_own_version_although_another_run_stored_later(
    api, project, result, alice
):
    with DAG("overtaken", schedule=None) as dag:

        @task(retries=1)
        def work():
            context = get_current_context()
            result.write_text(context["run_id"])
            comment = {"versionComment": "fast"} if context["run_id"] == "fast" else {}
            file = File(str(result), parent=project, run=context["run_id"], **comment)
            stored = SynapseHook().client.store(file)
            if context["run_id"] == "slow":
                fail_first_try(context)
            return [stored.id, stored.versionNumber, stored.md5]

        work()
    slow, fast = Run(api, dag, "slow"), Run(api, dag, "fast")
    assert slow.task("work", max_tries=1).state == "up_for_retry"
    assert fast.task("work").state == "success"
    assert slow.task("work", max_tries=1).state == "success"
    entity, version, md5 = slow.value("work")
    assert (version, fast.value("work")[1]) == (1, 2)
    assert [one["versionNumber"] for one in list_versions(alice, entity)] == [2, 1]
    assert list_versions(alice, entity)[1]["contentMd5"] == md5


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"used": "syn999999999"}, SynapseNotFoundError),
        ({"used": "syn999999999", "lineage_mode": "off"}, SynapseNotFoundError),
        ({"executed": ["syn999999999"], "lineage_mode": "declared"}, SynapseNotFoundError),
        ({"used": "syn999999999.4"}, SynapseNotFoundError),
        ({"used": "syn999999999.4", "lineage_mode": "off"}, SynapseNotFoundError),
        ({"activity": Activity(used=["syn999999999.4"])}, SynapseNotFoundError),
        ({"annotations": {"etag": "x"}}, AirflowFailException),
    ],
)
def test_rejected_store_leaves_no_version_and_no_activity(
    api, project, result, alice, arguments, error
):
    entity = alice.store(File(str(result), parent=project)).id
    before = int(alice.restPOST("/activity", "{}")["id"])
    result.write_text("changed")
    with DAG("rejected", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=str(result), parent_id=project, retries=2, **arguments
        )
    outcome = Run(api, dag).task("store", max_tries=2)
    assert outcome.state == "failed"
    assert isinstance(outcome.error, error)
    assert len(list_versions(alice, entity)) == 1
    assert list_activities(alice, before) == []


def test_label_of_other_version_leaves_no_activity(api, project, result, alice):
    entity = alice.store(File(str(result), parent=project), versionLabel="one").id
    before = int(alice.restPOST("/activity", "{}")["id"])
    result.write_text("changed")
    with DAG("label", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=str(result), parent_id=project, version_label="one"
        )
    assert Run(api, dag).task("store").state == "failed"
    assert len(list_versions(alice, entity)) == 1
    assert list_activities(alice, before) == []


@pytest.mark.parametrize("with_rows", [True, False])
def test_an_existing_table_keeps_the_sources_of_other_tasks(api, project, sources_of, with_rows):
    """Storing a schema without an ID first tries to create the table."""

    def store_table(*names):
        columns = [Column(name=name, columnType="STRING") for name in names]
        schema = Schema("Of two tasks", columns, parent=project)
        syn = SynapseHook().client
        syn.emit(Read(None, url=f"https://example.org/{len(names)}"))
        if not with_rows:
            return syn.store(schema).id
        return syn.store(Table(schema, [["x"] * len(names)])).tableId

    for names in (["a"], ["a", "b"]):
        with DAG("of_two", schedule=None) as dag:
            task(store_table, task_id="store")(*names)
        run = Run(api, dag, f"run_{len(names)}").all()
    used, _ = sources_of(run.value("store"))
    assert sorted(used) == ["https://example.org/1", "https://example.org/2"]
