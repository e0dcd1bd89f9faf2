"""Files with the code of a task: imported modules and scripts."""

from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, BaseOperator

from synapse_workflows.lineage.code_files import list_code_files
from synapse_workflows.lineage.task_code import identify_code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "dags"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder))
    return folder


def write(folder, **files):
    """Write files, whose names have `__` for `/`."""
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        path = folder / f"{stem.replace('___', '/')}.{suffix}"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


def create_operator(folder, operator=BaseOperator, file="flow.py", **arguments):
    with DAG("flow", schedule=None) as dag:
        task = operator(task_id="t", **arguments)
    dag.fileloc = str(folder / file)
    dag.relative_fileloc = file
    dag.resolve_template_files()
    return task


def list_names(folder, task):
    files, omitted = list_code_files(task)
    assert omitted == 0
    return [file.relative_to(folder).as_posix() for file in files]


def test_imported_modules_of_the_bundle_are_code(folder):
    write(
        folder,
        team___flow_py="import os, json\nfrom lib import steps\nimport lib.more as more\n"
        "def later():\n    from .near import one\n",
        team___near_py="import flow",
        lib___steps_py="from . import deep\nfrom lib.steps import x",
        lib___deep_py="import missing, lib.package.module",
        lib___more_py="",
        lib___package_____init___py="",
        lib___package___module_py="",
        lib___unused_py="",
    )
    assert list_names(folder, create_operator(folder, file="team/flow.py")) == [
        "team/flow.py",
        "lib/steps.py",
        "lib/more.py",
        "team/near.py",
        "lib/deep.py",
        "lib/package/__init__.py",
        "lib/package/module.py",
    ]


def test_modules_outside_of_the_bundle_are_no_code(folder, tmp_path):
    (tmp_path / "outside.py").write_text("")
    write(folder, flow_py="from .. import outside\nimport outside\nfrom ........ import x")
    assert list_names(folder, create_operator(folder)) == ["flow.py"]


@pytest.mark.parametrize("text", ["def broken(:", "\0", "import " + "a." * 200 + "b"])
def test_invalid_source_is_listed(folder, text):
    write(folder, flow_py=text)
    assert list_names(folder, create_operator(folder)) == ["flow.py"]


def test_script_of_a_template_is_code(folder):
    write(folder, flow_py='NAME = "scripts/run.sh"', scripts___run_sh="echo {{ ds }}\n")
    write(folder, scripts___other_sh="echo other")
    task = create_operator(folder, BashOperator, bash_command="scripts/run.sh")
    assert task.bash_command == "echo {{ ds }}\n"
    assert list_names(folder, task) == ["flow.py", "scripts/run.sh"]


def test_files_that_templates_include_are_code(folder):
    write(folder, flow_py='NAME = "scripts/run.sh"', scripts___head_sh="# {% include 'b.sh' %}")
    write(folder, macros_sh="{% macro run() %}run{% endmacro %}", b_sh="x")
    script = "{% include 'scripts/head.sh' %}{% from 'macros.sh' import run %}{{ run() }}"
    write(folder, scripts___run_sh=script)
    task = create_operator(folder, BashOperator, bash_command="scripts/run.sh")
    expected = ["flow.py", "scripts/run.sh", "macros.sh", "scripts/head.sh", "b.sh"]
    assert sorted(list_names(folder, task)) == sorted(expected)
    assert not identify_code(task).gaps


@pytest.mark.parametrize("name", ["'missing.sh'", "params.name"])
def test_unknown_included_template_is_a_gap(folder, name):
    write(folder, flow_py="")
    task = create_operator(folder, BashOperator, bash_command=f"{{% include {name} %}}")
    (gap,) = identify_code(task).gaps
    assert gap.endswith("could not be read")


