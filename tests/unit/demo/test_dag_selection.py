"""Selection of example DAGs."""

from synapse_workflows.demo.dag_selection import is_selected, select_dags
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.demo.runner import EXAMPLES


def test_files_of_the_selected_dags(monkeypatch):
    dag_ids = [EXAMPLES[name].dag_id for name in ("summarise", "sts")]
    for name, value in select_dags(dag_ids).items():
        monkeypatch.setenv(name, value)
    selected = [path.name for path in examples_dir().rglob("*.py") if is_selected(str(path))]
    assert sorted(selected) == ["01_summarise_with_provenance.py", "06_sts_etl.py"]
