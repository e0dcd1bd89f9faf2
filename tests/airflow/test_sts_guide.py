"""The DAGs of the guide with STS credentials."""

import sys

import pytest
from support.container_apis import DockerDaemon, KubernetesApi, serve
from support.guides import DAGS, replace_ids
from support.sts_folders import find_secrets

#: Command `aws s3 ls`, for machines without the AWS command line.
AWS = f"""#!{sys.executable}
import boto3, sys
assert sys.argv[1:3] == ["s3", "ls"]
bucket, _, prefix = sys.argv[3].removeprefix("s3://").partition("/")
found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
print(*(one["Key"].rpartition("/")[2] for one in found["Contents"]))
"""


def create_dag(dag_id, folder_id):
    """Return a DAG of the guide that uses an existing folder."""
    values = {}
    exec(replace_ids(DAGS[dag_id], {"syn123": folder_id}), values)  # noqa: S102
    return values[dag_id]()


def test_count_lines(sts, issued_secrets, tmp_path, monkeypatch):
    command = tmp_path / "bin" / "aws"
    command.parent.mkdir()
    command.write_text(AWS)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    folder = sts.folder()
    folder.put("a.csv", "1\n2\n")
    folder.put("b.csv", "1\n")
    run = sts.run(create_dag("count_lines", folder.id), count=2)
    assert folder.read("counts/a.csv.txt") == "2"
    assert run.value("listing") == "a.csv.txt b.csv.txt"
    assert run.record("count", 1)["wrote"] == [{"url": folder.recorded_url("counts/b.csv.txt")}]
    assert find_secrets({"requests": str(sts.api.requests)}, issued_secrets) == []


@pytest.mark.usefixtures("docker_sockets")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_align_in_containers(sts, issued_secrets, tmp_path):
    """Servers take the place of the Docker daemon and of the cluster."""
    folder, daemon, cluster = sts.folder(), DockerDaemon(), KubernetesApi(0)
    dag = create_dag("align_in_containers", folder.id)
    with serve(daemon) as docker_url, serve(cluster) as cluster_url:
        docker, pod = dag.get_task("docker"), dag.get_task("pod")
        docker.docker_url, docker.mount_tmp_dir = docker_url.replace("http", "tcp"), False
        pod.config_file, pod.in_cluster = cluster.write_config(tmp_path, cluster_url), False
        pod.namespace, pod.startup_check_interval_seconds = "default", 1
        sts.run(dag)
    assert folder.read("list.txt").split() == ["a.fastq", "b.fastq"]
    for environment in (daemon.environment, cluster.environment):
        assert environment["AWS_SECRET_ACCESS_KEY"] in issued_secrets
        assert environment["SYNAPSE_STS_S3_LOCATION"] == f"s3://{folder.bucket}/{folder.prefix}"
