"""Names of Docker images."""

import pytest

from synapse_workflows.client.model.docker_images import DockerImage

DIGEST = "sha256:" + "0123456789abcdef" * 4
HUB = "https://registry-1.docker.io/v2"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("alpine", f"{HUB}/library/alpine/manifests/latest"),
        ("alpine:3.19", f"{HUB}/library/alpine/manifests/3.19"),
        (f"alpine:3.19@{DIGEST}", f"{HUB}/library/alpine/manifests/{DIGEST}"),
        ("org/tool", f"{HUB}/org/tool/manifests/latest"),
        ("docker.io/library/alpine:1", f"{HUB}/library/alpine/manifests/1"),
        ("docker.io/alpine:1", f"{HUB}/library/alpine/manifests/1"),
        (f"docker-pullable://alpine@{DIGEST}", f"{HUB}/library/alpine/manifests/{DIGEST}"),
        (
            f"docker.synapse.org/syn1/model@{DIGEST}",
            f"https://docker.synapse.org/v2/syn1/model/manifests/{DIGEST}",
        ),
        ("localhost/a:1", "https://localhost/v2/a/manifests/1"),
        ("host:5000/a/b", "https://host:5000/v2/a/b/manifests/latest"),
    ],
)
def test_manifest_url(text, url):
    assert DockerImage.parse(text).manifest_url == url


def test_parts_are_parsed_and_written():
    image = DockerImage.parse(f"host:5000/a:1@{DIGEST}")
    assert image == DockerImage("host:5000/a", "1", DIGEST)
    assert str(image) == f"host:5000/a:1@{DIGEST}"
    assert str(DockerImage.parse("docker://alpine")) == "alpine"


@pytest.mark.parametrize("text", ["", "a b", "a@sha256:short", "{{ image }}"])
def test_other_texts_are_no_images(text):
    assert DockerImage.parse(text) is None
