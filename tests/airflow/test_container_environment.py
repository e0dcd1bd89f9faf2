"""Pods of the Kubernetes executor: the template of the guide, and a task in its environment."""

import json
from uuid import uuid4

import pytest
import yaml
from airflow.sdk.api.datamodels._generated import TaskInstance
from support.execution_api import ExecutionApi
from support.execution_api_server import serve_execution_api
from support.guides import blocks
from support.pods import IMAGE, Node, PodRun, create_workload, find_obstacle, render_pod

(TEMPLATE,) = [block.text for block in blocks("yaml") if "kind: Pod" in block.text]
(OVERRIDE,) = [block.text for block in blocks("python") if "pod_override" in block.text]
DAG_FILE = '''
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow.sdk import DAG, task
from synapse_workflows import File, Synapse, SynapseHook, local_path
from synapse_workflows.client.errors import SynapseDownloadError


def find_caches():
    """Return the default cache directories without HOME, and with directories of other users."""
    yield Synapse(skip_checks=True).cache.cache_root_dir
    for home in ("/", "/dev/null", "/closed"):
        os.environ["HOME"] = home
        yield Synapse(skip_checks=True).cache.cache_root_dir


with DAG("container", schedule=None) as dag:

    @task
    def work(raw, large, table, project):
        hook = SynapseHook()
        syn = hook.client
        facts = {{"user": os.getuid(), "path": syn.get(raw).path, "home": os.environ.get("HOME")}}
        try:
            syn.get(large)
        except SynapseDownloadError as error:
            facts["full"] = str(error)
        records = hook.get_records(f"select * from {{table}}")
        facts["records"] = [list(row) for row in records]
        hook.store_rows(table, [{{"a name": "b", "n": 2}}])
        with TemporaryDirectory() as folder:
            path = Path(folder, "copy.csv")
            path.write_text(Path(facts["path"]).read_text())
            facts["stored"] = syn.store(File(str(path), parent=project)).id
        reference = hook.get_file(raw) | {{"path": "/closed/raw.csv"}}
        facts["again"] = local_path(reference)
        return facts | {{"caches": list(find_caches())}}

    work({raw!r}, {large!r}, {table!r}, {project!r})
'''


@pytest.fixture
def template(tmp_path):
    """Path of the template of the guide."""
    path = tmp_path / "pod.yaml"
    path.write_text(TEMPLATE)
    return path


def render(template, task_id="get", executor_config=None):
    ti = TaskInstance(
        id=uuid4(), task_id=task_id, dag_id="d", run_id="r", try_number=1, dag_version_id=uuid4()
    )
    return render_pod(create_workload(ti, "d.py", executor_config), template)


def find_missing(expected, actual, path=""):
    """Return the paths of the fields that the models of Kubernetes do not know or changed."""
    if isinstance(expected, dict):
        return [
            missing
            for key, value in expected.items()
            for missing in find_missing(value, (actual or {}).get(key), f"{path}.{key}")
        ]
    if isinstance(expected, list):
        pairs = zip(expected, actual or [None] * len(expected), strict=False)
        return [
            missing
            for number, (one, other) in enumerate(pairs)
            for missing in find_missing(one, other, f"{path}[{number}]")
        ]
    return [] if expected == actual else [path]


def test_the_template_renders_a_pod_with_all_its_fields(template):
    pod = render(template)
    replaced = [".metadata.name", ".spec.containers[0].image"]
    assert find_missing(yaml.safe_load(TEMPLATE), pod) == replaced
    (container,) = pod["spec"]["containers"]
    assert container["image"] == IMAGE
    assert container["args"][:3] == ["python", "-m", "airflow.sdk.execution_time.execute_workload"]
    assert (pod["metadata"]["labels"]["dag_id"], pod["metadata"]["namespace"]) == ("d", "airflow")


def test_the_token_is_only_in_the_secret(template):
    (container,) = render(template)["spec"]["containers"]
    (connection,) = [
        one for one in container["env"] if one["name"] == "AIRFLOW_CONN_SYNAPSE_DEFAULT"
    ]
    assert connection == {
        "name": "AIRFLOW_CONN_SYNAPSE_DEFAULT",
        "valueFrom": {"secretKeyRef": {"name": "synapse", "key": "connection"}},
    }


def test_all_mounts_have_one_volume_and_the_cache_fits_into_its_volume(template):
    spec = render(template)["spec"]
    volumes = {volume["name"]: volume["emptyDir"] for volume in spec["volumes"]}
    assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == list(volumes)
    assert len(volumes) == len(spec["volumes"])
    values = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert values["AIRFLOW__SYNAPSE__CACHE_LIMIT"] == "10 GB"
    assert volumes["cache"] == {"sizeLimit": "25Gi"}


def test_the_override_of_a_task_is_added_to_the_template(template):
    names = {}
    exec(compile(OVERRIDE, "many_machines.md", "exec"), names)  # noqa: S102 - the guide
    spec = render(template, "large", names["large"].executor_config)["spec"]
    (container,) = spec["containers"]
    assert container["resources"]["requests"] == {"memory": "8Gi"}
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert values["AIRFLOW__SYNAPSE__CACHE_LIMIT"] == "13 GB"
    assert values["AIRFLOW__SYNAPSE__CACHE_DIR"] == "/cache"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert len({volume["name"] for volume in spec["volumes"]}) == len(spec["volumes"])


@pytest.mark.skipif(find_obstacle() is not None, reason=str(find_obstacle()))
@pytest.mark.timeout(120)
def test_a_task_in_a_pod(
    alice, socket_service, project, put, filled, rows_of, sources_of, template, tmp_path
):
    """Read-only root, arbitrary user ID without an entry in /etc/passwd, no HOME, a full cache."""
    raw, large = put(), put("large.bin", "x" * 300_000)
    (tmp_path / "dags").mkdir()
    (tmp_path / "root").mkdir()
    file = tmp_path / "dags" / "container.py"
    file.write_text(DAG_FILE.format(raw=raw, large=large, table=filled, project=project))
    names = {}
    exec(compile(file.read_text(), str(file), "exec"), names)  # noqa: S102 - the DAG of the test
    api = ExecutionApi({})
    secrets = {"synapse": {"connection": socket_service.airflow_connection}}
    with serve_execution_api(api) as url:
        node = Node(
            tmp_path / "root", tmp_path / "dags", secrets,
            {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": url}, {"/cache": "200k"},
        )  # fmt: skip
        run = PodRun(api, names["dag"], file.name, node, template).all()
    facts = run.value("work")
    assert (facts["user"], facts["home"]) == (1000660000, None)
    assert facts["path"].startswith("/cache/")
    assert "Not enough disk space for /cache/" in facts["full"]
    assert facts["records"] == [["a", 1], ["b", 2], ["c", 3]]
    assert facts["again"] == facts["path"]
    assert facts["caches"] == ["/scratch/synapse-cache-1000660000"] * 4
    used, executed = sources_of(facts["stored"])
    assert raw in used
    assert len(executed) == 1
    assert rows_of(filled)[3:] == [["b", 2]]
    assert socket_service.token("alice") not in run.logs + json.dumps(api.rendered)
    assert list(file.parent.iterdir()) == [file]
