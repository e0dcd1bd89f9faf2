"""Call patterns of tables and annotations have the same results with both clients."""

import pytest
from field.table_patterns import PATTERNS


@pytest.fixture(scope="module")
def results(run_patterns):
    return run_patterns("table_patterns.py")


@pytest.mark.parametrize("pattern", [one.__name__ for one in PATTERNS])
def test_pattern_has_the_same_result_with_both_clients(results, pattern):
    official, ours = (
        results[client][pattern] for client in ("synapseclient", "synapse_workflows")
    )
    for result in (official, ours):
        assert "error" not in result, result["error"]
    assert ours == official
