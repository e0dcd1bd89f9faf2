"""The Apache Airflow 3 provider for Synapse (synapse.org, Sage Bionetworks).

Public names are found when first asked for: importing this package loads nothing else, so that
Airflow can discover the provider before its own configuration is ready.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_workflows.assets import synapse_asset as synapse_asset
    from synapse_workflows.client.errors import SynapseError as SynapseError
    from synapse_workflows.client.model.activity import Activity as Activity
    from synapse_workflows.client.model.annotations import Annotations as Annotations
    from synapse_workflows.client.model.entity import (
        Entity as Entity,
        File as File,
        Folder as Folder,
        Link as Link,
        Project as Project,
    )
    from synapse_workflows.client.synapse import (
        Synapse as Synapse,
        login as login,
    )
    from synapse_workflows.hooks.synapse import SynapseHook as SynapseHook
    from synapse_workflows.links import SynapseEntityLink as SynapseEntityLink
    from synapse_workflows.operators.files import (
        SynapseGetOperator as SynapseGetOperator,
        SynapseStoreOperator as SynapseStoreOperator,
    )
    from synapse_workflows.operators.retries import SynapseRetryPolicy as SynapseRetryPolicy
    from synapse_workflows.references import local_path as local_path

__version__ = "0.1.0"

_HOME = {
    "Activity": "synapse_workflows.client.model.activity",
    "Annotations": "synapse_workflows.client.model.annotations",
    "Entity": "synapse_workflows.client.model.entity",
    "File": "synapse_workflows.client.model.entity",
    "Folder": "synapse_workflows.client.model.entity",
    "Link": "synapse_workflows.client.model.entity",
    "Project": "synapse_workflows.client.model.entity",
    "Synapse": "synapse_workflows.client.synapse",
    "SynapseEntityLink": "synapse_workflows.links",
    "SynapseError": "synapse_workflows.client.errors",
    "SynapseGetOperator": "synapse_workflows.operators.files",
    "SynapseHook": "synapse_workflows.hooks.synapse",
    "SynapseRetryPolicy": "synapse_workflows.operators.retries",
    "SynapseStoreOperator": "synapse_workflows.operators.files",
    "local_path": "synapse_workflows.references",
    "login": "synapse_workflows.client.synapse",
    "synapse_asset": "synapse_workflows.assets",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names, not two


def __getattr__(name: str) -> Any:
    """Import the module a public name lives in, once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
