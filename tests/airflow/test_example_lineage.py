"""The two example DAGs whose provenance is one story: raw data, cleaned data, model, report."""

from pathlib import Path

import pytest
from support.examples import create_dag
from support.execution_api import Run

from synapse_workflows.provenance import check_coverage, render_tree, walk_provenance

HEADER = "mean_radius,mean_texture,mean_concavity,diagnosis\n"
PATIENTS = "1,2,3,benign\n2,2,2,benign\n8,9,9,malignant\n9,8,8,malignant\n"


@pytest.fixture
def run(api, put, project, alice):
    """Return a function that runs one of the DAGs, 07 or 08."""
    clean = create_dag(7, "synapse_07_clean")
    model = create_dag(8, "synapse_08_model")

    def run(number, run_id, text=HEADER + PATIENTS, **options):
        """Run a DAG; return the ID of its last result."""
        conf = {"parent_id": project}
        if number == 7:
            conf["entity_id"] = put("raw.csv", text)
        Run(api, clean if number == 7 else model, run_id, conf=conf, **options).all()
        return alice.findEntityId("cleaned.csv" if number == 7 else "report.md", project)

    return run


def test_provenance_of_the_report_is_the_story_of_both_dags(api, run, alice, project):
    cleaned = run(7, "clean_1")
    (event,) = [event for event in api.events if "cleaned_measurements" in event["aliases"]]
    assert event["asset"]["uri"] == f"syn://{cleaned}"
    run(7, "clean_2", f"{HEADER}{PATIENTS}9,9,9,malignant\n")  # not the version of the event
    report = run(8, "model_1", events=(event,))
    graph = walk_provenance(alice, report)
    names = {entity.name: entity.ref.version for entity in graph.entities.values()}
    assert names == {"report.md": 1, "model.json": 1, "cleaned.csv": 1, "raw.csv": 1}
    assert [one["name"] for one in graph.activities.values()] == [
        "synapse_08_model.report",
        "synapse_08_model.train",
        "synapse_07_clean.clean",
    ]
    tree = render_tree(alice, report)
    for line in (r"used      model.json", r"used      cleaned.csv", r"used      raw.csv"):
        assert line in tree
    assert "executed  07_clean_measurements.py" in tree
    assert "executed  08_model_and_report.py" in tree
    raw = next(ref for ref, entity in graph.entities.items() if entity.name == "raw.csv")
    results = walk_provenance(alice, raw.id, 1, direction="downstream")
    assert results.generated_by == graph.generated_by
    kinds = [(one.kind, one.entities[0].name) for one in check_coverage(alice, project).findings]
    assert kinds == [("no_activity", "raw.csv")]


def test_run_by_hand_reads_the_newest_version(api, run, alice):
    """The report counts the patients that were not used for training."""
    early = Run(api, create_dag(8, "synapse_08_model"), "early").task("version", max_tries=3)
    assert (early.state, str(early.error)[:15]) == ("failed", "No cleaned file")
    run(7, "clean_1")
    run(7, "clean_2", f"{HEADER}{PATIENTS}9,9,9,malignant\n")
    report = run(8, "by_hand")
    graph = walk_provenance(alice, report, depth=1)
    versions = {entity.name: entity.ref.version for entity in graph.entities.values()}
    assert versions == {"report.md": 1, "model.json": 1, "cleaned.csv": 2}
    assert "2 of 2 diagnoses are right." in Path(alice.get(report).path).read_text()


def test_second_run_stores_nothing_new(run, alice):
    run(7, "clean_1")
    report = run(8, "first")
    assert run(8, "second") == report
    assert alice.get(report, downloadFile=False).versionNumber == 1
