"""Images of the containers that a task has run: by digest where it is known.

| operator | digest |
|---|---|
| `DockerOperator`, `@task.docker` | of the image of the Docker daemon that has run it |
| `KubernetesPodOperator`, `@task.kubernetes` | in the status of the pod's base container |
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from airflow.sdk import get_current_context

from synapse_workflows.client.model.docker_images import DockerImage
from synapse_workflows.provenance.record import Origin, Record, UrlRef

_log: Final = logging.getLogger(__name__)
_DOCKER: Final = "DockerOperator"
_KUBERNETES: Final = "KubernetesPodOperator"
#: Attribute of a task with the record of its container.
_RECORD: Final = "_synapse_container_record"


class ContainerImageRecorder:
    """Recorder of the images of the containers that the running task has run."""

    def to_record(self) -> Record:
        """Return the image of the task's container, once the container has ended."""
        try:
            context: Any = get_current_context()
        except RuntimeError:
            return Record()
        return identify_container(context["ti"].task) if "ti" in context else Record()

    def clear(self) -> None:
        """Do nothing: the record belongs to the task."""


def identify_container(task: Any) -> Record:
    """Return the image of the container that a task has run.

    An image whose digest is not known is recorded by its tag, and is a gap.

    Args:
        task: The running task. The record is empty if it runs no containers, or if its container
            has not ended.
    """
    known: Record | None = getattr(task, "__dict__", {}).get(_RECORD)
    if known is not None:
        return known
    record = Record()
    names = {base.__name__ for base in type(task).__mro__}
    if _DOCKER in names:
        record = _identify_docker_container(task)
    elif _KUBERNETES in names:
        record = _identify_pod(task)
    if record:
        task.__dict__[_RECORD] = record
    return record


def create_image_ref(image: DockerImage) -> UrlRef:
    """Return the reference of an image: the URL of its manifest."""
    return UrlRef(image.manifest_url, str(image))


def _identify_docker_container(task: Any) -> Record:
    hook = task.__dict__.get("hook")  # cached by the operator when it runs the container
    if not getattr(hook, "client_created", False):
        return Record()
    try:
        digests = task.cli.inspect_image(task.image).get("RepoDigests") or ()
    except Exception as error:  # noqa: BLE001 - the container has run
        _log.debug("The digest of %s is not known: %s", task.image, error)
        digests = ()
    return _create_record(str(task.image), digests)


def _identify_pod(task: Any) -> Record:
    pod = getattr(task, "remote_pod", None) or getattr(task, "pod", None)
    statuses = getattr(getattr(pod, "status", None), "container_statuses", None) or ()
    name = getattr(task, "base_container_name", None)
    for status in statuses:
        if status.name == name:
            image = str(getattr(task, "image", None) or status.image)
            return _create_record(image, [status.image_id or ""])
    return Record()


def _create_record(name: str, candidates: Iterable[str]) -> Record:
    """Return the record of an image.

    Args:
        name: Name of the image, as the operator has it.
        candidates: Names of the image with digests.
    """
    image = DockerImage.parse(name)
    if image is None:
        return Record()
    parsed = (DockerImage.parse(text) for text in candidates)
    digests = [
        one.digest
        for one in parsed
        if one is not None and (one.registry, one.path) == (image.registry, image.path)
    ]
    digest = image.digest or next((one for one in digests if one), None)
    exact = replace(image, digest=digest)
    gaps = [] if digest else [f"image {image} has no known digest, and its tag may move"]
    return Record.from_refs(Origin.CODE, ran=[create_image_ref(exact)], gaps=gaps)
