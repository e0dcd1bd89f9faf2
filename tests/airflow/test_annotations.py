"""SynapseAnnotateOperator and SynapseHook.annotate: annotations are written where they differ."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count

import numpy as np
import pandas as pd
import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from support.execution_api import Run
from support.fault_injection import FaultInjector

from synapse_workflows import (
    Folder,
    Project,
    SynapseAnnotateOperator,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
)
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import SynapseServerError
from synapse_workflows.testing import over_socket

_names = count(1)


class WorkerStoppedError(RuntimeError):
    """Simulated stop of the worker."""


@pytest.fixture
def folders(alice, project):
    """IDs of five folders; the first has the annotations `kind` and `n`."""
    created = [alice.store(Folder(f"folder {n}", parent=project)) for n in range(5)]
    alice.store(Folder("folder 0", parent=project, kind=["old"], n=[1, 2]))
    return [folder.id for folder in created]


@pytest.fixture
def annotate(api):
    """Function that runs a SynapseAnnotateOperator; returns its last result and its run."""

    def run(*args, tries=1, **arguments):
        with DAG("annotate", schedule=None) as dag:
            SynapseAnnotateOperator(task_id="annotate", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(_names)}")
        for _ in range(tries):
            result = dag_run.task("annotate", max_tries=5)
        return result, dag_run

    return run


@pytest.fixture
def hook(connection, monkeypatch):
    """A hook outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    return SynapseHook()


def test_only_entities_that_differ_are_changed(annotate, alice, folders):
    wanted = {"kind": ["raw", "x"], "n": 3, "when": datetime(2026, 1, 2, tzinfo=UTC), "ok": True}
    annotate(entities=folders[1], annotations=wanted)
    before = {one: alice.get_annotations(one).etag for one in folders}
    result, run = annotate(entities=folders[:3], annotations=wanted)
    assert result.state == "success", result.error
    assert run.value("annotate") == {
        "changed": [folders[0], folders[2]],
        "unchanged": [folders[1]],
    }
    assert run.value("annotate", "changed") == [folders[0], folders[2]]
    for one in folders[:3]:
        found = alice.get_annotations(one)
        assert found["kind"] == ["raw", "x"]
        assert found["n"] == [3]
        assert found["ok"] == [True]
    etags = [alice.get_annotations(one).etag == before[one] for one in folders]
    assert etags == [False, True, False, True, True]
    assert run.record("annotate") is None


def test_other_annotations_are_kept_or_replaced(hook, alice, folders):
    hook.annotate(folders[0], {"new": 1.5, "kind": None})
    assert dict(alice.get_annotations(folders[0])) == {"n": [1, 2], "new": [1.5]}
    assert hook.annotate(folders[0], {"kind": None, "m": []})["changed"] == []
    hook.annotate(folders[0], {"n": [1, 2], "only": "x"}, mode="replace")
    assert dict(alice.get_annotations(folders[0])) == {"n": [1, 2], "only": ["x"]}
    assert hook.annotate([], {"n": 1}) == {"changed": [], "unchanged": []}


def test_forms_of_entities(hook, alice, project, folders):
    forms = [
        pd.Series(folders[:2]),
        np.array(folders[:2]),
        dict.fromkeys(folders[:2]).keys(),
        (one for one in folders[:2]),
        [[{"id": folders[0], "version": None}], [folders[1]]],
        [alice.get(folders[0]), {"id": folders[1]}],
    ]
    for number, form in enumerate(forms):
        assert hook.annotate(form, {"n": number + 10})["changed"] == folders[:2]
    assert sorted(hook.annotate(set(folders), {"m": 1})["changed"]) == sorted(folders)
    assert hook.annotate(alice.get(project), {"kind": "project"})["changed"] == [project]