@pytest.mark.parametrize(
    "command",
    [
        "python scripts/run.py --day {{ ds }}",
        "cd x && python 'scripts/run.py' # comment",
        "{folder}/scripts/run.py --quote '",
        "python {{ dag.folder }}/scripts/run.py --day {{ ti.xcom_pull('day') }}",
        "python {{params.dir}}/{{ params['name'] }}.py",
    ],
)
def test_scripts_in_commands_are_code(folder, command):
    write(folder, flow_py="", scripts___run_py="", data_csv="")
    command = command.replace("{folder}", str(folder))
    params = {"dir": "scripts", "name": "run"}
    task = create_operator(folder, BashOperator, bash_command=command, params=params)
    assert list_names(folder, task) == ["flow.py", "scripts/run.py"]
    assert identify_code(task).gaps == ()


@pytest.mark.parametrize(
    "name", ["{{ ti.xcom_pull('a') }}", "{{ params.no }}", "{{ var.value.a }}", "{% if 1 %}a"]
)
def test_script_with_a_name_that_only_the_task_knows_is_a_gap(folder, name):
    write(folder, flow_py="", run_py="")
    task = create_operator(folder, BashOperator, bash_command=f"python {name}.py")
    assert [one.name.split()[0] for one in identify_code(task).executed()] == ["flow.py"]
    (gap,) = identify_code(task).gaps
    assert gap.startswith("code of DAG flow: a script of task t")
    rendered = create_operator(folder, BashOperator, bash_command="python run.py")
    record = identify_code(task, rendered=rendered)
    assert [one.name.split()[0] for one in record.executed()] == ["flow.py", "run.py"]
    assert record.gaps == ()


def test_values_of_the_run_name_scripts(folder):
    write(folder, flow_py="", run_py="")
    task = create_operator(folder, BashOperator, bash_command="sh {{ dag_run.conf.x }}.py")
    dag_run = SimpleNamespace(conf={"x": "run"})
    assert len(identify_code(task, context={"dag_run": dag_run}).ran) == 2


def test_scripts_of_mapped_operators_are_code(folder):
    write(folder, flow_py="", scripts___run_py="")
    with DAG("flow", schedule=None) as dag:
        BashOperator.partial(task_id="t", bash_command="python scripts/run.py").expand(
            env=[{"A": "1"}, {"A": "2"}]
        )
        BashOperator.partial(task_id="u").expand(bash_command=["sh scripts/run.py", "true"])
    dag.fileloc, dag.relative_fileloc = str(folder / "flow.py"), "flow.py"
    for task_id in ("t", "u"):
        assert list_names(folder, dag.get_task(task_id)) == ["flow.py", "scripts/run.py"]


def test_loop_of_links_is_a_gap(folder):
    write(folder, flow_py="")
    (folder / "loop").symlink_to(folder / "loop")
    task = create_operator(folder)
    task.dag.template_searchpath = [str(folder / "loop")]
    task.python_callable = None
    assert len(identify_code(task).ran) == 1


@pytest.mark.parametrize("command", ["cat data.csv", "python /etc/x.py ../y.py", "a" * 30_000])
def test_other_words_of_commands_are_no_code(folder, command, tmp_path):
    write(folder, flow_py="", data_csv="")
    (tmp_path / "y.py").write_text("")
    task = create_operator(folder, BashOperator, bash_command=command)
    assert list_names(folder, task) == ["flow.py"]


def test_many_files_are_limited_and_a_gap(folder):
    names = [f"m{number}" for number in range(60)]
    write(folder, flow_py="import " + ", ".join(names), **{f"{name}_py": name for name in names})
    record = identify_code(create_operator(folder))
    assert len(record.ran) == 50
    assert record.gaps == ("code of DAG flow: 11 more files are not listed",)


def test_function_without_a_file_is_a_gap(folder):
    write(folder, flow_py="")
    scope = {}
    exec("def step(): return 1", scope)  # noqa: S102
    task = create_operator(folder)
    task.python_callable = scope["step"]
    assert identify_code(task).gaps == ("code of DAG flow: the source of step is not in a file",)
    task.python_callable = len
    assert identify_code(task).gaps == ()
