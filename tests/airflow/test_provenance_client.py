"""Activities that the code of a task sets, changes or deletes itself."""

import json

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import Activity, File, SynapseHook

SECRET_URL = "https://user:secret-1@example.org/a?token=secret-2"


@pytest.fixture
def run_code(api, project, tmp_path):
    """Function that runs code in a task with a client and a file to store."""

    def run(code):
        path = tmp_path / "out.txt"
        path.write_text("1")
        with DAG("by_code", schedule=None) as dag:

            @task(task_id="store")
            def store():
                return code(SynapseHook().client, File(str(path), parent=project))

            store()
        return Run(api, dag).all()

    return run


@pytest.mark.parametrize("method", ["setProvenance", "updateActivity"])
def test_activities_set_by_code_have_no_secrets(run_code, alice, caplog, method):
    def code(syn, file):
        stored = syn.store(file)
        if method == "setProvenance":
            activity = syn.setProvenance(stored, Activity(name="By hand", used=SECRET_URL))
        else:
            activity = syn.getProvenance(stored)
            activity.used(SECRET_URL)
            activity = syn.updateActivity(activity)
        return [stored.id, activity["id"]]

    run = run_code(code)
    entity_id, activity_id = run.value("store")
    activity = alice.getProvenance(entity_id)
    assert activity["id"] == activity_id
    assert "https://example.org/a" in [item.get("url") for item in activity["used"]]
    assert run.record("store")["activities"] == {entity_id: activity_id}
    assert "Queries and credentials of URLs are not stored" in caplog.text
    for text in (json.dumps(activity), json.dumps(run.record("store")), caplog.text):
        assert "secret-" not in text


def test_a_version_after_a_deleted_activity_gets_another_one(run_code, alice):
    def code(syn, file):
        stored = syn.store(file)
        syn.deleteProvenance(stored)
        return syn.store(file).id

    entity_id = run_code(code).value("store")
    assert alice.getProvenance(entity_id, 2)["name"] == "by_code.store"


@pytest.mark.parametrize("force", [True, False])
def test_a_retry_gives_versions_another_activity_if_theirs_was_deleted(
    api, project, alice, tmp_path, force
):
    tries = []
    with DAG("by_code", schedule=None) as dag:

        @task(task_id="store")
        def store():
            syn = SynapseHook().client
            tries.append(len(tries))
            stored = []
            for name in ("a.txt", "b.txt"):
                (tmp_path / name).write_text("1")
                file = File(str(tmp_path / name), parent=project)
                stored.append(syn.store(file, forceVersion=force))
            if len(tries) == 1:
                syn.deleteProvenance(stored[0])
                raise RuntimeError
            return [entity.id for entity in stored]

        store()
    run = Run(api, dag)
    assert run.task("store", max_tries=1).state == "up_for_retry"
    assert run.task("store", max_tries=1).state == "success"
    for entity_id in run.value("store"):
        assert alice.get(entity_id, downloadFile=False).versionNumber == 1
        assert alice.getProvenance(entity_id)["name"] == "by_code.store"


@pytest.mark.parametrize("method", ["setProvenance", "updateActivity"])
def test_a_retry_finds_a_version_whose_activity_was_set_by_code(
    api, project, alice, tmp_path, method
):
    tries = []
    with DAG("by_code", schedule=None) as dag:

        @task(task_id="store")
        def store():
            syn = SynapseHook().client
            tries.append(len(tries))
            (tmp_path / "a.txt").write_text("1")
            stored = syn.store(File(str(tmp_path / "a.txt"), parent=project))
            if method == "setProvenance":
                syn.setProvenance(stored, Activity(name="By hand"))
            else:
                changes = {"name": "By hand", "description": "By hand"}
                syn.updateActivity({**syn.getProvenance(stored), **changes})
            if len(tries) == 1:
                raise RuntimeError
            return stored.id

        store()
    run = Run(api, dag)
    assert run.task("store", max_tries=1).state == "up_for_retry"
    assert run.task("store", max_tries=1).state == "success"
    entity = alice.get(run.value("store"), downloadFile=False)
    assert entity.versionNumber == 1
    assert alice.getProvenance(entity)["name"] == "By hand"
