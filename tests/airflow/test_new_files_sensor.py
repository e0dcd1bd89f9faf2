"""SynapseNewFilesSensor in workers and in the triggerer."""

import time
from datetime import UTC, datetime
from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run, fire_trigger

from synapse_workflows import Folder, SynapseHook, SynapseNewFilesSensor

RUNS = count(1)
MODES = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]


@pytest.fixture
def wait(api, project):
    """Create a run of a single sensor."""

    def make(**arguments):
        defaults = {
            "container_id": project,
            "mode": "reschedule",
            "poke_interval": 0.1,
            "timeout": 60,
        }
        with DAG("wait", schedule=None) as dag:
            SynapseNewFilesSensor(task_id="wait", retries=5, **(defaults | arguments))
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def ids_of(run):
    return [file["id"] for file in run.value("wait")["files"]]


def test_sensor_waits_for_new_files(wait, alice, project, put):
    put("existing.csv")
    folder = alice.store(Folder("folder", parent=project)).id
    run = wait(name_pattern="{{ '*' }}.csv", min_files=2)
    assert run.task("wait").state == "up_for_reschedule"
    first = put("a.csv", parent=folder)
    put("b.tmp")
    assert run.task("wait").state == "up_for_reschedule"
    second = put("c.csv").partition(".")[0]
    assert run.task("wait").state == "success"
    assert run.value("wait") == {
        "container_id": project,
        "files": [
            {"id": first.partition(".")[0], "version": 1, "name": "a.csv", "parent_id": folder},
            {"id": second, "version": 1, "name": "c.csv", "parent_id": project},
        ],
    }
    assert run.record("wait") is None
    assert run.value("wait", "synapse_entity_link").endswith(project)


def test_sensor_waits_in_the_triggerer(wait, alice, project, put, triggerer):
    kept = put("existing.csv").partition(".")[0]
    run = wait(deferrable=True, new_versions=True)
    deferred = run.task("wait")
    assert deferred.state == "deferred"
    lost = put("lost.csv").partition(".")[0]
    event = fire_trigger(deferred)
    assert event == {"files": 1}
    alice.delete(lost)  # before the worker runs again
    deferred = run.task("wait", event=event)
    assert deferred.state == "deferred"
    put("existing.csv", text="second version")
    assert run.task("wait", event=fire_trigger(deferred)).state == "success"
    assert ids_of(run) == [kept]
    assert run.value("wait")["files"][0]["version"] == 2


@pytest.mark.parametrize("mode", MODES)
def test_files_since_a_time_count(wait, put, mode):
    put("old.csv")
    time.sleep(0.01)
    since = datetime.now(UTC)
    new = put("new.csv").partition(".")[0]
    run = wait(since=since.isoformat() if "mode" in mode else since, **mode)
    assert run.task("wait").state == "success"
    assert ids_of(run) == [new]


def test_moved_files_and_folders_are_new(wait, alice, project, put):
    inbox = alice.store(Folder("inbox", parent=project)).id
    outside = alice.store(Folder("outside", parent=project)).id
    below = put("below.csv", parent=alice.store(Folder("deep", parent=outside)).id)
    run = wait(container_id=inbox)
    assert run.task("wait").state == "up_for_reschedule"
    alice.move(outside, inbox)
    assert run.task("wait").state == "success"
    assert ids_of(run) == [below.partition(".")[0]]
    assert wait(container_id=inbox, recursive=False).task("wait").state == "up_for_reschedule"


def test_result_is_a_list_of_references(api, project, put, alice):
    with DAG("wait", schedule=None) as dag:
        new = SynapseNewFilesSensor(
            task_id="wait", container_id=project, since="2020-01-01", poke_interval=0.1
        )

        @task
        def read(found):
            return [SynapseHook().get_file(one)["name"] for one in found["files"]]

        read(new.output)
    put("a.csv")
    run = Run(api, dag)
    run.all()
    assert run.value("read") == ["a.csv"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"container_id": "syn1999999999"}, "404"),
        ({"container_id": "syn1.2"}, "Invalid container_id"),
        ({"container_id": "{{ None }}"}, "Invalid container_id"),
        ({"name_pattern": "{{ '' }}"}, "Invalid name_pattern"),
        ({"name_pattern": "{{ None }}"}, "Invalid name_pattern"),
        ({"since": "{{ prev_start_date_success }}"}, "Invalid since"),
        ({"since": "yesterday"}, "Invalid since 'yesterday'"),
    ],
)
def test_invalid_arguments_fail_without_retry(wait, arguments, named, mode):
    failed = wait(**(arguments | mode)).task("wait", max_tries=5)
    assert failed.state == "failed"
    assert named in str(failed.error)


@pytest.mark.parametrize("mode", MODES)
def test_a_file_contains_no_files(wait, put, mode):
    failed = wait(container_id=put().partition(".")[0], **mode).task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "it is a file, which contains no files" in str(failed.error)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("recursive", "no"),
        ("name_pattern", " "),
        ("new_versions", 1),
        ("min_files", 0),
        ("min_files", True),
    ],
)
def test_invalid_options_fail_at_once(argument, value):
    with pytest.raises(ValueError, match=f"Invalid {argument}"):
        SynapseNewFilesSensor(task_id="wait", container_id="syn1", **{argument: value})
    with pytest.raises(ValueError, match="pass only one"):
        SynapseNewFilesSensor(
            task_id="wait", container_id="syn1", new_versions=True, since="2026-01-01"
        )