def test_each_entity_has_its_own_annotations(hook, alice, folders):
    given = {folders[0]: {"n": 5}, folders[1].upper().lower(): {"n": 6}}
    assert hook.annotate(None, given)["changed"] == folders[:2]
    assert alice.get_annotations(folders[1])["n"] == [6]
    assert hook.annotate(folders[1], given) == {"changed": [], "unchanged": [folders[1]]}
    with pytest.raises(AirflowFailException, match="does not contain this entity"):
        hook.annotate(folders[2], given)


def test_type_of_a_value_is_a_difference(hook, alice, folders):
    hook.annotate(folders[1], {"n": 1})
    assert hook.annotate(folders[1], {"n": 1.0})["changed"] == [folders[1]]
    assert alice.restGET(f"/entity/{folders[1]}/annotations2")["annotations"]["n"] == {
        "type": "DOUBLE",
        "value": ["1.0"],
    }


def test_refused_entities_are_listed_and_the_others_are_annotated(
    annotate, alice, project, folders, socket_service
):
    with socket_service.client("bob") as bob:
        profile = alice.getUserProfile()["ownerId"]
        private = bob.store(Folder("private", parent=bob.store(_project()).id)).id
        readable = bob.store(Folder("readable", parent=bob.store(_project()).id)).id
        bob.setPermissions(readable, profile, ["READ"])
    given = {
        folders[0]: {"n": 7},
        folders[1]: {"name": "reserved"},
        folders[2]: {"n": [1, None]},
        folders[3]: {"not valid!": 1},
        folders[4]: {"n": 8},
        "syn999999": {"n": 1},
        private: {"n": 1},
        readable: {"n": 1},
    }
    result, run = annotate(annotations=given)
    assert result.state == "failed"
    assert "6 of 8 were not annotated" in str(result.error)
    refused = {one["id"]: one["reason"] for one in run.value("annotate", "refused")}
    assert list(refused) == [folders[1], folders[2], folders[3], "syn999999", private, readable]
    assert "'name'" in refused[folders[1]]
    assert "missing value None" in refused[folders[2]]
    assert "404" in refused["syn999999"]
    assert "403" in refused[private]
    assert "403" in refused[readable]
    assert alice.get_annotations(folders[0])["n"] == [7]
    assert alice.get_annotations(folders[4])["n"] == [8]


def test_the_xcom_of_refused_entities_is_limited(annotate):
    """The message says how many there are, and the log has all."""
    result, run = annotate(annotations={f"syn{number}": {"id": 1} for number in range(1, 1101)})
    assert result.state == "failed"
    assert "1100 of 1100 were not annotated" in str(result.error)
    assert len(run.value("annotate", "refused")) == 1000


def _project():
    return Project(f"Project of bob {next(_names)}")


def test_names_of_properties_are_refused_by_the_type_of_the_entity(annotate, put, folders):
    file = put()
    result, run = annotate(entities=[folders[1], file], annotations={"versionLabel": "x"})
    assert result.state == "failed"
    refused = [one["id"] for one in run.value("annotate", "refused")]
    assert refused == [file.partition(".")[0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"annotations": {"n": 1}}, "entities is missing"),
        ({"entities": "syn1", "annotations": {"n": [1, None]}}, "missing value None"),
        ({"entities": "syn1", "annotations": {"id": 1}}, "'id'"),
        ({"entities": "syn1", "annotations": {"a b": 1}}, "'a b'"),
        ({"entities": "syn1", "annotations": {"n": {"a": 1}}}, "'n'"),
        ({"entities": "syn1", "annotations": {"n": "x" * 501}}, "501 characters"),
        ({"entities": "syn1", "annotations": "text"}, "expected a dictionary"),
        ({"entities": "syn1", "annotations": None}, "Invalid annotations"),
        ({"entities": "syn1", "annotations": {"n": 1}, "mode": "add"}, "Invalid mode 'add'"),
        ({"entities": ["syn1", "x"], "annotations": {"n": 1}}, "Invalid entities"),
        ({"entities": ["syn1", None], "annotations": {"n": 1}}, "Invalid entities"),
        ({"entities": ["syn1.1", "syn1.2"], "annotations": {"n": 1}}, "in the versions 1 and 2"),
        ({"annotations": {"syn1": {"n": 1}, "n": 1}}, "'n' is not an entity ID"),
        ({"annotations": {"syn1": {"n": 1}, "syn1.2": {"n": 1}}}, "more than once"),
    ],
)
def test_invalid_arguments_fail_at_once(annotate, arguments, message):
    result, _ = annotate(**arguments)
    assert result.state == "failed"
    assert message in str(result.error)


