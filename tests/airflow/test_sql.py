"""Operators and sensors of common.sql run on Synapse tables."""

from itertools import count

import pytest
from airflow.providers.common.sql.operators import sql as operators
from airflow.providers.common.sql.sensors.sql import SqlSensor
from airflow.sdk import DAG, BaseHook
from support.execution_api import Run

from synapse_workflows import SynapseHook
from synapse_workflows.hooks.sql import SynapseSqlHook

_names = count(1)


@pytest.fixture
def run_operator(api):
    """Function that runs an operator of common.sql; returns the result, its value and the run."""

    def run(operator, **arguments):
        with DAG("checks", schedule=None) as dag:
            operator(task_id="check", conn_id="synapse_default", **arguments)
        dag_run = Run(api, dag, f"run_{next(_names)}")
        return dag_run.task("check"), dag_run

    return run


#: Operator, its arguments, whether it succeeds on rows a1, b2, c3; `{table}` is the table.
CHECKS = [
    (operators.SQLCheckOperator, {"sql": "select count(*) from {table}"}, True),
    (operators.SQLCheckOperator, {"sql": "select count(*) from {table} where n > 5"}, False),
    (operators.SQLCheckOperator, {"sql": "select n from {table} where n > 5;"}, False),
    (
        operators.SQLValueCheckOperator,
        {"sql": "select sum(n) from {table}", "pass_value": 6},
        True,
    ),
    (operators.SQLValueCheckOperator, {"sql": "select n from {table}", "pass_value": 7}, False),
    (
        operators.SQLThresholdCheckOperator,
        {
            "sql": "select avg(n) from {table}",
            "min_threshold": 1,
            "max_threshold": "select max(n) from {table}",
        },
        True,
    ),
    *(
        (
            operators.SQLColumnCheckOperator,
            {
                "table": "{table}",
                "column_mapping": {
                    "n": {
                        "null_check": {"equal_to": 0},
                        "unique_check": {"equal_to": 0},
                        "distinct_check": {"equal_to": 3},
                        "min": {"geq_to": 1},
                        "max": {"equal_to": top, "partition_clause": "\"a name\" <> 'c'"},
                    },
                    '"a name"': {"null_check": {"equal_to": 0}},
                },
            },
            top == 2,
        )
        for top in (2, 3)
    ),
    *(
        (
            operators.SQLTableCheckOperator,
            {
                "table": "{table}",
                "checks": {
                    "row_count": {"check_statement": f"COUNT(*) = {rows}"},
                    "positive": {"check_statement": "n > 0 and \"a name\" <> 'union all'"},
                    "last": {"check_statement": "min(n) = 3", "partition_clause": "n > 2"},
                },
            },
            rows == 3,
        )
        for rows in (3, 4)
    ),
    (
        operators.SQLTableCheckOperator,
        {"table": "{table}", "checks": {"large": {"check_statement": "n > 1"}}},
        False,
    ),
]


def fill(value, table):
    if isinstance(value, dict):
        return {key: fill(one, table) for key, one in value.items()}
    return value.replace("{table}", table) if isinstance(value, str) else value


@pytest.mark.parametrize(("operator", "arguments", "succeeds"), CHECKS)
def test_check_operator(run_operator, filled, operator, arguments, succeeds):
    result, run = run_operator(operator, **fill(arguments, filled))
    assert (result.state == "success") is succeeds, result.error
    if not succeeds:
        assert any(text in str(result.error) for text in ("Test failed", "zero rows"))
    used = run.record("check")["used"] if succeeds else []
    assert all(filled in str(one) for one in used)
    assert bool(used) is succeeds


def test_query_operator_returns_typed_rows(run_operator, filled):
    result, run = run_operator(
        operators.SQLExecuteQueryOperator,
        sql=f"select * from {filled} where n < %(limit)s",
        parameters={"limit": 3},
    )
    assert result.state == "success", result.error
    assert [row["__data__"] for row in run.value("check")] == [["a", 1], ["b", 2]]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("delete from {table}", "SynapseTableStoreOperator"),
        ("insert into {table} values (1)", "SynapseTableStoreOperator"),
        ("select n from (select n from {table})", "does not support subqueries"),
        ("select n from {table} where n in (select max(n) from {table})", "MaterializedView"),
    ],
)
def test_unsupported_sql_fails_without_a_retry(run_operator, filled, sql, message):
    result, _ = run_operator(
        operators.SQLExecuteQueryOperator, sql=sql.replace("{table}", filled), retries=3
    )
    assert result.state == "failed"
    assert message in str(result.error)


def test_sensor(connection, monkeypatch, filled):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)

    def poke(least):
        sql = f"select count(*) from {filled} where n >= %s"
        sensor = SqlSensor(task_id="wait", conn_id="synapse_default", sql=sql, parameters=[least])
        return sensor.poke({})

    assert poke(3)
    assert not poke(4)


def test_hook_of_the_connection_type(connection, monkeypatch, filled):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    hook = BaseHook.get_hook("synapse_default")
    assert isinstance(hook, SynapseSqlHook)
    assert isinstance(hook, SynapseHook)
    assert hook.test_connection()[0]
    assert hook.get_conn() is hook.client
    assert hook.get_records([f"select n from {filled} where n = 1"] * 2) == [[(1,)], [(1,)]]
    cursor = hook.get_cursor()
    cursor.execute(f"select n from {filled} order by n")
    assert [column[:2] for column in cursor.description] == [("n", "INTEGER")]
    assert (cursor.fetchone(), cursor.fetchmany(1), cursor.fetchall()) == ((1,), [(2,)], [(3,)])
