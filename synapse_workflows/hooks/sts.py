"""Access of a hook to the S3 storage of Synapse folders, with STS credentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from synapse_workflows.client.core.sts_tokens import StsPermission
from synapse_workflows.hooks.base import SynapseBaseHook
from synapse_workflows.hooks.sts_credentials import StsCredentialSource
from synapse_workflows.hooks.sts_environment import DEFAULT_REGION, StsEnvironment, export
from synapse_workflows.lineage.sts_lineage import record_environment, record_session

if TYPE_CHECKING:
    from synapse_workflows.hooks.sts_session import SynapseStsSession


class SynapseStsHook(SynapseBaseHook):
    """Access to the S3 storage of Synapse folders, with temporary (STS) credentials.

    All methods check the scope before the work: a folder without STS, a permission that the
    storage does not give, or an entity that is no folder is an error that names the folder and
    what to do. Credentials are masked in logs, and a task cannot return them.
    """

    @contextmanager
    def sts_environment(
        self,
        folder_id: Any,
        permission: StsPermission = "read_only",
        *,
        min_remaining_life: timedelta | None = None,
        region_name: str = DEFAULT_REGION,
        set_os_environ: bool = True,
    ) -> Iterator[StsEnvironment]:
        """Provide the environment of child processes that access the storage of a folder.

            with hook.sts_environment("syn123", permission="read_write") as env:
                subprocess.run(["aws", "s3", "sync", "out", "s3://bucket/out"], env=env)

        The environment is that of this process, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
        AWS_SESSION_TOKEN, AWS_REGION, AWS_DEFAULT_REGION, SYNAPSE_STS_S3_LOCATION
        (`s3://bucket/prefix`), and AWS_ENDPOINT_URL_S3 if the storage is not on Amazon S3;
        `env.variables` has these variables alone. The credentials are not renewed.

        Inside the block, `os.environ` has the variables as well, for libraries that start child
        processes themselves. At the end of the block, its earlier values are restored. Only blocks
        in the main thread, outside an event loop, change `os.environ`, which belongs to the whole
        process. In other threads, pass `env`.

        Inside a task, the prefix of the storage is recorded as used: what the processes read and
        write is not known.

        Args:
            folder_id: `syn123`, or a reference.
            permission: `read_only` or `read_write`.
            min_remaining_life: Minimum time until the credentials expire, at most 12 hours; None
                for one hour.
            region_name: AWS region of the bucket.
            set_os_environ: Whether the block may change `os.environ`.

        Raises:
            StsScopeError: The folder has no credentials with this permission; the task fails at
                once.
            InvalidEntityIdError: `folder_id` is not the ID of an entity.
            InvalidArgumentError: Unknown permission.
        """
        source = StsCredentialSource(self.client, folder_id, permission, min_remaining_life)
        environment = StsEnvironment(source, region_name)
        record_environment(
            self.client,
            source.folder_id,
            source.location.url,
            is_writable=permission == "read_write",
        )
        if not set_os_environ:
            yield environment
            return
        with export(environment):
            yield environment

    def sts_session(
        self,
        folder_id: Any,
        permission: StsPermission = "read_only",
        *,
        region_name: str = DEFAULT_REGION,
    ) -> "SynapseStsSession":
        """Create a boto3 session that accesses the storage of a folder.

            session = hook.sts_session("syn123", permission="read_write")
            session.client("s3").upload_file("a.csv", session.bucket, session.key("out/a.csv"))

        The credentials are renewed before they expire, also if Synapse is unavailable for a
        short time. Inside a task, the objects that the session reads and writes are recorded.

        Args:
            folder_id: `syn123`, or a reference.
            permission: `read_only` or `read_write`.
            region_name: AWS region of the bucket.

        Raises:
            StsScopeError: The folder has no credentials with this permission; the task fails at
                once.
            InvalidEntityIdError: `folder_id` is not the ID of an entity.
            InvalidArgumentError: Unknown permission.
            ImportError: boto3 is not installed.
        """
        try:
            from synapse_workflows.hooks.sts_session import SynapseStsSession
        except ImportError as error:
            raise ImportError(
                "sts_session requires boto3: pip install 'synapse-workflows[s3]'"
            ) from error
        source = StsCredentialSource(self.client, folder_id, permission)
        recorder = record_session(self.client, source.folder_id, hook=self)
        return SynapseStsSession(source, region_name, recorder)
