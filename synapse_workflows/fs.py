"""File system `syn://` for Airflow's `ObjectStoragePath`."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from synapse_workflows.filesystem.synapse_file_system import SynapseFileSystem

schemes: Final = ["syn"]


def get_fs(
    conn_id: str | None, storage_options: dict[str, Any] | None = None
) -> "SynapseFileSystem":
    """Return the file system of a connection. No request is sent before its first use.

    Args:
        conn_id: The Airflow connection; None for `synapse_default`.
        storage_options: Further options of `SynapseFileSystem`.
    """
    from synapse_workflows.filesystem.synapse_file_system import SynapseFileSystem

    return SynapseFileSystem(conn_id or "synapse_default", **(storage_options or {}))
