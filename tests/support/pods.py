"""Pods of the Kubernetes executor: rendered by its functions, run as processes of this machine.

A process of a pod has the root file system, the user, the environment and the volumes of its pod,
but there is no container runtime: `unshare` and `setpriv` are used, which needs Linux and root.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_utils import (
    get_base_pod_from_template,
)
from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import create_unique_id
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator, workload_to_command_args
from kubernetes.client import ApiClient

from support.execution_api import ExecutionApi, Run

REPO = Path(__file__).parents[2]
#: Directories of the image; those of Python are added.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ssl", "/proc")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
#: User of a pod in OpenShift, which has no entry in /etc/passwd.
ARBITRARY_USER = 1000660000
IMAGE = "registry.example.org/airflow:3"


@cache
def find_obstacle() -> str | None:
    """Return why no pod can run on this machine; None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "pods need root on Linux, for mount namespaces"
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        return "pods need unshare and setpriv"
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return "this machine permits no mount namespaces"
    return None


def create_workload(ti: Any, file: str, executor_config: Any = None) -> ExecuteTask:
    """Create what the scheduler hands to an executor for a task instance."""
    fields = ti.model_dump() | {"executor_config": executor_config}
    return ExecuteTask(
        ti=TaskInstanceDTO(**fields, pool_slots=1, priority_weight=1),
        dag_rel_path=Path(file),
        bundle_info=BundleInfo(name="dags-folder", version=None),
        log_path=f"{ti.task_id}.log",
        token="token of the task",
    )


def render_pod(workload: ExecuteTask, template: Path) -> dict[str, Any]:
    """Render the pod of a task as the Kubernetes executor does, as JSON for the Kubernetes API."""
    ti = workload.ti
    base = get_base_pod_from_template(None, SimpleNamespace(pod_template_file=str(template)))
    pod = PodGenerator.construct_pod(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        try_number=ti.try_number,
        date=None,
        pod_id=create_unique_id(ti.dag_id, ti.task_id),
        kube_image=IMAGE,
        args=workload_to_command_args(workload),
        pod_override_object=PodGenerator.from_obj(ti.executor_config or {}),
        base_worker_pod=base,
        namespace="airflow",
        scheduler_job_id="1",
        with_mutation_hook=True,
    )
    return ApiClient().sanitize_for_serialization(pod)


@dataclass
class Node:
    """What a pod needs besides its specification.

    Args:
        root: An empty directory.
        dags: Directory of the DAG files.
        secrets: Values of the Secrets, by name and key.
        environment: Environment variables of the image.
        sizes: Sizes of the volumes by mount path, such as `16M`; 64M by default.
    """

    root: Path
    dags: Path
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)

    def run(self, pod: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
        """Run the container of a pod to its end."""
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        user = (
            f"setpriv --reuid={ARBITRARY_USER} --regid=0 --clear-groups --no-new-privs "
            "--bounding-set=-all --inh-caps=-all"
        )
        script = [
            "set -e",
            *self._mounts(container),
            f'exec chroot {self.root} {user} env -i "$@"',
        ]
        shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(script)]
        return subprocess.run(
            [*shell, "sh", *self._variables(container), *container["args"]],
            capture_output=True, text=True, check=False, timeout=100, cwd="/",
        )  # fmt: skip

    def _mounts(self, container: dict[str, Any]) -> Iterator[str]:
        """Yield the commands that make the root file system."""
        root = self.root
        yield f"mount -t tmpfs -o mode=755 tmpfs {root}"
        for mount in container["volumeMounts"]:
            path, size = f"{root}{mount['mountPath']}", self.sizes.get(mount["mountPath"], "64M")
            yield f"mkdir -p {path}; mount -t tmpfs -o mode=777,size={size} tmpfs {path}"
        paths = {one: one for one in (*SYSTEM, *DEVICES, sys.prefix, sys.base_prefix)}
        paths |= {str(self.dags): "/opt/airflow/dags", str(REPO): "/opt/provider"}
        for source, target in paths.items():
            if Path(source).exists():
                path = root / target.lstrip("/")
                is_file = not Path(source).is_dir()
                yield f"mkdir -p {path.parent if is_file else path}"
                yield f"touch {path}" if is_file else ":"
                yield f"mount --rbind {source} {path}"
                yield ":" if source in DEVICES else f"mount -o remount,ro,bind {path}"
        yield f"mkdir -m 700 {root}/closed"
        yield f"echo root:x:0:0:root:/root:/bin/sh > {root}/etc/passwd"
        yield f"mount -o remount,ro {root}"

    def _variables(self, container: dict[str, Any]) -> list[str]:
        values = {
            "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
            "PYTHONPATH": "/opt/provider",
            "AIRFLOW_HOME": "/opt/airflow",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            **self.environment,
        }
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            values[variable["name"]] = (
                self.secrets[reference["name"]][reference["key"]]
                if reference
                else variable["value"]
            )
        return [f"{name}={value}" for name, value in values.items()]


class PodRun(Run):
    """Run of a DAG whose tasks run in pods.

    Args:
        api: The Execution API of the tasks; `node` has the URL in the environment.
        dag: The DAG.
        file: Name of its file.
        node: Where the pods run.
        template: Pod template.
    """

    def __init__(self, api: ExecutionApi, dag: Any, file: str, node: Node, template: Path) -> None:
        super().__init__(api, dag)
        self.file, self.node, self.template = file, node, template
        self.logs = ""

    def _execute(self, ti: Any) -> Any:
        done = self.node.run(render_pod(create_workload(ti, self.file), self.template))
        self.logs += done.stdout + done.stderr
        _, instance = self.api.by_try[str(ti.id)]
        return SimpleNamespace(state=instance.state, msg=None, error=self.logs[-3000:])
