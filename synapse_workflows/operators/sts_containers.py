"""Mixins that give STS credentials of a Synapse folder to containers."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from synapse_workflows.hooks.sts_credentials import StsCredentials
from synapse_workflows.hooks.sts_environment import StsEnvironment
from synapse_workflows.lineage.sts_secrets import mask_credentials
from synapse_workflows.operators.sts import SynapseStsMixin

if TYPE_CHECKING:
    from airflow.sdk import Context

_LABELS: Final = {"app.kubernetes.io/managed-by": "synapse-workflows"}


class SynapseStsDockerMixin(SynapseStsMixin):
    """Mixin that gives STS credentials to the container of a `DockerOperator`.

        class StsDockerOperator(SynapseStsDockerMixin, DockerOperator): ...

        StsDockerOperator(task_id="align", folder_id="syn123", image="amazon/aws-cli", ...)

    The credentials are added to the private environment of the container. The Docker daemon shows
    the environment of a container until the container is removed, so the default of
    `auto_remove` is `force`.
    """

    _operator_name = "DockerOperator"
    _unsupported_names = frozenset({"DockerSwarmOperator"})
    _private_environment: dict[str, str]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"auto_remove": "force"} | kwargs))

    @contextmanager
    def inject_credentials(self, environment: StsEnvironment) -> Iterator[None]:
        """Add the credentials to the private environment inside this block."""
        before = self._private_environment
        self._private_environment = {**before, **environment.variables}
        try:
            yield
        finally:
            self._private_environment = before


class SynapseStsKubernetesMixin(SynapseStsMixin):
    """Mixin that gives STS credentials to the base container of a `KubernetesPodOperator`.

        class StsPodOperator(SynapseStsKubernetesMixin, KubernetesPodOperator): ...

        StsPodOperator(task_id="align", folder_id="syn123", image="amazon/aws-cli", ...)

    The credentials are in a Secret of Kubernetes, which the pod refers to: the specification of
    the pod, which the operator logs when the pod fails, has only the name of the Secret. The
    Secret is deleted at the end of the task, and with the pod. The service account of the worker
    has to create, get, patch and delete Secrets in the namespace of the pod.

    A deferrable operator must not have a `logging_interval`: the triggerer, which would write the
    log of the container, does not know the credentials and cannot mask them.

    Raises:
        ValueError: A deferrable operator has a `logging_interval`.
    """

    _operator_name = "KubernetesPodOperator"
    _unsupported_names = frozenset({"KubernetesJobOperator", "SparkKubernetesOperator"})
    _environment: StsEnvironment | None = None
    _credentials: StsCredentials | None = None
    _secret: tuple[str, str] | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if getattr(self, "deferrable", False) and kwargs.get("logging_interval") is not None:
            raise ValueError(
                "Invalid logging_interval: a deferrable operator with STS credentials must not "
                "have one, because the triggerer cannot mask them in the log of the container. "
                "Remove it; the log is then written at the end of the task."
            )

    @contextmanager
    def inject_credentials(self, environment: StsEnvironment) -> Iterator[None]:
        """Refer to a Secret with the credentials in pods that are built inside this block."""
        self._environment, self._credentials = environment, environment.credentials
        try:
            yield
        finally:
            self._environment = None

    def build_pod_request_obj(self, context: Any = None, **kwargs: Any) -> Any:
        """Build the pod, with a reference to the Secret."""
        from kubernetes.client import models as k8s

        pod = super().build_pod_request_obj(context, **kwargs)  # type: ignore[misc]
        reference = k8s.V1SecretEnvSource(name=_get_secret_name(pod))
        for container in pod.spec.containers:
            if container.name == self.base_container_name:  # type: ignore[attr-defined]
                source = k8s.V1EnvFromSource(secret_ref=reference)
                container.env_from = [*(container.env_from or []), source]
        return pod

    def get_or_create_pod(self, pod_request_obj: Any, context: "Context") -> Any:
        """Create the Secret, and the pod unless an earlier try has started it."""
        self._create_secret(pod_request_obj)
        try:
            pod = super().get_or_create_pod(pod_request_obj, context)  # type: ignore[misc]
        except BaseException:
            self._delete_secret()
            raise
        if pod is pod_request_obj:
            self._set_owner(pod)
        else:  # the pod of an earlier try has an older token
            self._delete_secret()
            self._read_secret(pod)
        return pod

    def trigger_reentry(self, context: "Context", event: dict[str, Any]) -> Any:
        """Mask the credentials in this process before the log of the container is written."""
        from kubernetes.client import ApiException

        try:
            self._read_secret(self.hook.get_pod(event["name"], event["namespace"]))  # type: ignore[attr-defined]
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        return super().trigger_reentry(context, event)  # type: ignore[misc]

    def extract_xcom(self, pod: Any, **kwargs: Any) -> Any:
        """Return the result of the container without credentials."""
        result = super().extract_xcom(pod, **kwargs)  # type: ignore[misc]
        return result if self._credentials is None else self._credentials.redact(result)

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Clean up the pod, and delete the Secret."""
        try:
            super().cleanup(pod, remote_pod, *args, **kwargs)  # type: ignore[misc]
        finally:
            self._delete_secret()

    def on_kill(self) -> None:
        """Delete the pod and the Secret."""
        try:
            super().on_kill()
        finally:
            self._delete_secret()

    @property
    def _core_client(self) -> Any:
        return self.client  # type: ignore[attr-defined]

    def _create_secret(self, pod: Any) -> None:
        from kubernetes.client import ApiException, models as k8s

        assert self._environment is not None  # noqa: S101 - pods are created by `execute`
        name, namespace = _get_secret_name(pod), pod.metadata.namespace
        labels = {**_LABELS, "airflow-pod": pod.metadata.name}
        secret = k8s.V1Secret(
            metadata=k8s.V1ObjectMeta(name=name, namespace=namespace, labels=labels),
            string_data=dict(self._environment.variables),
            immutable=True,
        )
        try:
            self._core_client.create_namespaced_secret(namespace, secret)
        except ApiException as error:
            # the response may repeat the values
            is_forbidden = error.status == HTTPStatus.FORBIDDEN
            raise (AirflowFailException if is_forbidden else AirflowException)(
                f"Cannot create the Secret {name} in the namespace {namespace}: {error.status} "
                f"{error.reason}. The service account of the worker has to create, get, patch and "
                "delete Secrets there."
            ) from None
        self._secret = (name, namespace)

    def _set_owner(self, pod: Any) -> None:
        """Make the pod the owner of the Secret, so that Kubernetes deletes both together."""
        from kubernetes.client import ApiException

        name, namespace = pod.metadata.name, pod.metadata.namespace
        try:
            uid = self._core_client.read_namespaced_pod(name, namespace).metadata.uid
            owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
            patch = {"metadata": {"ownerReferences": [owner]}}
            self._core_client.patch_namespaced_secret(_get_secret_name(pod), namespace, patch)
        except ApiException as error:
            self.log.warning(
                "Cannot set the pod %s as the owner of its Secret: %s. The Secret is deleted at "
                "the end of the task.",
                name,
                error.reason,
            )

    def _read_secret(self, pod: Any) -> None:
        """Read the Secret of a running pod and mask its values in this process."""
        from kubernetes.client import ApiException

        name, namespace = _get_secret_name(pod), pod.metadata.namespace
        try:
            data = self._core_client.read_namespaced_secret(name, namespace).data
        except ApiException as error:
            self.get_logs = False
            self.log.warning(
                "Cannot read the Secret %s (%s): the log of the container is not written, because "
                "credentials in it would not be masked.",
                name,
                error.reason,
            )
            return
        values = {key: base64.b64decode(value).decode() for key, value in data.items()}
        self._secret = (name, namespace)
        body = {
            "accessKeyId": values["AWS_ACCESS_KEY_ID"],
            "secretAccessKey": values["AWS_SECRET_ACCESS_KEY"],
            "sessionToken": values["AWS_SESSION_TOKEN"],
        }
        mask_credentials(body)
        self._credentials = StsCredentials.from_json(body, datetime.now(UTC))

    def _delete_secret(self) -> None:
        from kubernetes.client import ApiException

        if self._secret is None:
            return
        name, namespace = self._secret
        try:
            self._core_client.delete_namespaced_secret(name, namespace)
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                self.log.error(  # noqa: TRY400 - the response may repeat the values
                    "Cannot delete the Secret %s in the namespace %s: %s. Delete it.",
                    name,
                    namespace,
                    error.reason,
                )
                return
        self._secret = None


def _get_secret_name(pod: Any) -> str:
    return f"{pod.metadata.name}-sts"
