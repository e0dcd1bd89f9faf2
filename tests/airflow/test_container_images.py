"""Images of containers are executed code of a task: by digest, or by tag and a gap."""

from types import SimpleNamespace

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG, task
from support.container_apis import DockerDaemon, KubernetesApi, serve
from support.execution_api import Run

from synapse_workflows import SynapseStoreOperator
from synapse_workflows.lineage.container_images import identify_container

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64
HUB = "https://registry-1.docker.io/v2/library/alpine/manifests"
pytestmark = [
    pytest.mark.usefixtures("docker_sockets"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def store(api, project, alice, tmp_path, sources_of):
    """Function that runs a task and stores a file downstream; it returns the images and gaps."""
    path = tmp_path / "result.txt"
    path.write_text("result")

    def run(create):
        with DAG("containers", schedule=None) as dag:
            create() >> SynapseStoreOperator(task_id="store", path=str(path), parent_id=project)
        stored = Run(api, dag).all().value("store")
        lines = alice.getProvenance(stored["id"])["description"].splitlines()
        images = [url for url in sources_of(stored["id"])[1] if "/manifests/" in url]
        return images, [line for line in lines if line.startswith("Not pinned: ")]

    return run


@pytest.mark.parametrize(
    ("image", "digests", "expected"),
    [
        ("alpine:3.19", ["other@" + OTHER, "alpine@" + DIGEST], DIGEST),
        ("docker.io/library/alpine", ["alpine@" + DIGEST], DIGEST),
        ("alpine@" + DIGEST, [], DIGEST),
        ("alpine:3.19", ["other@" + OTHER], "3.19"),
        ("alpine", [], "latest"),
    ],
)
def test_docker_images(store, image, digests, expected):
    with serve(DockerDaemon(digests=tuple(digests))) as url:
        images, gaps = store(
            lambda: DockerOperator(
                task_id="work",
                image=image,
                docker_url=url.replace("http", "tcp"),
                mount_tmp_dir=False,
            )
        )
    assert images == [f"{HUB}/{expected}"]
    gap = f"Not pinned: image {image} has no known digest, and its tag may move"
    assert gaps == ([] if expected == DIGEST else [gap])


def test_image_of_a_decorated_function():
    with DAG("decorated", schedule=None) as dag:

        @task.docker(image="alpine:3.19", serializer="pickle")
        def work():
            return 1

        work()
    operator = dag.get_task("work")
    assert not identify_container(operator)  # has not run
    client = SimpleNamespace(inspect_image=lambda _: {"RepoDigests": ["alpine@" + DIGEST]})
    operator.__dict__["hook"] = SimpleNamespace(client_created=True, api_client=client)
    (image,) = identify_container(operator).executed()
    assert (image.url, image.name) == (f"{HUB}/{DIGEST}", f"alpine:3.19@{DIGEST}")


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        ("docker.io/library/alpine@" + DIGEST, DIGEST),
        ("docker-pullable://alpine@" + DIGEST, DIGEST),
        ("sha256:" + "0" * 64, "3.19"),
    ],
)
def test_images_of_pods(store, tmp_path, image_id, expected):
    kubernetes = KubernetesApi(image_id=image_id)
    with serve(kubernetes) as url:
        images, gaps = store(
            lambda: KubernetesPodOperator(
                task_id="work",
                image="alpine:3.19",
                name="a-pod",
                namespace="default",
                config_file=kubernetes.write_config(tmp_path, url),
                in_cluster=False,
                log_events_on_startup=False,
                startup_check_interval_seconds=1,
            )
        )
    assert images == [f"{HUB}/{expected}"]
    assert len(gaps) == (expected != DIGEST)