@pytest.mark.parametrize("missing", [math.nan, pd.NA, pd.NaT])
def test_missing_values_remove_nothing(hook, alice, folders, missing):
    with pytest.raises(AirflowFailException, match="missing value"):
        hook.annotate(folders[0], {"n": missing})
    with pytest.raises(AirflowFailException, match="missing value"):
        hook.annotate(None, {folders[0]: {"n": [1, missing]}, folders[1]: {"n": 1}})
    assert alice.get_annotations(folders[0])["n"] == [1, 2]
    assert alice.get_annotations(folders[1])["n"] == [1]


def test_only_the_current_version_is_annotated(annotate, alice, put):
    first = put(text="one")
    second = put(text="two")
    entity = first.partition(".")[0]
    reference = {"id": entity, "version": 1}
    for old in (first, reference):
        result, _ = annotate(entities=old, annotations={"n": 1})
        assert result.state == "failed"
        assert "the current version is 2" in str(result.error)
    assert dict(alice.get_annotations(entity)) == {}
    for current in (second, {"id": entity, "version": 2}, entity):
        result, _ = annotate(entities=current, annotations={"n": 1})
        assert result.state == "success", result.error
    assert alice.get(entity, downloadFile=False).versionNumber == 2


def test_version_and_activity_are_kept(annotate, api, alice, project, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a")
    with DAG("pipeline", schedule=None) as dag:
        stored = SynapseStoreOperator(task_id="store", path=[str(path)], parent_id=project)
        SynapseAnnotateOperator(
            task_id="annotate", entities=stored.output, annotations={"n": "{{ run_id }}"}
        )
    run = Run(api, dag).all()
    (reference,) = run.value("store")
    assert run.value("annotate")["changed"] == [reference["id"]]
    assert alice.get_annotations(reference["id"])["n"] == ["run_1"]
    assert alice.get(reference["id"], downloadFile=False).versionNumber == 1
    assert alice.getProvenance(reference["id"])["id"] == reference["activity_id"]


def test_sources_are_handed_on(api, alice, project, put, folders, tmp_path, sources_of):
    """The task stores nothing that could be a source, so its own sources are handed on."""
    path = tmp_path / "a.txt"
    path.write_text("a")
    raw = put()
    with DAG("hand_on", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)
        annotate = SynapseAnnotateOperator(
            task_id="annotate", entities=folders[:2], annotations={"raw": get.output["name"]}
        )
        annotate >> SynapseStoreOperator(task_id="store", path=str(path), parent_id=project)
    run = Run(api, dag).all()
    assert alice.get_annotations(folders[1])["raw"] == ["raw.csv"]
    assert sources_of(run.value("store")["id"])[0] == [raw]


def test_mapped_tasks(api, alice, folders):
    with DAG("mapped", schedule=None) as dag:
        SynapseAnnotateOperator.partial(task_id="one", annotations={"n": 1}).expand(
            entities=folders[:2]
        )
        SynapseAnnotateOperator.partial(task_id="kwargs").expand_kwargs(
            [{"entities": one, "annotations": {"m": n}} for n, one in enumerate(folders[:3])]
        )
        by_id = {one: {"k": one} for one in folders}
        SynapseAnnotateOperator.partial(task_id="by_id", annotations=by_id).expand(
            entities=folders[:2]
        )
    run = Run(api, dag).all(one=2, kwargs=3, by_id=2)
    assert run.value("one", map_index=1)["changed"] == [folders[1]]
    assert alice.get_annotations(folders[2])["m"] == [2]
    found = alice.get_annotations(folders[1])
    assert (found["n"], found["m"], found["k"]) == ([1], [1], [folders[1]])


def test_results_of_mapped_tasks_are_annotated_by_one_task(api, alice, project, tmp_path):
    paths = [tmp_path / f"{n}.txt" for n in range(3)]
    for path in paths:
        path.write_text(path.name)
    with DAG("reduce", schedule=None) as dag:
        stored = SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=[str(path) for path in paths]
        )
        SynapseAnnotateOperator(task_id="annotate", entities=stored.output, annotations={"n": 1})
        SynapseAnnotateOperator(
            task_id="text",
            entities="{{ ti.xcom_pull('ids') }}",
            annotations="{{ ti.xcom_pull('values') }}",
        )
    run = Run(api, dag)
    for index in range(3):
        assert run.task("store", index).state == "success"
    result = run.task("annotate")
    assert result.state == "success", result.error
    ids = [run.value("store", map_index=index)["id"] for index in range(3)]
    assert run.value("annotate")["changed"] == ids
    api.xcoms["reduce", "run_1", "ids", "return_value"][-1] = ids
    api.xcoms["reduce", "run_1", "values", "return_value"][-1] = {"m": 2}
    result = run.task("text")
    assert result.state == "success", result.error
    assert alice.get_annotations(ids[2])["m"] == [2]


