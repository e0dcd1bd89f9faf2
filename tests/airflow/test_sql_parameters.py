"""Parameters of queries become literals."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.hooks.sql_parameters import bind_parameters


@pytest.mark.parametrize(
    ("sql", "parameters", "bound"),
    [
        ("a like '5%s' and b = '%'", None, "a like '5%s' and b = '%'"),
        ("a like '5%s%%' and b %% 2 = %s", [1], "a like '5%s%%' and b % 2 = 1"),
        ("a = %s and b = %s", ["it's %s", True], "a = 'it''s %s' and b = true"),
        ("a = %(x)s or b = %(x)s", {"x": 1.5}, "a = 1.5 or b = 1.5"),
        ("a in %s", (["x", "y"],), "a in ('x', 'y')"),
        ("d > %s", [datetime(1970, 1, 2, tzinfo=UTC)], "d > 86400000"),
        ("n = %s", [np.int64(7)], "n = 7"),
        ("n = %s", [Decimal("1E+3")], "n = 1000"),
    ],
)
def test_values_become_literals(sql, parameters, bound):
    assert bind_parameters(sql, parameters) == bound


@pytest.mark.parametrize(
    ("sql", "parameters", "message"),
    [
        ("a = %s", [None], "is null"),
        ("a = %s", [float("nan")], "no SQL literal"),
        ("a = %s", [Decimal("sNaN")], "no SQL literal"),
        ("a = %s", [b"x"], "no SQL literal"),
        ("a = %s", [], "No parameter for the placeholder %s"),
        ("a = %s", "x", "Pass a single value as \\['x'\\]"),
        ("a = %s", 5, "Pass a single value as \\[5\\]"),
        ("a = ?", [1], "Placeholders are %s for a list"),
        ("a in %s", [[]], "no SQL literal"),
        ("a = %s and b = %s", [1], "No parameter for the placeholder %s"),
        ("a = %(y)s", {"x": 1}, "No parameter"),
        ("a = %s", {"x": 1}, "does not match"),
        ("a = 1", [1], "1 parameters have no placeholder"),
    ],
)
def test_parameters_that_do_not_fit_are_rejected(sql, parameters, message):
    with pytest.raises(AirflowFailException, match=message):
        bind_parameters(sql, parameters)
