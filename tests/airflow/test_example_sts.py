"""The examples that read and write objects with STS credentials."""

import os

import pytest
from support.examples import create_dag, install_nextflow

from synapse_workflows import File


def test_summaries_are_registered_with_their_sources(sts):
    dag = create_dag(6, "synapse_06_sts_etl")
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


@pytest.fixture
def nextflow(tmp_path, monkeypatch):
    install_nextflow(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.fixture
def put(sts, tmp_path):
    """Function that stores a small file and returns its versioned ID."""

    def store(name, text):
        path = tmp_path / name
        path.write_text(text)
        stored = sts.alice.store(File(str(path), parent=sts.project))
        return f"{stored.id}.{stored.versionNumber}"

    return store


def test_outputs_of_a_pipeline_have_its_samples_as_sources(sts, nextflow, put, tmp_path):
    folder = sts.folder()
    sample = put("sample.fastq", "ACGT\n")
    sheet = put("samples.csv", f"sample,fastq\na,syn://{sample}\n")
    conf = {"folder_id": folder.id, "sample_sheet": sheet, "work": str(tmp_path / "work")}
    dag = create_dag(12, "synapse_12_nextflow")
    sts.start(dag, conf=conf).all()
    assert folder.read("results/a.txt") == "ACGT\n"
    result = sts.alice.findEntityId("a.txt", sts.alice.findEntityId("results", folder.id))
    activity = sts.alice.getProvenance(result)
    used = [one["reference"] for one in activity["used"] if "reference" in one]
    assert {f"{one['targetId']}.{one['targetVersionNumber']}" for one in used} == {sample, sheet}
    executed = [one.get("url") for one in activity["used"] if one["wasExecuted"]]
    assert "https://github.com/nf-core/rnaseq/tree/3.11.2" in executed

    sheet = put("samples.csv", f"sample,fastq\nb,syn://{put('broken.fastq', 'broken')}\n")
    run = sts.start(dag, conf=conf | {"sample_sheet": sheet})
    assert [run.task(one).state for one in ("stage", "run")] == ["success", "failed"]
