"""Templates that are rendered with the values of a run, in the process of another task."""

from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, BaseOperator

from synapse_workflows.lineage.run_templates import UNKNOWN, render_for_run


def fail(*_):
    raise RuntimeError


@pytest.fixture
def task(tmp_path):
    options = {"user_defined_macros": {"made": fail}, "user_defined_filters": {"fails": fail}}
    with DAG("flow", schedule=None, params={"n": 1, "m": 2}, **options) as dag:
        operator = BaseOperator(task_id="t", params={"m": 3})
    dag.fileloc = str(tmp_path / "flow.py")
    return operator


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no template", "no template"),
        ("{{ dag.dag_id }}/{{params.m}}-{{ params['n'] }}", "flow/3-5"),
        ("{{ ds }} {{ dag_run.conf.n }}", "2026-11-26 5"),
        ("{{ ti.xcom_pull('a') }} {{ dag.dag_id }}", f"{UNKNOWN} flow"),
        ("{{ params.missing }}", UNKNOWN),
        ("{{ var.value.a }}{{ conn.a }}{{ macros.time }}", UNKNOWN * 3),
        ("{{ made() }}{{ dag.dag_id | fails }}{{ ( }}", UNKNOWN * 3),
        ("{% if ds %}a{% endif %}", f"{UNKNOWN}a{UNKNOWN}"),
        ("{{ dag.__class__.__mro__ }}", UNKNOWN),
    ],
)
def test_render_for_run(task, text, expected):
    context = {"ds": "2026-11-26", "dag_run": SimpleNamespace(conf={"n": 5}), "ti": None}
    assert render_for_run(text, task, context) == expected


def test_invalid_settings_of_the_dag_are_ignored(task):
    task.dag.jinja_environment_kwargs = {"unknown": 1}
    assert render_for_run("{{ ds }} x", task, None) == f"{UNKNOWN} x"
