"""Class of the paths `syn://` in universal-pathlib, which Airflow's `ObjectStoragePath` uses.

An own class would break `name` and `parent` of `ObjectStoragePath`. Without an entry point,
universal-pathlib warns about each unknown file system.
"""

import fsspec
from upath import UPath

from synapse_workflows.client.model.entity_paths import PROTOCOL
from synapse_workflows.filesystem.synapse_file_system import SynapseFileSystem

__all__ = ["UPath"]

# universal-pathlib knows the root marker of loaded classes only
fsspec.register_implementation(PROTOCOL, SynapseFileSystem, clobber=True)
