"""Activities of random DAGs, compared with a model that is independent of the package."""

from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings, strategies as st
from support.execution_api import ExecutionApi, Run
from support.lineage_dags import RAW, RAW_VERSIONS, RealDag, dags, list_steps
from support.lineage_model import LineageModel
from support.prepared_entities import create_table

from synapse_workflows import Column, File, Project

_numbers = count(1)


@pytest.fixture(scope="module")
def raw(socket_service, tmp_path_factory):
    """Ids of the raw files, by name. Each has two versions."""
    folder = tmp_path_factory.mktemp("raw")
    with socket_service.client(cache_root_dir=str(folder / "cache")) as syn:
        project = syn.store(Project("Raw files of generated DAGs"))
        ids = {}
        for name in RAW:
            for number in range(RAW_VERSIONS):
                (folder / name).write_text(f"{name} {number}")
                ids[name] = syn.store(File(str(folder / name), parent=project)).id
    return ids


def store_table(alice, project):
    columns = [Column(name="a", columnType="STRING")]
    return create_table(alice, project, "table", columns)


def read_sources(alice, names, entity_id, version):
    """Return the used sources of a version, with the names of the model."""
    try:
        activity = alice.getProvenance(entity_id, version)
    except FileNotFoundError:
        return None
    used = [item["reference"] for item in activity["used"] if not item["wasExecuted"]]
    assert any(item["wasExecuted"] for item in activity["used"])
    return {(names[one["targetId"]], one["targetVersionNumber"]) for one in used}


@given(tasks=dags(), data=st.data())
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes
)
def test_activities_equal_those_of_the_model(tasks, data, raw, connection, alice, tmp_path):
    note(tasks)
    project = alice.store(Project(f"Generated DAG {next(_numbers)}")).id
    ids = raw | {"table": store_table(alice, project)}
    real = RealDag(tasks, project, ids, tmp_path)
    api, model = ExecutionApi({"synapse_default": connection}), LineageModel(dict.fromkeys(RAW, 2))
    pending = {Run(api, real.dag, name): list_steps(tasks) for name in ("run1", "run2")}
    while any(pending.values()):
        run = data.draw(st.sampled_from([one for one, steps in pending.items() if steps]))
        task_id, index = pending[run].pop(0)
        real.run(run, task_id, index)
        model.run(tasks, run.run_id, task_id, index)

    found = {child["name"]: child["id"] for child in alice.getChildren(project)}
    names = {entity_id: name for name, entity_id in (ids | found).items()}
    assert found.keys() == {*model.files, "table"}
    for name, versions in model.files.items():
        actual = [
            read_sources(alice, names, found[name], number + 1) for number in range(len(versions))
        ]
        assert actual == [set(one.activity.sources) for one in versions], name
        assert alice.get(found[name], downloadFile=False).versionNumber == len(versions)
    sources = read_sources(alice, names, ids["table"], 1)
    assert sources == (set(model.tables["table"]) if "table" in model.tables else None)
