"""The example that summarizes objects with STS credentials."""

import importlib.util
import sys

import pytest

from synapse_workflows.demo.paths import examples_dir


@pytest.fixture
def dag():
    path = examples_dir() / "06_sts_etl.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module.synapse_06_sts_etl()
    del sys.modules[path.stem]


def test_summaries_are_registered_with_their_sources(sts, dag):
    folder = sts.folder()
    header = "diagnosis,mean_radius,mean_texture,mean_concavity\n"
    for name, rows in (("one", "benign,1,2,3\nbenign,3,4,5\n"), ("two", "malignant,1,1,1\n")):
        folder.put(f"raw/{name}.csv", header + rows)
    conf = {"folder_id": folder.id}
    run = sts.start(dag, conf=conf).all()
    value = run.value("register")
    assert (value["created"], value["objects"]) == (2, 2)
    results = sts.alice.findEntityId("results", folder.id)
    found = {child["name"]: child["id"] for child in sts.alice.getChildren(results)}
    assert found.keys() == {"one_summary.csv", "two_summary.csv"}
    one = sts.alice.get(found["one_summary.csv"], downloadFile=False)
    assert folder.read("results/one_summary.csv").splitlines()[1] == "benign,2,2.0,3.0,4.0"
    assert one.dataType == ["summary"]
    used = {item["url"] for item in sts.alice.getProvenance(one)["used"] if "url" in item}
    assert {folder.recorded_url("raw/one.csv"), folder.recorded_url("raw/two.csv")} <= used
    again = sts.start(dag, conf=conf).all()
    assert again.value("register")["unchanged"] == 2
    assert again.value("register")["activity_id"] is None
