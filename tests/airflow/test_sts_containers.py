"""Containers of Docker and Kubernetes with STS credentials.

No daemon and no cluster are needed: HTTP servers record what the operators send, and "containers"
print their environment. The tasks run below Airflow's supervisor, which masks their logs.
"""

import pytest
from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.docker.operators.docker_swarm import DockerSwarmOperator
from airflow.providers.standard.operators.bash import BashOperator
from support.container_apis import DockerDaemon, KubernetesApi, serve
from support.sts_folders import find_secrets
from support.supervised_run import SupervisedRun

from synapse_workflows import SynapseStsDockerMixin, SynapseStsKubernetesMixin
from synapse_workflows.operators.sts import SynapseStsMixin

CODE = """
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG
from synapse_workflows import SynapseStsDockerMixin, SynapseStsKubernetesMixin

class StsDockerOperator(SynapseStsDockerMixin, DockerOperator): ...

class StsPodOperator(SynapseStsKubernetesMixin, KubernetesPodOperator): ...

with DAG("containers", schedule=None) as dag:
    {operator}(task_id="work", permission="read_write", image="an-image", **{arguments!r})
"""
pytestmark = [
    pytest.mark.usefixtures("docker_sockets"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def run(sts, issued_secrets, tmp_path, capfd):
    """Function that runs an operator, searches all its traces for secrets, and returns them."""

    def run_operator(operator, file, state="success", **arguments):
        code = CODE.format(operator=operator, arguments=arguments)
        one = SupervisedRun(sts.api, code, tmp_path, file)
        result = one.task("work")
        log = one.read_log("work")
        assert result.state == state, log
        texts = {f"request {number}": str(each) for number, each in enumerate(sts.api.requests)}
        texts |= {"log": log, "rendered": str(sts.api.rendered)}
        texts |= {"output": one.read_output("work"), "output of the test": str(capfd.readouterr())}
        assert find_secrets(texts, issued_secrets) == []
        return one, log

    return run_operator


@pytest.mark.parametrize("xcom_all", [False, True])
def test_docker_containers_have_the_credentials(sts, run, issued_secrets, xcom_all):
    folder, daemon = sts.folder(), DockerDaemon()
    with serve(daemon) as url:
        one, log = run(
            "StsDockerOperator",
            f"docker_{xcom_all}",
            folder_id="{{ params.folder }}",
            params={"folder": folder.id},
            docker_url=url.replace("http", "tcp"),
            environment={"A": "1"},
            private_environment={"B": "2"},
            mount_tmp_dir=False,
            xcom_all=xcom_all,
        )
    environment = daemon.environment
    assert environment["SYNAPSE_STS_S3_LOCATION"] == f"s3://{folder.bucket}/{folder.prefix}"
    assert environment["AWS_SECRET_ACCESS_KEY"] in issued_secrets
    assert (environment["A"], environment["B"]) == ("1", "2")
    assert daemon.find("DELETE", "/containers/c1") == [None]
    assert "AWS_SECRET_ACCESS_KEY=***" in log
    assert ("AWS_SECRET_ACCESS_KEY=***" in str(one.value("work"))) is xcom_all


def test_a_docker_container_that_fails_shows_no_credentials(sts, run):
    daemon = DockerDaemon(exit_code=1)
    with serve(daemon) as url:
        run(
            "StsDockerOperator",
            "docker_fails",
            "failed",
            folder_id=sts.folder().id,
            docker_url=url.replace("http", "tcp"),
            mount_tmp_dir=False,
        )
    assert daemon.environment


def pod_arguments(api, url, folder, folder_id, **more):
    return {
        "folder_id": folder_id,
        "name": "a-pod",
        "namespace": "default",
        "config_file": api.write_config(folder, url),
        "in_cluster": False,
        "log_pod_spec_on_failure": True,
        "log_events_on_startup": False,
        "startup_check_interval_seconds": 1,
        **more,
    }


@pytest.mark.parametrize("exit_code", [0, 1])
def test_pods_have_the_credentials_of_a_secret(sts, run, issued_secrets, tmp_path, exit_code):
    folder, api = sts.folder(), KubernetesApi(exit_code)
    with serve(api) as url:
        arguments = pod_arguments(api, url, tmp_path, folder.id)
        state = "failed" if exit_code else "success"
        _, log = run("StsPodOperator", f"pod_{exit_code}", state, **arguments)
    assert api.environment["AWS_SECRET_ACCESS_KEY"] in issued_secrets
    assert api.environment["SYNAPSE_STS_S3_LOCATION"] == f"s3://{folder.bucket}/{folder.prefix}"
    assert api.secrets == {}
    (pod,) = api.find("POST", "/pods$")
    assert find_secrets({"pod": str(pod)}, issued_secrets) == []
    (secret,) = api.find("POST", "/secrets$")
    assert secret["immutable"] is True
    (patch,) = api.find("PATCH", "/secrets/")
    assert patch["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": "pod-uid"}
    ]
    assert ("remote_pod" in log) is bool(exit_code)


def test_a_deferred_pod_keeps_its_secret_until_it_is_done(sts, run, tmp_path, issued_secrets):
    folder, api = sts.folder(), KubernetesApi()
    with serve(api) as url:
        arguments = pod_arguments(api, url, tmp_path, folder.id, deferrable=True)
        one, _ = run("StsPodOperator", "pod_deferred", "deferred", **arguments)
        (name,) = api.pods
        assert list(api.secrets) == [f"{name}-sts"]
        event = {"name": name, "namespace": "default", "status": "success", "message": ""}
        result = one.task("work", event=event, method="trigger_reentry")
    log = one.read_log("work")
    assert result.state == "success", log
    assert api.secrets == {}
    assert "AWS_SECRET_ACCESS_KEY=***" in log
    assert find_secrets({"log": log}, issued_secrets) == []


def test_without_the_scope_there_is_no_pod(sts, run, tmp_path):
    api = KubernetesApi()
    with serve(api) as url:
        arguments = pod_arguments(api, url, tmp_path, sts.project)
        _, log = run("StsPodOperator", "pod_scope", "failed", **arguments)
    assert "not a folder but a Project" in log
    assert api.requests == []


def test_a_deferrable_pod_must_not_have_a_logging_interval():
    class StsPodOperator(SynapseStsKubernetesMixin, KubernetesPodOperator): ...

    with pytest.raises(ValueError, match="must not have one"):
        StsPodOperator(
            task_id="work", folder_id="syn1", image="i", deferrable=True, logging_interval=5
        )


@pytest.mark.parametrize(
    ("bases", "message"),
    [
        ((DockerOperator, SynapseStsDockerMixin), r"class Sts\(SynapseStsDockerMixin, DockerO"),
        ((KubernetesPodOperator, SynapseStsKubernetesMixin), "comes before the mixin"),
        ((BashOperator, SynapseStsMixin), "comes before the mixin"),
        ((SynapseStsKubernetesMixin, DockerOperator), "not to a DockerOperator"),
        ((SynapseStsDockerMixin, KubernetesPodOperator), "not to a KubernetesPodOperator"),
        ((SynapseStsDockerMixin, DockerSwarmOperator), "not to a DockerSwarmOperator"),
        ((SynapseStsKubernetesMixin, KubernetesJobOperator), "not to a KubernetesJobOperator"),
        ((SynapseStsKubernetesMixin, BashOperator), "not to a BashOperator"),
    ],
)
def test_an_operator_that_would_run_without_credentials_is_rejected(bases, message):
    with pytest.raises(TypeError, match=message):
        type("Sts", bases, {})


def test_operators_with_own_base_classes_have_the_credentials():
    class Timed:
        def execute(self, context):
            return super().execute(context)

    class AlignOperator(DockerOperator):
        def execute(self, context):
            return super().execute(context)

    class StsAlignOperator(Timed, SynapseStsDockerMixin, AlignOperator): ...

    order = StsAlignOperator.__mro__
    assert order.index(SynapseStsMixin) < order.index(AlignOperator)
