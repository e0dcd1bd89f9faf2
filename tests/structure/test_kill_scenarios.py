"""Every public operator and sensor is tested with a killed worker, or changes nothing."""

import re
from pathlib import Path

import pytest

import synapse_workflows

TESTS = Path(__file__).resolve().parents[1]
MATRIX = "airflow/test_kill_matrix.py"
#: Operator -> the test file that kills its worker, if that is not the kill matrix.
OTHER_TESTS = {
    "SynapseExportProvenanceOperator": "airflow/test_provenance_export.py",
    "SynapseIndexS3PrefixOperator": "airflow/test_prefix_index_recovery.py",
    "SynapseLeaderboardOperator": "airflow/test_leaderboards_recovery.py",
    "SynapseMessageOperator": "airflow/test_messages.py",
}
#: Operators that change nothing in Synapse.
READ_ONLY = {
    "SynapseStsBashOperator": "requests temporary credentials; its command is the user's",
    "SynapseNewFilesSensor": "reads",
    "SynapseSubmissionSensor": "reads",
    "SynapseTableChangeSensor": "reads",
    "SynapseTableRowsSensor": "reads",
}
OPERATORS = [
    name
    for name in synapse_workflows.__all__
    if re.fullmatch(r"Synapse\w+(Operator|Sensor)", name)
]


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in READ_ONLY])
def test_a_test_kills_the_worker_of_each_operator_that_changes_something(name):
    text = (TESTS / OTHER_TESTS.get(name, MATRIX)).read_text()
    assert re.search(rf"\b{name}\b", text), (
        f"{name} has no scenario in tests/{MATRIX}. Add one; or name the test file that kills its "
        "worker in OTHER_TESTS, or the reason why none is needed in READ_ONLY."
    )
    assert re.search(r"def test_\w*killed_worker|def test_worker_killed", text)


def test_exceptions_are_needed():
    assert not {*OTHER_TESTS, *READ_ONLY} - set(OPERATORS)
    assert not set(OTHER_TESTS) & set(READ_ONLY)
    matrix = (TESTS / MATRIX).read_text()
    assert not [name for name in (*OTHER_TESTS, *READ_ONLY) if re.search(rf"\b{name}\b", matrix)]