def test_parallel_writers_lose_nothing(connection, monkeypatch, alice, folders):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)

    def write(number):
        return SynapseHook().annotate(folders, {f"key{number}": number})

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(4)))
    assert all(result["changed"] == folders for result in results)
    for one in folders:
        found = alice.get_annotations(one)
        assert [found[f"key{number}"] for number in range(4)] == [[0], [1], [2], [3]]


def test_retry_reports_the_changes_of_all_tries(api, alice, folders):
    writes = []

    with DAG("retry", schedule=None) as dag:

        @task(task_id="code", retries=5)
        def code(ti=None):
            hook = SynapseHook()
            values = {"n": 1, **dict.fromkeys("abcdefgh")}
            results = [hook.annotate(folders[:2], values)]
            if ti.try_number == 1:
                raise WorkerStoppedError
            results.append(hook.annotate(folders[:2], {"n": 1}))
            results.append(hook.annotate(folders, {"n": 1}))
            writes.append([one["changed"] for one in results])

        code()
    run = Run(api, dag)
    assert run.task("code", max_tries=5).state != "success"
    etag = alice.get_annotations(folders[0]).etag
    result = run.task("code", max_tries=5)
    assert result.state == "success", result.error
    assert writes == [[folders[:2], [], folders[2:]]]
    assert alice.get_annotations(folders[0]).etag == etag


def test_temporary_failures_are_left_to_a_retry(tmp_path, monkeypatch):
    """One failure does not stop the others; several failures stop the task."""
    injectors = []

    def wrap(app):
        injectors.append(FaultInjector(app))
        return injectors[0]

    with over_socket(tmp_path, wrap=wrap) as service, service.client() as syn:
        monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", service.airflow_connection)
        project = syn.store(_project()).id
        ids = [syn.store(Folder(f"f{n}", parent=project)).id for n in range(9)]
        hook = SynapseHook()
        hook.client.retry = RetryPolicy(attempts=1)
        injectors[0].at(f"PUT .*/{ids[1]}/annotations2", _fail, nth=None)
        with pytest.raises(AirflowException, match=re.escape(ids[1])) as caught:
            hook.annotate(ids, {"n": 1})
        assert not isinstance(caught.value, AirflowFailException)
        assert [one for one in ids if "n" not in syn.get_annotations(one)] == [ids[1]]
        injectors[0].clear()
        assert hook.annotate(ids, {"n": 1})["changed"] == [ids[1]]
        injectors[0].at("GET .*/annotations2", _fail, nth=None)
        with pytest.raises(SynapseServerError):
            hook.annotate(ids, {"n": 2})


def _fail():
    raise RuntimeError("injected")
