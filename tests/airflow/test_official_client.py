"""The official Python client reads rows, snapshots and provenance that tasks stored."""

import pytest
from airflow.sdk import DAG
from peer.conftest import (  # noqa: F401 - fixtures
    driven,
    official_process,
    official_tables,
    peer_python,
)
from support.execution_api import Run
from support.scoring_functions import describe_lines, require_header

from synapse_workflows import (
    EntityViewSchema,
    SynapseClaimSubmissionsOperator,
    SynapseGetOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
)

pytestmark = pytest.mark.usefixtures("peer_python")


def test_official_client_reads_stored_rows_and_snapshot_provenance(
    api,
    alice,
    table,
    put,
    official_tables,  # noqa: F811 - a fixture
):
    first = put("rows.csv", 'a name,n\n"ant, ""queen""",6\n,\n')
    with DAG("for_the_paper", schedule=None) as dag:
        got = SynapseGetOperator(task_id="get", entity_id=first.partition(".")[0])
        stored = SynapseTableStoreOperator(
            task_id="store", table_id=table, rows=got.output, mode="replace",
            executed="https://example.org/clean.py",
        )  # fmt: skip
        frozen = SynapseTableSnapshotOperator(
            task_id="freeze", table_id=table, version_label="{{ run_id }}"
        )
        stored >> frozen
    numbers = [Run(api, dag, "run_1").all().value("freeze")["version"]]
    second = put("rows.csv", "a name,n\nbee,7\n")
    assert second == first.replace(".1", ".2")
    numbers.append(Run(api, dag, "run_2").all().value("freeze")["version"])
    assert numbers == [1, 2]
    file = first.partition(".")[0]
    for number, rows in ((1, [['ant, "queen"', 6], [None, None]]), (2, [["bee", 7]])):
        seen = official_tables(
            "flat_read", id=table, version=number,
            sql=f"select * from {table}.{number} order by ROW_ID",
        )  # fmt: skip
        assert seen["columns"] == ["a name", "n"]
        assert seen["rows"] == rows
        assert {file, "https://example.org/clean.py"} <= set(seen["activity"]["used"])
        used = [item.get("reference") for item in alice.getProvenance(table, number)["used"]]
        assert {"targetId": file, "targetVersionNumber": number} in used
    now = official_tables("flat_read", sql=f"select * from {table}")
    assert now["rows"] == [["bee", 7]]


def set_annotations(syn, entity, **values):
    annotations = syn.get_annotations(entity)
    annotations.update(values)
    syn.set_annotations(annotations)


def test_official_client_reads_snapshot_of_view(
    api,
    alice,
    project,
    put,
    official_tables,  # noqa: F811 - a fixture
):
    file = put("a.csv").partition(".")[0]
    set_annotations(alice, file, legs=6)
    view = alice.store(
        EntityViewSchema("v", parent=project, scopes=project, addDefaultViewColumns=False)
    )
    with DAG("freeze_view", schedule=None) as dag:
        got = SynapseGetOperator(task_id="get", entity_id=file)
        frozen = SynapseTableSnapshotOperator(
            task_id="freeze", table_id=view.id, version_label="one"
        )
        got >> frozen
    number = Run(api, dag).all().value("freeze")["version"]
    set_annotations(alice, file, legs=8)
    seen = official_tables(
        "flat_read", id=view.id, version=number, sql=f"select legs from {view.id}.{number}"
    )
    assert [row[0] for row in seen["rows"]] == [6]
    assert file in seen["activity"]["used"]


def test_official_client_reads_claims_and_scores_of_submissions(
    api,
    challenge,
    score,
    driven,  # noqa: F811 - a fixture
):
    texts = ("prediction\na,1\n", "prediction\nb,2\n", "nothing")
    scored, claimed, invalid = [challenge.submit_text(text) for text in texts]
    with DAG("claim", schedule=None) as dag:
        SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=challenge.id)
    claims = {one["submission_id"]: one for one in Run(api, dag).all().value("claim")}
    for submission in (scored, invalid):
        done, run = score(claims[submission], scorer=describe_lines, validator=require_header)
        assert done.state == "success", done.error
        if submission == scored:
            result = run.value("score")
    official = driven("official_evaluations.py")
    results = [result["results_id"], result["results_version"]]
    flat = official("flat_outcomes", queue=challenge.id, results=results)
    assert sorted(flat.pop("used")) == sorted(
        [challenge.entity_of(scored), challenge.goldstandard]
    )
    assert flat == official("models_outcomes", queue=challenge.id)
    assert flat["statuses"] == {
        scored: "SCORED",
        claimed: "EVALUATION_IN_PROGRESS",
        invalid: "INVALID",
    }
    values = flat["annotations"][scored]
    assert (values["lines"], values["share"], values["method"]) == ([2], [0.5], ["count"])
    assert values["results_id"] == [result["results_id"]]
    assert flat["annotations"][invalid]["validation_errors"] == ["The header is missing"]
    assert flat["annotations"][claimed]["claim_id"] == [claims[claimed]["claim_id"]]
